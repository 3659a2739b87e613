import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePem, encodePem } from "./pem.ts";

test("what is encoded is decoded the same, whatever stands around it", () =>
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), fc.boolean(), (list, crlf) => {
      const text = `some words\n${list.map((der) => encodePem("CERTIFICATE", der)).join("and more\n")}the end`;
      const blocks = decodePem(crlf ? text.replaceAll("\n", "\r\n") : text);
      expect(blocks.ok && blocks.value.map((b) => [b.label, [...b.der]])).toEqual(
        list.map((d) => ["CERTIFICATE", [...d]]),
      );
    }),
  ));

test("lines have 64 characters and a newline at the end", () =>
  expect(encodePem("X", new Uint8Array(49))).toBe(`-----BEGIN X-----\n${"A".repeat(64)}\nAA==\n-----END X-----\n`));

describe("refuses", () => {
  for (const [name, text, why] of [
    ["a block without an end", "-----BEGIN A-----\nAAAA\n", "has no end"],
    ["a block with the end of another", "-----BEGIN A-----\nAAAA\n-----END B-----\n", "has no end"],
    ["a label that is cut off", "-----BEGIN A", "no proper label"],
    ["a label with control characters", "-----BEGIN A\u0007-----\n-----END A\u0007-----", "no proper label"],
    ["a body that is not base64", "-----BEGIN A-----\n!!!!\n-----END A-----\n", "is not base64"],
    ["a body of a wrong length", "-----BEGIN A-----\nAAA\n-----END A-----\n", "is not base64"],
    ["a text over a mebibyte", " ".repeat(1024 * 1024 + 1), "longer than"],
    ["more than 512 blocks", encodePem("A", new Uint8Array(1)).repeat(513), "more than 512"],
  ] as const)
    test(name, () => {
      const r = decodePem(text);
      expect(r.ok ? "accepted" : `${r.error.code} ${r.error.message}`).toMatch(new RegExp(`^BAD_INPUT .*${why}`));
    });
});

test("any text gives blocks or an error", () =>
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("-----BEGIN ", "-----END ", "-----", "A", "CERTIFICATE", "\n", "=", "é")),
      (parts) => {
        const r = decodePem(parts.join(""));
        expect(typeof r.ok).toBe("boolean");
      },
    ),
  ));
