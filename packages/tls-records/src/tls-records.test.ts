import { Buffer } from "node:buffer";
import { type Plain, decodeCbor, encodeCbor } from "@lateen/cbor";
import { Code, MeshError } from "@lateen/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_CONTENT, OVERHEAD } from "./record-format.ts";
import { Opened } from "./record-opener.ts";
import { block, opened, pair, ports, sealed } from "./records.test.support.ts";
import { SUITES, suiteOf } from "./suites.ts";
import type { TlsRecordsState } from "./records-state.ts";
import { TlsRecords } from "./tls-records.ts";

const suiteIds = SUITES.map((s) => s.id);
const anySuite = fc.constantFrom(...suiteIds);
const writes = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.nat(40_000).map((n) => new Uint8Array(n).fill(n)),
  ),
  {
    maxLength: 6,
  },
);

/** Cuts bytes at the given fractions. */
function portions(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((c) => Math.floor(c * bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

describe("what one end writes the other opens", () => {
  test("any writes, any split of the bytes, every suite", () => {
    fc.assert(
      fc.property(anySuite, writes, cuts, fc.integer({ min: 1, max: 5 }), (suiteId, pieces, at, records) => {
        const { client, server } = pair(suiteId);
        const wire = sealed(client, pieces, block(records));
        const outcome = opened(server, portions(wire, at));
        expect(outcome.kind).toBe(Opened.Need);
        expect(outcome.content.equals(Buffer.concat(pieces))).toBe(true);
        expect(server.keptBytes).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test("any bytes from anyone: need, failed or end, never a throw, never content", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.concat([Buffer.of(23, 3, 3, 0, b.length & 0xff), b])),
    );
    fc.assert(
      fc.property(anySuite, noise, (suiteId, bytes) => {
        const outcome = opened(pair(suiteId).server, [bytes]);
        expect(outcome.content.length).toBe(0);
        expect([Opened.Need, Opened.Failed]).toContain(outcome.kind);
      }),
      { numRuns: 1000 },
    );
  });

  test("small writes share a record, large ones fill records", () => {
    const { client } = pair();
    const small = sealed(
      client,
      Array.from({ length: 100 }, () => Buffer.from("frame")),
    );
    expect(small.length).toBe(500 + OVERHEAD);
    const large = sealed(client, [Buffer.alloc(3 * MAX_CONTENT + 1)]);
    expect(large.length).toBe(3 * MAX_CONTENT + 1 + 4 * OVERHEAD);
  });

  test("content sealed from where it lies makes the very same records", () => {
    fc.assert(
      fc.property(anySuite, writes, fc.integer({ min: 1, max: 5 }), fc.nat(9), (suiteId, pieces, records, head) => {
        const heads = pieces.map((_, i) => new Uint8Array(head).fill(i));
        const all = pieces.flatMap((piece, i) => [heads[i]!, piece]);
        const copied = sealed(pair(suiteId).client, all, block(records));
        const direct = sealed(pair(suiteId).client, all, block(records), "from where it lies");
        expect(Buffer.from(direct).equals(copied)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("a key update that is due goes between, whichever way content is sealed", () => {
    fc.assert(
      fc.property(anySuite, writes, fc.integer({ min: 1, max: 4 }), (suiteId, pieces, updateAfter) => {
        const { client, server } = pair(suiteId, { updateAfter });
        const wire = sealed(client, pieces, block(2), "from where it lies");
        expect(opened(server, [wire]).content.equals(Buffer.concat(pieces))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("a block that is full says where it stopped, and goes on after it was sent", () => {
    const { client, server } = pair();
    const out = block(1);
    const content = Buffer.alloc(MAX_CONTENT + 5, "z");
    expect(client.sealer.write(out, content, 0)).toBe(MAX_CONTENT);
    expect(client.sealer.write(out, content, MAX_CONTENT)).toBe(MAX_CONTENT);
    const first = Buffer.from(out.memory.bytes.subarray(0, out.used));
    out.clear();
    expect(client.sealer.write(out, content, MAX_CONTENT)).toBe(content.length);
    client.sealer.flush(out);
    const second = Buffer.from(out.memory.bytes.subarray(0, out.used));
    expect(opened(server, [first, second]).content.equals(content)).toBe(true);
  });
});

describe("key updates", () => {
  test("go out by themselves before the limit, in both directions, and nothing is lost", () => {
    fc.assert(
      fc.property(anySuite, writes, fc.integer({ min: 1, max: 4 }), (suiteId, pieces, updateAfter) => {
        const { client, server } = pair(suiteId, { updateAfter });
        for (const [from, to] of [
          [client, server],
          [server, client],
        ] as const) {
          const wire = sealed(from, pieces, block(2));
          expect(from.sealer.traffic.sequence).toBeLessThanOrEqual(updateAfter);
          expect(opened(to, [wire]).content.equals(Buffer.concat(pieces))).toBe(true);
          expect(to.opener.traffic.sequence).toBe(from.sealer.traffic.sequence);
        }
        expect(client.sealer.updateOwed || server.sealer.updateOwed).toBe(false); // nobody asked for one back
      }),
      { numRuns: 60 },
    );
  });

  test("an answer that is owed goes before content, and alone when there is none", () => {
    for (const content of ["", "content"]) {
      const { client, server } = pair();
      client.sealer.updateOwed = true;
      const wire = sealed(client, [Buffer.from(content)]);
      expect(client.sealer.updateOwed).toBe(false);
      expect(client.sealer.traffic.sequence).toBe(content === "" ? 0 : 1);
      expect(wire.length).toBe(OVERHEAD + 5 + (content === "" ? 0 : OVERHEAD + content.length));
      expect(opened(server, [wire]).content.toString()).toBe(content);
      expect(server.opener.traffic.sequence).toBe(client.sealer.traffic.sequence);
    }
  });

  test("content that is open already when the update becomes due follows it whole", () => {
    const { client, server } = pair();
    const out = block(1);
    client.sealer.write(out, Buffer.alloc(MAX_CONTENT - 1, "y"), 0);
    client.sealer.updateOwed = true;
    client.sealer.end(out);
    const outcome = opened(server, [out.memory.bytes.subarray(0, out.used)]);
    expect(outcome.content.equals(Buffer.alloc(MAX_CONTENT - 1, "y"))).toBe(true);
    expect(outcome.kind).toBe(Opened.End);
  });

  test("are not answered after our direction ended", () => {
    const { client } = pair();
    const out = block(1);
    client.sealer.end(out);
    const used = out.used;
    client.sealer.updateOwed = true;
    client.sealer.flush(out);
    client.sealer.end(out);
    expect(out.used).toBe(used);
  });
});

test("a connection that rested goes on as if nothing had happened", () => {
  fc.assert(
    fc.property(
      anySuite,
      fc.array(fc.constantFrom("rest", "update", "there", "back"), { maxLength: 12 }),
      (suite, actions) => {
        const { client, server } = pair(suite);
        for (const a of [...actions, "there", "back"]) {
          if (a === "rest") [client, server].forEach((end) => void end.rest());
          if (a === "update") client.sealer.updateOwed = true;
          if (a === "there") expect(opened(server, [sealed(client, [Buffer.from(a)])]).content.toString()).toBe(a);
          if (a === "back") expect(opened(client, [sealed(server, [Buffer.from(a)])]).content.toString()).toBe(a);
        }
      },
    ),
  );
});

describe("ends", () => {
  test("nothing can be sealed behind close_notify or an alert", () => {
    for (const alert of [0, 20]) {
      const { client } = pair();
      const out = block(1);
      client.sealer.alert(out, alert);
      expect(() => client.sealer.write(out, Buffer.from("x"), 0)).toThrow(MeshError);
    }
  });

  test("an alert of ours is the peer's failure", () => {
    const { client, server } = pair();
    const out = block(1);
    client.sealer.alert(out, 49);
    const outcome = opened(server, [out.memory.bytes.subarray(0, out.used)]);
    expect(outcome).toMatchObject({ kind: Opened.Failed, alert: -1, why: "peer's alert: access denied" });
  });

  test("each direction by itself: after close_notify of one, the other goes on", () => {
    const { client, server } = pair();
    const out = block(1);
    client.sealer.end(out);
    expect(opened(server, [out.memory.bytes.subarray(0, out.used)]).kind).toBe(Opened.End);
    expect(opened(client, [sealed(server, [Buffer.from("still here")])]).content.toString()).toBe("still here");
  });
});

describe("state as plain data", () => {
  const travelled = (state: TlsRecordsState): Plain => {
    const plain = decodeCbor(encodeCbor(state));
    if (!plain.ok) throw plain.error;
    return plain.value;
  };
  const restored = (state: TlsRecordsState): TlsRecords<{ readonly bytes: Uint8Array }> => {
    const r = TlsRecords.restore(ports, travelled(state));
    if (!r.ok) throw r.error;
    return r.value;
  };

  test("another process goes on at any byte, in both directions", () => {
    fc.assert(
      fc.property(anySuite, writes, cuts, fc.integer({ min: 1, max: 3 }), (suiteId, pieces, at, updateAfter) => {
        let { client, server } = pair(suiteId, { updateAfter });
        const content: Buffer[] = [];
        const wire = sealed(client, pieces);
        for (const portion of portions(wire, at)) {
          content.push(opened(server, [portion]).content);
          server = restored(server.state());
        }
        expect(Buffer.concat(content).equals(Buffer.concat(pieces))).toBe(true);
        client = restored(client.state());
        expect(opened(server, [sealed(client, [Buffer.from("on")])]).content.toString()).toBe("on");
        expect(opened(client, [sealed(server, [Buffer.from("back")])]).content.toString()).toBe("back");
      }),
      { numRuns: 80 },
    );
  });

  test("is a copy: what goes on afterwards does not change it, and freeing wipes only the original", () => {
    const { client } = pair();
    const state = client.state();
    sealed(client, [Buffer.from("x")]);
    client.free();
    client.free();
    expect(state.write.sequence).toBe(0);
    expect(state.write.secret.every((b) => b === 0xc0)).toBe(true);
    expect(() => sealed(client, [Buffer.from("x")])).toThrow(MeshError);
  });

  test("an ended direction stays ended, an owed answer owed", () => {
    const { client, server } = pair();
    const out = block(1);
    client.sealer.end(out);
    opened(server, [out.memory.bytes.subarray(0, out.used)]);
    server.sealer.updateOwed = true;
    const other = restored(server.state());
    expect(opened(other, [Buffer.from("ignored")]).kind).toBe(Opened.End);
    expect(other.sealer.updateOwed).toBe(true);
    expect(restored(client.state()).sealer.ended).toBe(true);
  });

  const good = pair().client.state();
  const wrong: readonly [name: string, state: unknown][] = [
    ["another version", { ...good, version: 2 }],
    ["an unknown role", { ...good, role: "middle" }],
    ["an unknown suite", { ...good, suite: 0x1304 }],
    ["a secret of another suite's length", { ...good, read: { ...good.read, secret: new Uint8Array(48) } }],
    ["a sequence number below zero", { ...good, write: { ...good.write, sequence: -1 } }],
    ["a sequence number that is none", { ...good, write: { ...good.write, sequence: Number.NaN } }],
    ["kept bytes that are none", { ...good, kept: "bytes" }],
    ["a message cut nowhere", { ...good, message: { seen: 5, header: 0, left: 0 } }],
    ["nothing", null],
    ["no keys", { ...good, read: undefined }],
    ["a counter that is none", { ...good, useless: 1.5 }],
  ];
  test.each(wrong)("is refused whole: %s", (_name, state) => {
    const r = TlsRecords.restore(ports, state);
    expect(r.ok ? "restored" : r.error.code).toBe(Code.BadInput);
  });

  test("a suite that is not spoken here is refused", () => {
    expect(() => suiteOf(0x1304)).toThrow(MeshError);
  });
});
