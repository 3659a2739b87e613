import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Plain, decodeCbor } from "./decode.ts";
import { encodeCbor } from "./encode.ts";

const { plain } = fc.letrec<{ plain: Plain }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double(),
    fc.string({ unit: "binary" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("plain"), { maxLength: 30 }),
    fc.dictionary(fc.string(), tie("plain"), { maxKeys: 30 }),
  ),
}));

describe("bytes", () => {
  test("come back as what they were", () =>
    fc.assert(
      fc.property(plain, (value) => {
        expect(decodeCbor(encodeCbor(value))).toEqual({ ok: true, value });
      }),
    ));

  // The examples of RFC 8949, appendix A.
  test.each<[Plain, string]>([
    [0, "00"],
    [23, "17"],
    [24, "1818"],
    [1000, "1903e8"],
    [1_000_000, "1a000f4240"],
    [1_000_000_000_000, "1b000000e8d4a51000"],
    [-1, "20"],
    [-1000, "3903e7"],
    [1.1, "fb3ff199999999999a"],
    [-4.1, "fbc010666666666666"],
    [null, "f6"],
    [true, "f5"],
    [Uint8Array.of(1, 2, 3, 4), "4401020304"],
    ["ü", "62c3bc"],
    [[1, [2, 3]], "8201820203"],
    [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  ])("%j is %s", (value, hex) => {
    expect(hexOf(encodeCbor(value))).toBe(hex);
    expect(decodeCbor(bytesOf(hex))).toEqual({ ok: true, value });
  });

  test.each([
    ["1818aa", "bytes follow"],
    ["", "ends inside"],
    ["19ff", "ends inside"],
    ["5f", "not given at the start"],
    ["1bffffffffffffffff", "too large"],
    ["9b00000000ffffffff", "more items"],
    ["bb0000000000000fff", "more items"],
    ["a2616101616102", "twice"],
    ["a10101", "not a text"],
    ["61ff", "UTF-8"],
    ["c074", "tagged"],
    ["f93c00", "unknown simple"],
    ["81".repeat(40) + "00", "nested"],
  ])("%s is refused: %s", (hex, why) => {
    const decoded = decodeCbor(bytesOf(hex));
    expect(decoded.ok ? "" : decoded.error.message).toContain(why);
  });

  test("of any kind are decoded or refused, never more", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodeCbor(bytes);
        if (!decoded.ok) expect(decoded.error.code).toBe("BAD_INPUT");
      }),
    ));

  test("cut anywhere are refused", () =>
    fc.assert(
      fc.property(plain, fc.nat(), (value, n) => {
        const bytes = encodeCbor(value);
        expect(decodeCbor(bytes.subarray(0, n % bytes.length)).ok).toBe(false);
      }),
    ));
});

test("a name of the language stays a name", () => {
  const decoded = decodeCbor(encodeCbor(JSON.parse('{"__proto__":{"x":1}}')));
  expect(decoded.ok && Object.keys(decoded.value as object)).toEqual(["__proto__"]);
  expect(({} as { x?: number }).x).toBeUndefined();
});

test.each([[undefined], [{ a: undefined }], [1n], [new Map()], [() => 1]])("%s cannot be encoded", (value) => {
  expect(() => encodeCbor(value)).toThrow(expect.objectContaining({ code: "BUG" }));
});

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (x) => Number.parseInt(x, 16));
