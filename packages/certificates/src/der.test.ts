import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hex } from "./bytes.ts";
import { DerError, DerReader, Tag } from "./der-reader.ts";
import * as der from "./der-writer.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (p) => parseInt(p, 16));

describe("the reader refuses what DER does not allow", () => {
  for (const [name, input, read] of [
    ["nothing at all", "", (r: DerReader) => r.enter(Tag.Sequence)],
    ["another tag", "0500", (r: DerReader) => r.enter(Tag.Sequence)],
    ["no length", "30", (r: DerReader) => r.enter(Tag.Sequence)],
    ["an indefinite length", "30800000", (r: DerReader) => r.enter(Tag.Sequence)],
    ["a length in five bytes", "30850000000001ff", (r: DerReader) => r.enter(Tag.Sequence)],
    ["a long length that fits a short one", "308101ff", (r: DerReader) => r.enter(Tag.Sequence)],
    ["a length with a leading zero", `30820080${"00".repeat(128)}`, (r: DerReader) => r.enter(Tag.Sequence)],
    ["a length beyond the end", "3003ffff", (r: DerReader) => r.enter(Tag.Sequence)],
    ["a length that is cut off", "3082ff", (r: DerReader) => r.enter(Tag.Sequence)],
    ["a tag of two bytes", "3f810100", (r: DerReader) => r.element()],
    ["an empty INTEGER", "0200", (r: DerReader) => r.integer()],
    ["an INTEGER with a needless zero", "02020001", (r: DerReader) => r.integer()],
    ["an INTEGER with a needless sign", "0202ff80", (r: DerReader) => r.integer()],
    ["a negative small INTEGER", "0201ff", (r: DerReader) => r.smallInteger()],
    ["a BOOLEAN that is neither", "010101", (r: DerReader) => r.boolean()],
    ["a BOOLEAN of two bytes", "0102ffff", (r: DerReader) => r.boolean()],
    ["a BIT STRING of odd bits", "030204f0", (r: DerReader) => r.bitString()],
    ["an OID that is cut off", "06022a86", (r: DerReader) => r.oid()],
    ["an OID with padding", "0603550480", (r: DerReader) => r.oid()],
    ["an OID out of range", `0609${"ff".repeat(8)}7f`, (r: DerReader) => r.oid()],
    ["bytes that follow", "050000", (r: DerReader) => (r.content(Tag.Null), r.done("value"))],
  ] as const)
    test(name, () => expect(() => read(new DerReader(bytes(input)))).toThrow(DerError));
});

describe("what the writer writes", () => {
  for (const [name, got, want] of [
    ["zero", der.smallInteger(0), "020100"],
    ["128, with its sign byte", der.smallInteger(128), "02020080"],
    ["a serial with its high bit set", der.unsignedInteger(bytes("80ff")), "02030080ff"],
    ["leading zeros dropped", der.unsignedInteger(bytes("00000001")), "020101"],
    ["an OID", der.oid("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
    ["an OID under 2", der.oid("2.5.29.17"), "0603551d11"],
    ["an OID with a large second arc", der.oid("2.999.3"), "0603883703"],
    [
      "a date before 2050",
      der.time(Date.UTC(2049, 11, 31, 23, 59, 59)),
      `170d${hex(new TextEncoder().encode("491231235959Z"))}`,
    ],
    ["a date from 2050 on", der.time(Date.UTC(2050, 0, 1)), `180f${hex(new TextEncoder().encode("20500101000000Z"))}`],
    ["a length of two bytes", der.octetString(new Uint8Array(300)).subarray(0, 4), "0482012c"],
  ] as const)
    test(name, () => expect(hex(got)).toBe(want));

  test("is read back the same", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(2 ** 31 - 1), { maxLength: 8 }), (body, arcs) => {
        const id = ["1", "3", ...arcs].join(".");
        const r = new DerReader(der.sequence(der.octetString(body), der.oid(id), der.boolean(true))).enter(
          Tag.Sequence,
        );
        expect(hex(r.content(Tag.OctetString))).toBe(hex(body));
        expect([r.oid(), r.boolean(), r.atEnd]).toEqual([id, true, true]);
      }),
    ));
});
