import { describe, expect, test } from "vitest";
import { appProtocol, canonicalService, portProtocol } from "./index.ts";

describe("the protocol of a port", () => {
  test.each([
    [{ port: 80, name: "http" }, "HTTP"],
    [{ port: 80, name: "http-web" }, "HTTP"],
    [{ port: 80, name: "httpweb" }, "Unsupported"],
    [{ port: 80, name: "http", appProtocol: "https" }, "HTTPS"],
    [{ port: 80, name: "http", appProtocol: "" }, "Unsupported"],
    [{ port: 80, appProtocol: "kubernetes.io/ws" }, "HTTP"],
    [{ port: 80, appProtocol: "kubernetes.io/wss" }, "HTTPS"],
    [{ port: 80, name: "grpc-web-a" }, "GRPCWeb"],
    [{ port: 80, name: "grpc-a" }, "GRPC"],
    [{ port: 53, name: "dns" }, "TCP"],
    [{ port: 53, name: "dns", protocol: "UDP" }, "UDP"],
    [{ port: 3306, name: "http" }, "HTTP"],
  ])("%j is %s", (port, protocol) => expect(portProtocol(port)).toBe(protocol));

  test("has a word on the wire, or none", () => {
    expect(["HTTP", "HTTPS", "TLS", "UDP", "GRPCWeb"].map((p) => appProtocol(p as "HTTP"))).toEqual([
      "HTTP11",
      "TLS",
      "TLS",
      undefined,
      undefined,
    ]);
  });
});

test("an empty label says nothing", () => {
  expect(canonicalService({ app: "", version: "v2" }, "web")).toEqual({ name: "web", revision: "v2" });
});
