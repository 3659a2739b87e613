import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Code, MeshError, fail, httpStatus, ok } from "./mesh-error.ts";

describe("MeshError", () => {
  test("carries code, facts and cause", () => {
    const cause = new Error("EADDRINUSE");
    const e = new MeshError(
      Code.Unavailable,
      "Cannot bind inbound listener: port 15008 is in use",
      { port: 15008 },
      cause,
    );
    expect(e).toMatchObject({ name: "MeshError", code: "UNAVAILABLE", facts: { port: 15008 }, cause });
    expect(String(e)).toBe("MeshError: Cannot bind inbound listener: port 15008 is in use");
  });

  test("without a cause it has no cause property", () => expect("cause" in new MeshError(Code.Bug, "x")).toBe(false));

  test("the brand does not show among its properties", () => {
    expect(Object.getOwnPropertySymbols(new MeshError(Code.Bug, "x")).length).toBe(1);
    expect(Object.keys(new MeshError(Code.Bug, "x"))).toEqual(["code", "facts", "name"]);
  });

  test("is known by brand and code", () => {
    const e: unknown = new MeshError(Code.Denied, "x");
    expect([MeshError.is(e), MeshError.is(e, Code.Denied), MeshError.is(e, Code.Bug)]).toEqual([true, true, false]);
  });

  test("one made by another copy of the package is known too", () => {
    const foreign = Object.assign(new Error("x"), { code: "TIMEOUT", [Symbol.for("lateen.error")]: true });
    expect([MeshError.is(foreign), MeshError.is(foreign, Code.Timeout), foreign instanceof MeshError]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("nothing else is", () =>
    fc.assert(
      fc.property(fc.anything(), (x) => {
        expect(MeshError.is(x)).toBe(false);
      }),
    ));

  test("an error of another class with one of our codes is not", () =>
    expect(MeshError.is(Object.assign(new Error("x"), { code: "TIMEOUT" }))).toBe(false));
});

test("results", () => {
  expect(ok(1)).toEqual({ ok: true, value: 1 });
  expect(fail("why")).toEqual({ ok: false, error: "why" });
});

test("the docs list exactly the codes that exist, with their HTTP status", () => {
  const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `([A-Z_]+)` +\| (\d+) +\|/gm)].map((m) => [m[1], Number(m[2])]);
  expect(Object.fromEntries(listed)).toEqual(httpStatus);
  expect(listed.length).toBe(Object.values(Code).length);
});
