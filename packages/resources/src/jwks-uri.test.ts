import { expect, test } from "vitest";
import { parseJwksUri } from "./index.ts";

test.each([
  ["https://a.example.com/keys", { hostname: "a.example.com", scheme: "https", port: 443, useSSL: true }],
  ["http://a.example.com:8080", { hostname: "a.example.com", scheme: "http", port: 8080, useSSL: false }],
  ["HTTPS://user@a.example.com?x=:1", { hostname: "a.example.com", scheme: "https", port: 443, useSSL: true }],
  ["https://[2001:db8::1]:8443/", { hostname: "2001:db8::1", scheme: "https", port: 8443, useSSL: true }],
])("%s", (uri, value) => expect(parseJwksUri(uri)).toEqual({ ok: true, value }));

test.each([
  "",
  "a.example.com",
  "ftp://a",
  "https://",
  "https://:80",
  "http://a:b",
  "http://a:0",
  "http://a:65536",
  "https://a\n.b:x",
])("%j is refused", (uri) => expect(parseJwksUri(uri)).toMatchObject({ ok: false, error: { code: "BAD_INPUT" } }));
