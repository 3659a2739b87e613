import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HeaderField } from "./api.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { STATIC_TABLE } from "./hpack-static-table.ts";
import { decodeHuffman } from "./huffman.ts";
import { bytesOf, joinBytes } from "./wire.suite.ts";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (b) => Number.parseInt(b, 16));
const LIMIT = 65_536;
const REQUEST_1: readonly HeaderField[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const REQUEST_2: readonly HeaderField[] = [...REQUEST_1, ["cache-control", "no-cache"]];
const REQUEST_3: readonly HeaderField[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];

describe("the examples of RFC 7541 appendix C, in sequence", () => {
  const plain = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ];
  const coded = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ];
  for (const [name, blocks] of [
    ["plain", plain],
    ["Huffman", coded],
  ] as const) {
    test(name, () => {
      const decoder = new HpackDecoder();
      const got = blocks.map((block) => decoder.decode(hex(block), LIMIT));
      expect(got).toEqual([REQUEST_1, REQUEST_2, REQUEST_3].map((fields) => ({ t: "done", fields })));
    });
  }

  test("responses that evict from a table of 256 bytes", () => {
    const decoder = new HpackDecoder();
    const blocks = [
      "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    const got = blocks.map((block) => decoder.decode(hex(block), LIMIT));
    expect(got.map((g) => (g.t === "done" ? g.fields.map(([, v]) => v) : g))).toEqual([
      ["302", "private", "Mon, 21 Oct 2013 20:13:21 GMT", "https://www.example.com"],
      ["307", "private", "Mon, 21 Oct 2013 20:13:21 GMT", "https://www.example.com"],
      [
        "200",
        "private",
        "Mon, 21 Oct 2013 20:13:22 GMT",
        "https://www.example.com",
        "gzip",
        "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      ],
    ]);
  });
});

const bad: readonly (readonly [what: string, block: string, why: string])[] = [
  ["index 0", "80", "index outside the tables"],
  ["an index beyond both tables", "be", "index outside the tables"],
  ["a literal with a name index beyond both tables", "7f00 01 61", "index outside the tables"],
  ["a string longer than its block", "4003 61", "string longer than its header block"],
  ["a block that ends in an integer", "7f", "header block ends inside a field"],
  ["an integer without end", "ff ffffffffff", "integer too large"],
  ["Huffman padding of eight bits", "4081 1f81 ffff", "bad Huffman code"],
  ["Huffman padding that is not ones", "40 81 18 0161", "bad Huffman code"],
  ["the EOS symbol", "4084 ffff fffc 0161", "bad Huffman code"],
  ["a table size update over the limit", "3fe21f", "table size update over the limit"],
  ["a table size update after a field", "82 20", "table size update after a field"],
];
for (const [what, block, why] of bad)
  test(`refuses ${what}`, () => expect(new HpackDecoder().decode(hex(block), LIMIT)).toEqual({ t: "bad", why }));

test("several table size updates may open a block", () => {
  expect(new HpackDecoder().decode(hex("20 3fe11f 82"), LIMIT)).toEqual({ t: "done", fields: [[":method", "GET"]] });
});

test("once stateless, nothing is remembered and nothing old is found", () => {
  const decoder = new HpackDecoder();
  const indexed = joinBytes(hex("40 01 61 01 62"));
  expect(decoder.decode(indexed, LIMIT).t).toBe("done");
  expect(decoder.decode(hex("be"), LIMIT)).toEqual({ t: "done", fields: [["a", "b"]] });
  decoder.setLimit(0);
  expect(decoder.decode(hex("be"), LIMIT).t).toBe("bad");
  expect(decoder.decode(indexed, LIMIT).t).toBe("done");
  expect(decoder.decode(hex("be"), LIMIT).t).toBe("bad");
  expect(decoder.decode(hex("20 82"), LIMIT).t).toBe("done");
  expect(decoder.decode(hex("21 82"), LIMIT).t).toBe("bad");
});

test("a small block that decodes to a large list is stopped", () => {
  const decoder = new HpackDecoder();
  const big = "x".repeat(3000);
  decoder.decode(joinBytes(hex("40 01 61 7f"), Uint8Array.of(0xb9, 0x16), bytesOf(big)), LIMIT);
  const bomb = new Uint8Array(10_000).fill(0xbe); // 30 MB of fields in 10 kB
  expect(decoder.decode(bomb, LIMIT)).toEqual({ t: "too-large" });
});

const fieldName = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/);
const fieldValue = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)),
  maxLength: 300,
});
const anyField = fc.oneof(fc.constantFrom(...STATIC_TABLE), fc.tuple(fieldName, fieldValue));

test("decode(encode(fields)) is fields", () =>
  fc.assert(
    fc.property(
      fc.array(anyField, { maxLength: 30 }),
      fc.constantFrom("nothing", "table-size-zero"),
      (fields, announce) => {
        expect(new HpackDecoder().decode(encodeHeaders(fields, announce), 1 << 20)).toEqual({ t: "done", fields });
      },
    ),
  ));

test("arbitrary bytes never throw", () =>
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const block of blocks) expect(["done", "bad", "too-large"]).toContain(decoder.decode(block, 4096).t);
    }),
    { numRuns: 2000 },
  ));

test("arbitrary bytes as a Huffman code give a text or null", () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = decodeHuffman(bytes);
      expect(text === null || text.length <= (bytes.length * 8) / 5).toBe(true);
    }),
    { numRuns: 2000 },
  ));
