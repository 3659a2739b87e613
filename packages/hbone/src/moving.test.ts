import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { restoreHboneClient } from "./client.ts";
import { FrameType } from "./constants.ts";
import { frame, settingsAckFrame, settingsFrame } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { Journey, type Party, WireEnd, travelled } from "./moving.suite.ts";
import { restoreHboneServer } from "./server.ts";
import { hboneServer } from "./server.ts";
import { type HboneSnapshot, readHboneSnapshot } from "./snapshot.ts";
import { CONNECT, PREFACE, joinBytes } from "./wire.suite.ts";

type Step =
  | { readonly t: "open" | "accept" | "refuse" | "tasks" | "cancel" }
  | { readonly t: "deliver"; readonly from: 0 | 1; readonly bytes: number }
  | { readonly t: "send"; readonly call: number; readonly far: boolean; readonly bytes: number }
  | { readonly t: "end" | "abort" | "pause" | "resume"; readonly call: number; readonly far: boolean }
  | { readonly t: "move"; readonly side: "client" | "server" }
  | { readonly t: "tick"; readonly ms: number };

const which = { call: fc.nat(5), far: fc.boolean() };
const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ t: fc.constant("open" as const) }) },
  { weight: 3, arbitrary: fc.record({ t: fc.constantFrom("accept" as const, "accept" as const, "refuse" as const) }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constantFrom("tasks" as const, "cancel" as const) }) },
  { weight: 8, arbitrary: fc.record({ t: fc.constant("deliver" as const), from: fc.constantFrom(0, 1), bytes: size }) },
  {
    weight: 8,
    arbitrary: fc.record({
      t: fc.constant("send" as const),
      ...which,
      bytes: fc.oneof(size, fc.integer({ min: 1, max: 3_000_000 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      t: fc.constantFrom(...(["end", "pause", "pause", "resume", "abort"] as const)),
      ...which,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      t: fc.constant("move" as const),
      side: fc.constantFrom("client" as const, "server" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("tick" as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
);

function perform(j: Journey, s: Step): void {
  switch (s.t) {
    case "open":
      return j.open();
    case "accept":
    case "refuse":
      return j.answer(s.t);
    case "tasks":
      return void j.runTasks();
    case "cancel":
      return cancelOne(j);
    case "deliver":
      return void j.deliver(s.from, s.bytes);
    case "move":
      return expect(j.move(s.side)).not.toBe("it is not what it was");
    case "tick":
      j.client.tick(s.ms);
      return j.server.tick(s.ms);
    default:
      return performOn(j, s);
  }
}

/** Withdraws the last CONNECT that has no answer. */
function cancelOne(j: Journey): void {
  const call = j.calls.findLast((c) => c.near.stream === null && !c.near.failed);
  if (call === undefined) return;
  call.aborted = true;
  call.cancel();
}

function performOn(j: Journey, s: Extract<Step, { call: number }>): void {
  const call = j.calls[s.call];
  const party = s.far ? call?.far : call?.near;
  if (call === undefined || party?.stream == null) return;
  if (s.t === "send") party.send(s.bytes);
  else if (s.t === "end") party.end();
  else if (s.t === "pause" || s.t === "resume") {
    party.paused = s.t === "pause";
    party.stream[s.t]();
  } else {
    call.aborted = true;
    party.abort();
  }
}

const arrived = (from: Party, to: Party) => ({
  bytes: to.received,
  ended: to.ended,
  closed: to.closed,
  sent: from.sent,
});

describe("a connection that moves between processes", () => {
  test("loses and repeats nothing, whenever either side moves", () => {
    let moves = 0;
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { minLength: 20, maxLength: 150 }), (settled, steps) => {
        const j = new Journey();
        if (settled) j.settle();
        for (const s of steps) perform(j, s);
        j.finish();
        moves += j.moves;
        for (const { near, far, aborted } of j.calls) {
          expect([near.fault, far.fault]).toEqual([null, null]);
          expect(far.received).toBeLessThanOrEqual(near.sent);
          if (aborted || near.failed) continue;
          for (const [a, b] of [
            [near, far],
            [far, near],
          ] as const)
            expect(arrived(a, b)).toEqual({ bytes: a.sent, ended: true, closed: { t: "ended" }, sent: a.sent });
        }
        expect([j.client.active, j.server.active]).toEqual([0, 0]);
      }),
      { numRuns: 150 },
    );
    expect(moves).toBeGreaterThan(300);
  });

  test("moves after every single byte of the exchange", () => {
    const j = new Journey();
    j.settle();
    j.open();
    let refusals = 0;
    for (let i = 0; i < 1500; i++) {
      const moved = [j.deliver(0, 1), j.deliver(1, 1), j.runTasks()];
      if (i === 200) j.answer("accept");
      j.calls[0]!.near.send(3);
      if (i > 300) j.calls[0]!.far.send(2);
      for (const side of ["client", "server"] as const) if (j.move(side) !== null) refusals += 1;
      if (moved.every((m) => !m) && i > 400) break;
    }
    j.finish();
    const { near, far } = j.calls[0]!;
    expect(refusals).toBe(0);
    expect(arrived(near, far)).toEqual({ bytes: near.sent, ended: true, closed: { t: "ended" }, sent: near.sent });
    expect(arrived(far, near)).toEqual({ bytes: far.sent, ended: true, closed: { t: "ended" }, sent: far.sent });
    expect(near.sent).toBeGreaterThan(300);
  });

  test("a queue behind an exhausted window moves along, and so does the owed call for more", () => {
    const j = new Journey();
    j.settle();
    j.open();
    j.settle();
    j.answer("accept");
    j.settle();
    const { near, far } = j.calls[0]!;
    far.paused = true;
    far.stream!.pause();
    while (near.stream!.buffered === 0) {
      near.send(500_000); // until the window of 4 MiB is full
      j.settle();
    }
    for (const side of ["client", "server", "client", "server"] as const) {
      expect(j.move(side)).toBeNull();
      expect(near.room).toBe(false);
      j.settle();
    }
    far.paused = false;
    far.stream!.resume();
    j.settle();
    expect(near.room).toBe(true);
    expect(far.received).toBe(near.sent);
  });

  test("a stream that is over and whose reader sleeps still delivers what it has", () => {
    const j = new Journey();
    j.settle();
    j.open();
    j.settle();
    j.answer("accept");
    j.settle();
    const { near, far } = j.calls[0]!;
    far.paused = true;
    far.stream!.pause();
    near.send(5000);
    near.end();
    far.end();
    j.settle();
    expect(j.server.active).toBe(0);
    expect(j.move("server")).toBeNull();
    far.paused = false;
    far.stream!.resume();
    j.settle();
    expect(arrived(near, far)).toEqual({ bytes: 5000, ended: true, closed: { t: "ended" }, sent: 5000 });
  });

  test("a connection that goes away goes on going away", () => {
    const j = new Journey();
    j.settle();
    j.open();
    j.settle();
    j.answer("accept");
    j.server.drain();
    expect(j.move("server")).toBeNull();
    j.settle();
    expect(j.move("client")).toBeNull();
    expect(j.client.ready).toBe(false);
    j.finish();
    expect(j.wires.map((w) => w.ending)).toEqual([true, true]);
  });
});

describe("why not now", () => {
  function fed(...bytes: readonly Uint8Array[]): string | null {
    const wire = new WireEnd();
    const peer = new WireEnd();
    const server = hboneServer(wire, { trust: "authenticated", nowMs: 0 }, () => {});
    peer.write(joinBytes(...bytes));
    peer.deliver(wire, 1 << 20);
    const taken = server.snapshot();
    return taken.ok ? null : taken.error;
  }
  const hello = [PREFACE, settingsFrame([])];
  const block = encodeHeaders(CONNECT, "nothing");

  test.each<[string, readonly Uint8Array[], string | null]>([
    ["nothing came yet", [PREFACE.subarray(0, 5)], "the peer has not taken our settings yet"],
    ["the peer may still use its table", hello, "the peer has not taken our settings yet"],
    ["settings are exchanged", [...hello, settingsAckFrame()], null],
    [
      "a header block is open",
      [...hello, settingsAckFrame(), frame(FrameType.Headers, 0, 1, block.subarray(0, 2))],
      "a header block is not complete",
    ],
    [
      "half a HEADERS frame is only bytes",
      [...hello, settingsAckFrame(), frame(FrameType.Headers, 4, 1, block).subarray(0, 12)],
      null,
    ],
    ["it is closing", [...hello, frame(FrameType.Data, 0, 1, block)], "it is closing"],
  ])("%s", (_, bytes, why) => expect(fed(...bytes)).toBe(why));
});

describe("what another process sends", () => {
  function sample(): HboneSnapshot {
    const j = new Journey();
    j.settle();
    for (let i = 0; i < 3; i++) j.open();
    j.settle();
    j.answer("accept");
    j.answer("accept");
    j.settle();
    j.calls[0]!.far.stream!.pause();
    j.calls[0]!.far.paused = true;
    j.calls[0]!.near.send(20_000);
    j.settle();
    const taken = j.server.snapshot();
    if (!taken.ok) throw new Error(taken.error);
    return taken.value;
  }

  test("is what was given", () => {
    const snapshot = sample();
    expect(travelled(snapshot)).toEqual(snapshot);
    expect(snapshot.tunnels[0]?.inbox.length).toBe(20_000);
    expect(snapshot.requests.length).toBe(1);
  });

  test("is refused with a path when a field is wrong, and never throws", () => {
    const snapshot = sample();
    fc.assert(
      fc.property(fc.nat(), fc.anything(), (where, value) => {
        const copy = structuredClone(snapshot) as unknown;
        const places = placesOf(copy);
        const [holder, key] = places[where % places.length]!;
        holder[key] = value;
        const read = readHboneSnapshot(copy as never);
        if (!read.ok) expect(read.error.code).toBe("BAD_INPUT");
        else restoreHboneServer(new WireEnd(), read.value, { nowMs: 0 }, () => {});
      }),
    );
  });

  test("is refused when streams and their state do not fit", () => {
    const s = sample();
    const without = { ...s, machine: { ...s.machine, streams: [] } };
    expect(readHboneSnapshot(without).ok).toBe(false);
    expect(readHboneSnapshot({ ...s, tunnels: [...s.tunnels, s.tunnels[0]!] }).ok).toBe(false);
  });

  test("of the other role is not taken", () => {
    expect(() => restoreHboneClient(new WireEnd(), sample(), { nowMs: 0 })).toThrow("Cannot restore client");
  });
});

type Holder = Record<string | number, unknown>;

/** Every field and item of a value, as what holds it and its key there. */
function placesOf(value: unknown): readonly (readonly [Holder, string])[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [[holder, key] as const, ...placesOf(holder[key])]);
}
