import { ok } from "@lateen/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MAX_MESSAGE_BYTES,
  type WorkloadRequest,
  decodeHello,
  decodeWorkloadRequest,
  decodeWorkloadResponse,
  encodeHello,
  encodeWorkloadRequest,
  encodeWorkloadResponse,
} from "./messages.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
const why = (r: { ok: true } | { ok: false; error: Error }): string => (r.ok ? "ok" : r.error.message);

describe("bytes on the wire", () => {
  const info = { name: "a", namespace: "b", serviceAccount: "c" };
  const rows: readonly [string, Uint8Array, string][] = [
    ["hello", encodeHello({ version: 1 }), "0801"],
    ["add", encodeWorkloadRequest({ t: "add", uid: "u1", info }), "0a0f0a0275311209" + "0a0161" + "120162" + "1a0163"],
    ["add without info", encodeWorkloadRequest({ t: "add", uid: "u1", info: null }), "0a040a027531"],
    [
      "add with an empty info",
      encodeWorkloadRequest({ t: "add", uid: "u1", info: { name: "", namespace: "", serviceAccount: "" } }),
      "0a060a0275311200",
    ],
    ["del, whose uid is field 2", encodeWorkloadRequest({ t: "del", uid: "u1" }), "120412027531"],
    ["snapshot sent", encodeWorkloadRequest({ t: "snapshotSent" }), "1a00"],
    ["keep, field 5", encodeWorkloadRequest({ t: "keep", uid: "u1" }), "2a040a027531"],
    ["ack", encodeWorkloadResponse({ t: "ack", error: "" }), "0a00"],
    ["nack", encodeWorkloadResponse({ t: "ack", error: "no" }), "0a040a026e6f"],
  ];
  test.each(rows)("%s", (_, got, want) => expect(hex(got)).toBe(want));
});

describe("decoding a request", () => {
  const rows: readonly [string, string, unknown][] = [
    [
      "unknown fields of every wire type are skipped",
      "f8ff0101" + "31aaaaaaaaaaaaaaaa" + "2a040a027531" + "3500000000" + "42021234",
      { t: "keep", uid: "u1" },
    ],
    ["a group is skipped", "630801" + "64" + "2a040a027531", { t: "keep", uid: "u1" }],
    ["the last payload counts", "2a040a027531" + "120412027532", { t: "del", uid: "u2" }],
    [
      "one payload in two parts is joined",
      "0a040a027531" + "0a0512030a0161",
      { t: "add", uid: "u1", info: { name: "a", namespace: "", serviceAccount: "" } },
    ],
    ["an over-long varint that means little", "2a8480000a027531", { t: "keep", uid: "u1" }],
  ];
  test.each(rows)("%s", (_, wire, want) =>
    expect(decodeWorkloadRequest(bytes(wire))).toEqual({ ok: true, value: want }),
  );

  const faults: readonly [string, string, RegExp][] = [
    ["nothing", "", /it has no payload/],
    ["only unknown fields", "7801", /it has no payload/],
    ["a length beyond the end", "0a0a0a027531", /longer than the message/],
    ["a length of 2^49", "0a8080808080808001" + "00", /longer than the message/],
    ["a varint without end", "ffffffffffffffffffffff", /field number/],
    ["field number 0", "0201", /field number/],
    ["a field number over 2^29", "808080808001", /field number/],
    ["wire type 7", "0f01", /wire type 7/],
    ["a payload of the wrong type", "0801", /payload has wire type 0/],
    ["a uid of the wrong type", "2a020801", /uid has wire type 0/],
    ["an empty uid", "2a00", /uid is empty/],
    ["del with the uid in field 1", "12040a027531", /uid is empty/],
    ["a uid that is not UTF-8", "2a040a02ffff", /uid is not UTF-8/],
    ["a group that does not end", "630801", /group/],
    ["a group that ends without beginning", "64", /wire type 4/],
    ["groups in groups without end", "63".repeat(64), /nest too deep/],
    ["a cut fixed field", "31aaaa", /cut short/],
    ["too many bytes", "00".repeat(MAX_MESSAGE_BYTES + 1), /1025 bytes/],
  ];
  test.each(faults)("%s is refused", (_, wire, want) => expect(why(decodeWorkloadRequest(bytes(wire)))).toMatch(want));
});

const uid = fc.string({ minLength: 1, maxLength: 64, unit: "grapheme-ascii" });
const text = fc.string({ maxLength: 30, unit: "grapheme" });
const request: fc.Arbitrary<WorkloadRequest> = fc.oneof(
  fc.record({
    t: fc.constant("add" as const),
    uid,
    info: fc.option(fc.record({ name: text, namespace: text, serviceAccount: text })),
  }),
  fc.record({ t: fc.constantFrom("keep" as const, "del" as const), uid }),
  fc.constant({ t: "snapshotSent" as const }),
);

test("what is encoded decodes to itself", () => {
  fc.assert(
    fc.property(request, text, fc.nat(), (r, error, version) => {
      expect(decodeWorkloadRequest(encodeWorkloadRequest(r))).toEqual({ ok: true, value: r });
      expect(decodeWorkloadResponse(encodeWorkloadResponse({ t: "ack", error }))).toEqual(ok({ t: "ack", error }));
      expect(decodeHello(encodeHello({ version }))).toEqual(ok({ version }));
    }),
  );
});

test("any bytes, and any cut or changed message, give a value or a reason", () => {
  const decoders = [decodeHello, decodeWorkloadRequest, decodeWorkloadResponse];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1100 }), (b) =>
      decoders.forEach((d) => expect(typeof d(b).ok).toBe("boolean")),
    ),
  );
  fc.assert(
    fc.property(request, fc.nat(), fc.nat(255), (r, at, value) => {
      const wire = encodeWorkloadRequest(r);
      decodeWorkloadRequest(wire.subarray(0, at % (wire.length + 1)));
      wire[at % wire.length] = value;
      expect(typeof decodeWorkloadRequest(wire).ok).toBe("boolean");
    }),
  );
});

test("what the peer could not read is not sent: requests are refused, errors cut", () => {
  expect(() => encodeWorkloadRequest({ t: "keep", uid: "x".repeat(1100) })).toThrow(
    "1106 bytes, at most 1024 are allowed",
  );
  for (const error of ["x".repeat(5000), "\u{1f600}".repeat(2000)]) {
    const wire = encodeWorkloadResponse({ t: "ack", error });
    const back = decodeWorkloadResponse(wire);
    expect(wire.length <= MAX_MESSAGE_BYTES && back.ok && error.startsWith(back.value.error)).toBe(true);
  }
});
