import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRootPem, readToken } from "./given-secrets.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
let dir = "";
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), "given-"))));
afterAll(() => rmSync(dir, { recursive: true }));

describe("roots", () => {
  test("are read from a file, anew each time", () => {
    const file = join(dir, "root.pem");
    writeFileSync(file, PEM);
    expect(readRootPem(file)).toBe(PEM);
    writeFileSync(file, PEM + PEM);
    expect(readRootPem(file)).toBe(PEM + PEM);
  });

  test("may be given as they are, or be the system's", () => {
    expect(readRootPem(PEM)).toBe(PEM);
    expect(readRootPem("SYSTEM")).toContain("-----BEGIN CERTIFICATE-----");
  });

  test("a file without any is refused, as one that is missing", () => {
    writeFileSync(join(dir, "empty"), "");
    expect(() => readRootPem(join(dir, "empty"))).toThrow("it holds no certificate");
    expect(() => readRootPem(join(dir, "none"))).toThrow("Cannot read the root certificate");
  });
});

test("a token is a file's content, or itself", () => {
  writeFileSync(join(dir, "token"), "a.b.c\n");
  expect(readToken(join(dir, "token"))).toBe("a.b.c");
  expect(readToken("a.b.c")).toBe("a.b.c");
  expect(() => readToken("./nowhere/token")).toThrow("Cannot read the token");
});
