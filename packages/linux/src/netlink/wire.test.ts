import { Buffer } from "node:buffer";
import type { NftExpr } from "@lateen/redirection";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeExpressions, encodeExpressions } from "./nft-expr-wire.ts";
import { decodeElements, decodeListed } from "./nft-listing.ts";
import { decodeAddress, decodeLink, decodeRoute, decodeRule } from "./rtnetlink-wire.ts";
import { Attributes, NLMSG_DONE, NLMSG_ERROR, NetlinkWriter, decodeAck, decodeMessages } from "./wire.ts";

const u32 = fc.nat(0xffffffff);
const reg = fc.constantFrom(1, 2, 3, 4);
const word = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((b) => Buffer.from(b).toString("hex"));
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
const expression: fc.Arbitrary<NftExpr> = fc.oneof(
  fc.record({
    t: fc.constantFrom("meta-load", "meta-set"),
    key: fc.constantFrom("mark", "l4proto", "iifname"),
    reg,
  } as const),
  fc.record({ t: fc.constantFrom("ct-load", "ct-set"), key: fc.constantFrom("mark", "state", "zone"), reg } as const),
  fc.record({
    t: fc.constant("payload"),
    base: fc.constantFrom("network", "transport"),
    offset: fc.nat(40),
    length: fc.integer({ min: 1, max: 16 }),
    reg,
  } as const),
  fc.record({ t: fc.constant("cmp"), op: fc.constantFrom("eq", "neq"), reg, data: word } as const),
  fc.record({ t: fc.constant("bitwise"), reg, mask: word, xor: word } as const),
  fc.record({ t: fc.constant("immediate"), reg, data: word } as const),
  fc.record({ t: fc.constant("verdict"), code: fc.constantFrom("jump", "goto"), chain: name } as const),
  fc.record({
    t: fc.constant("verdict"),
    code: fc.constantFrom("accept", "drop", "return"),
    chain: fc.constant(""),
  } as const),
  fc.constant({ t: "counter" } as const),
  fc.constant({ t: "masquerade" } as const),
  fc.record({ t: fc.constant("redir"), portReg: reg } as const),
  fc.record({ t: fc.constant("tproxy"), family: fc.constantFrom("ipv4", "ipv6"), portReg: reg } as const),
  fc.record({
    t: fc.constant("nat"),
    kind: fc.constantFrom("snat", "dnat"),
    family: fc.constantFrom("ipv4", "ipv6"),
    addressReg: reg,
    portReg: fc.constantFrom(0, 2),
  } as const),
  fc.record({
    t: fc.constant("numgen"),
    kind: fc.constantFrom("random", "incremental"),
    modulus: fc.integer({ min: 1, max: 1000 }),
    reg,
  } as const),
  fc.record({ t: fc.constant("lookup"), set: name, reg } as const),
);

test("expressions come back as they went", () => {
  fc.assert(
    fc.property(fc.array(expression, { maxLength: 12 }), (list) => {
      const w = new NetlinkWriter();
      encodeExpressions(w, 4, list);
      expect(decodeExpressions(new Attributes(w.bytes()).nested(4))).toEqual(list);
    }),
  );
});

test("messages come back as they went, however many", () => {
  const body = fc.uint8Array({ maxLength: 5000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(0xffff), fc.nat(0xffff), u32, body), { maxLength: 8 }), (list) => {
      const w = new NetlinkWriter();
      for (const [type, flags, seq, bytes] of list) {
        w.begin(type, flags, seq);
        w.attr(7, bytes);
        w.end();
      }
      const got = decodeMessages(w.bytes());
      expect(got.bad).toBeNull();
      expect(got.messages.map((m) => [m.type, m.flags, m.seq, [...(new Attributes(m.body).bytes(7) ?? [])]])).toEqual(
        list.map(([type, flags, seq, bytes]) => [type, flags, seq, [...bytes]]),
      );
    }),
  );
});

/** Bytes that look enough like netlink to reach the inner decoders. */
const shaped = fc
  .tuple(fc.constantFrom(2, 3, 16, 20, 24, 32, 0xa00, 0xa03, 0xa06, 0xa09, 0xa0c), fc.uint8Array({ maxLength: 200 }))
  .map(([type, body]) => {
    const w = new NetlinkWriter();
    w.begin(type, 0x200, 1);
    w.raw(body);
    w.end();
    return w.bytes().slice();
  });

test("arbitrary bytes never throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), shaped), (bytes) => {
      for (const m of decodeMessages(bytes).messages)
        for (const decode of [
          decodeAck,
          decodeListed,
          decodeElements,
          decodeLink,
          decodeAddress,
          decodeRoute,
          decodeRule,
        ])
          decode(m);
      decodeExpressions(new Attributes(bytes));
    }),
    { numRuns: 1000 },
  );
});

test("a datagram cut anywhere gives its whole messages and says that it is short", () => {
  const w = new NetlinkWriter();
  for (const seq of [1, 2]) {
    w.begin(16, 0, seq);
    w.u32(1, seq);
    w.end();
  }
  const bytes = w.bytes();
  for (let cut = 0; cut < bytes.length; cut++) {
    const got = decodeMessages(bytes.subarray(0, cut));
    expect(got.messages).toHaveLength(Math.floor(cut / 24));
    expect(got.bad === null).toBe(cut % 24 === 0);
  }
});

describe("acknowledgements", () => {
  const ack = (type: number, flags: number, fill: (w: NetlinkWriter) => void) => {
    const w = new NetlinkWriter();
    w.begin(type, flags, 9);
    fill(w);
    w.end();
    return decodeAck(decodeMessages(w.bytes()).messages[0]!);
  };
  const errno = (n: number): number[] => [...new Uint8Array(Int32Array.of(-n).buffer)];
  const header = (size: number): number[] => [...new Uint8Array(Uint32Array.of(size, 0, 0, 0).buffer)];

  test("capped, with the kernel's words", () => {
    const got = ack(NLMSG_ERROR, 0x300, (w) => {
      w.raw([...errno(22), ...header(400)]);
      w.string(1, "mtu less than device minimum");
    });
    expect(got).toEqual({ errno: 22, text: "mtu less than device minimum" });
  });
  test("with the whole request in front of the words", () => {
    const got = ack(NLMSG_ERROR, 0x200, (w) => {
      w.raw([...errno(17), ...header(20), 1, 2, 3, 4]);
      w.string(1, "exists");
    });
    expect(got).toEqual({ errno: 17, text: "exists" });
  });
  test("a request longer than the answer holds no words", () => {
    expect(ack(NLMSG_ERROR, 0x200, (w) => w.raw([...errno(1), ...header(0xffff)]))).toEqual({ errno: 1, text: null });
  });
  test("success", () =>
    expect(ack(NLMSG_ERROR, 0, (w) => w.raw([...errno(0), ...header(16)]))).toEqual({ errno: 0, text: null }));
  test("an empty end of a dump is success", () =>
    expect(ack(NLMSG_DONE, 0, () => undefined)).toEqual({ errno: 0, text: null }));
  test("too short to be one", () => expect(ack(NLMSG_ERROR, 0, () => undefined)).toBeNull());
});

test("what cannot be one attribute is refused, not cut", () => {
  const w = new NetlinkWriter();
  w.begin(1, 0, 1);
  expect(() => w.attr(1, new Uint8Array(70_000))).toThrow(RangeError);
  w.nest(2);
  for (let i = 0; i < 3; i++) w.attr(3, new Uint8Array(30_000));
  expect(() => w.endNest()).toThrow(RangeError);
});
