import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createIstioCertificateRequest,
  decodeIstioCertificateRequest,
  encodeIstioCertificateRequest,
} from "../generated/ca.ts";
import { decodeDeltaDiscoveryRequest, decodeDeltaDiscoveryResponse } from "../generated/discovery.ts";
import { type JsonValue, structFromJson, structToJson } from "../struct-json.ts";
import { decodeStruct, encodeStruct } from "../generated/google-protobuf.ts";
import { decodeGatewayAddress, decodeLoadBalancing, encodeLoadBalancing } from "../generated/workload.ts";
import { createDeltaDiscoveryResponse, encodeDeltaDiscoveryResponse } from "../generated/discovery.ts";
import { createCertificateMethod, deltaDiscoveryMethod } from "../grpc-methods.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const fault = (bytes: readonly number[], read: (r: Reader) => unknown): string | null => {
  const r = new Reader(Uint8Array.from(bytes));
  read(r);
  return r.fault;
};

describe("scalars", () => {
  const rest = (write: (w: Writer) => void): Reader => {
    const w = new Writer();
    write(w);
    const r = new Reader(w.finish());
    r.tag();
    return r;
  };
  test("uint32", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (n) => rest((w) => w.uint32(8, n)).uint32() === n),
    ));
  test("int32", () => fc.assert(fc.property(fc.integer(), (n) => rest((w) => w.int32(8, n)).int32() === n)));
  test("int64", () => fc.assert(fc.property(fc.maxSafeInteger(), (n) => rest((w) => w.int64(8, n)).int64() === n)));
  test("double", () => fc.assert(fc.property(fc.double(), (n) => Object.is(rest((w) => w.double(9, n)).double(), n))));
  test("string", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (s) => rest((w) => w.string(10, s)).string() === s),
    ));
  test("a part longer than its length byte moves aside", () => {
    for (const size of [0, 127, 128, 16_383, 16_384, 70_000]) {
      const r = rest((w) => {
        const at = w.begin(10);
        w.bytes(18, new Uint8Array(size).fill(7));
        w.end(at);
      });
      const inner = r.message((part) => (part.tag() === 18 ? part.bytes() : null));
      expect(inner).toEqual(new Uint8Array(size).fill(7));
    }
  });
});

describe("a fault is told with its place", () => {
  const table: readonly (readonly [string, readonly number[], (r: Reader) => unknown, string])[] = [
    ["an endless varint", Array<number>(11).fill(0xff), (r) => r.uint32(), "varint longer than ten bytes at byte 10"],
    ["a varint cut short", [0x80], (r) => r.uint32(), "truncated at byte 1"],
    ["a length beyond the end", [0xff, 0xff, 0xff, 0xff, 0x0f, 1], (r) => r.bytes(), "truncated at byte 5"],
    ["field number 0", [0x07], (r) => r.tag(), "field number 0 at byte 1"],
    ["text that is not UTF-8", [2, 0xc3, 0x28], (r) => r.string(), "text that is not UTF-8 at byte 3"],
    ["a group", [], (r) => r.skip(3), "wire type 3 at byte 0"],
    [
      "an integer beyond 2^53",
      [...Array<number>(8).fill(0x80), 0x10],
      (r) => r.int64(),
      "integer beyond 2^53 at byte 9",
    ],
  ];
  for (const [name, bytes, read, want] of table) test(name, () => expect(fault(bytes, read)).toBe(want));

  test("messages nested without end", () => {
    let nested: JsonValue = {};
    for (let i = 0; i < 100; i++) nested = { nested };
    const decoded = decodeStruct(encodeStruct(structFromJson({ nested })));
    expect(!decoded.ok && decoded.error.message).toContain("nested deeper than 64");
  });
});

test("arbitrary bytes end in a message or a fault", () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const decode of [
        decodeDeltaDiscoveryRequest,
        decodeDeltaDiscoveryResponse,
        decodeStruct,
        decodeGatewayAddress,
      ]) {
        const decoded = decode(bytes);
        if (!decoded.ok) expect(decoded.error.message).toMatch(/^Cannot decode [\w.]+: .+ at byte \d+$/);
      }
    }),
    { numRuns: 2_000 },
  ));

test("a repeated number may be packed or not", () => {
  const packed = encodeLoadBalancing({ routingPreference: [1, 6], mode: 0, healthPolicy: 0 });
  expect(decodeLoadBalancing(Uint8Array.of(8, 1, 8, 6))).toEqual(decodeLoadBalancing(packed));
});

test("the last member of a oneof is the one", () => {
  const both = decodeGatewayAddress(Uint8Array.of(10, 0, 18, 0));
  expect(both.ok && [both.value.hostname, both.value.address === null]).toEqual([null, false]);
});

test("unknown fields of every wire type are passed over", () => {
  const bytes = Uint8Array.of(0x98, 6, 1, 0x99, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 6, 1, 9, 0x9d, 6, 0, 0, 0, 0, 24, 8);
  expect(decodeGatewayAddress(bytes)).toMatchObject({ ok: true, value: { hboneMtlsPort: 8 } });
});

/** Entries in the order of their keys alone: a value may be an object whose `toString` is no function. */
const byKey = (json: object): readonly (readonly [string, unknown])[] =>
  Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));

test("JSON goes through a Struct unchanged", () =>
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (json) => {
      const given = json as Record<string, JsonValue>;
      const decoded = decodeStruct(encodeStruct(structFromJson(given)));
      expect(decoded.ok && byKey(structToJson(decoded.value))).toEqual(byKey(given));
    }),
  ));

describe("gRPC methods", () => {
  test("carry their messages", () => {
    const request = createIstioCertificateRequest({ csr: "pem", validityDuration: 86_400 });
    const { requestSerialize, requestDeserialize } = createCertificateMethod;
    expect(requestDeserialize(requestSerialize(request))).toEqual(request);
    expect(decodeIstioCertificateRequest(encodeIstioCertificateRequest(request))).toEqual({ ok: true, value: request });
    const response = createDeltaDiscoveryResponse({ nonce: "n", removedResources: ["x"] });
    expect(deltaDiscoveryMethod.responseDeserialize(encodeDeltaDiscoveryResponse(response))).toEqual(response);
  });

  test("refuse what is no message", () =>
    expect(() => deltaDiscoveryMethod.requestDeserialize(Uint8Array.of(0xff))).toThrow("truncated at byte 1"));
});
