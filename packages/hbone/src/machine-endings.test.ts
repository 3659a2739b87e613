import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ErrorCode, FrameType } from "./constants.ts";
import { frame, goawayFrame, pingFrame, settingsAckFrame, settingsFrame } from "./frame-writer.ts";
import {
  Bench,
  PREFACE,
  afterSettings,
  connect,
  data,
  headers,
  joinBytes,
  reset,
  u32,
  windowUpdate,
} from "./wire.suite.ts";

const NO_FLAGS = 0;
const E = ErrorCode;
const END_STREAM = 1;
const PRIORITY = (dependsOn: number): Uint8Array => joinBytes(u32(dependsOn), Uint8Array.of(16));
const raw = (type: number, streamId: number, bytes: number, flags = NO_FLAGS): Uint8Array =>
  frame(type, flags, streamId, new Uint8Array(bytes));

describe("budgets", () => {
  const ping = pingFrame(new Uint8Array(8), "ping");
  const floods: readonly (readonly [string, number, (i: number) => Uint8Array])[] = [
    ["stream reset", 100, (i) => joinBytes(connect(2 * i + 3), reset(2 * i + 3))],
    ["stream reset", 100, (i) => joinBytes(connect(2 * i + 3), windowUpdate(2 * i + 3, 0))], // resets that we send
    ["SETTINGS", 20, () => settingsFrame([])],
    ["SETTINGS", 20, () => settingsAckFrame()],
    ["PING", 20, () => ping],
    ["PING", 20, () => pingFrame(new Uint8Array(8), "ack")],
    ["empty DATA", 100, () => data(1, 0)],
    ["empty DATA", 100, () => frame(0, 8, 1, Uint8Array.of(3, 0, 0, 0))],
    ["PRIORITY", 100, () => frame(2, 0, 1, PRIORITY(0))],
    ["WINDOW_UPDATE", 1000, () => windowUpdate(0, 1)],
    ["unknown frame", 100, () => raw(0x42, 0, 4)],
  ];
  /** Pieces sent so far, so that each makes a stream of its own. */
  const sent = new WeakMap<Bench, number>();
  const flood = (bench: Bench, times: number, make: (i: number) => Uint8Array): void => {
    const from = sent.get(bench) ?? 0;
    sent.set(bench, from + times);
    for (let i = from; i < from + times; i++) bench.machine.receive(make(i));
  };
  for (const [name, burst, make] of floods) {
    test(`${name}: strict with a stranger, generous with an authenticated peer, bounded for both`, () => {
      const opened = (trust: "stranger" | "authenticated"): Bench => {
        const bench = new Bench("server", trust).settle();
        bench.machine.receive(connect(1));
        return bench;
      };
      const stranger = opened("stranger");
      flood(stranger, burst - 5, make);
      expect(stranger.closed).toBe(null);
      flood(stranger, 10, make);
      expect(stranger.closed).toMatchObject({ code: E.EnhanceYourCalm, why: `too many: ${name}` });
      const known = opened("authenticated");
      flood(known, burst * 3, make);
      expect(known.closed).toBe(null);
      expect(known.machine.budgets.over).toBeGreaterThan(0);
      for (let i = 0; i < 100 && known.closed === null; i++) flood(known, burst, make);
      expect(known.closed).toMatchObject({ code: E.EnhanceYourCalm });
    });
  }

  test("time fills budgets again", () => {
    const bench = new Bench("server", "stranger").settle();
    for (let second = 1; second <= 25; second++) {
      flood(bench, 2, () => ping);
      bench.machine.tick(second * 1000);
    }
    expect(bench.closed).toBe(null);
  });

  test("data in small pieces costs nothing: databases send it", () => {
    const bench = new Bench("server", "stranger").settle();
    bench.machine.receive(connect(1));
    flood(bench, 50_000, () => data(1, 1));
    expect([bench.closed, bench.owner(1).bytes]).toEqual([null, 50_000]);
  });

  test("a peer that asks and never reads is cut off", () => {
    const bench = new Bench("server").settle();
    bench.room = false;
    flood(bench, 1100, () => ping);
    expect(bench.closed).toMatchObject({ code: E.EnhanceYourCalm, why: "peer does not read", how: "drop" });
  });
});

describe("keepalive", () => {
  const isPing = (f: { type: number; flags: number }): boolean => f.type === FrameType.Ping && f.flags === 0;
  const ticks = (bench: Bench, fromSec: number, toSec: number): number[] => {
    const at: number[] = [];
    for (let sec = fromSec; sec <= toSec; sec++) {
      bench.machine.tick(sec * 1000);
      if (bench.take().some(isPing)) at.push(sec);
    }
    return at;
  };

  test("PING after 10 s, and again 10 s after each answer", () => {
    for (const role of ["client", "server"] as const) {
      const bench = new Bench(role).settle();
      bench.machine.tick(10_000);
      bench.machine.tick(10_000);
      expect(ticks(new Bench(role).settle(), 1, 12)).toEqual([10]);
    }
    const bench = new Bench("client").settle();
    ticks(bench, 1, 9);
    bench.machine.tick(10_000);
    const sent = bench.take().find(isPing);
    ticks(bench, 11, 13);
    bench.machine.receive(frame(FrameType.Ping, 1, 0, sent?.payload ?? new Uint8Array(8)));
    expect(ticks(bench, 14, 25)).toEqual([23]);
  });

  test("a peer that vanished is given up 20 s after the PING, its streams told", () => {
    const bench = new Bench("client").settle();
    bench.open();
    ticks(bench, 1, 29);
    expect(bench.closed).toBe(null);
    bench.machine.tick(30_000);
    expect(bench.closed).toEqual({ code: E.NoError, why: "peer does not answer PING", how: "drop" });
    expect(bench.owner(1).fate).toMatchObject({ by: "us", why: "peer does not answer PING" });
  });

  test("a loop that was starved does not take its own absence for the peer's", () => {
    const bench = new Bench("client").settle();
    ticks(bench, 1, 10);
    bench.machine.tick(60_000);
    bench.machine.tick(61_000);
    expect(bench.closed).toBe(null);
  });

  test("a peer that never says SETTINGS is given up", () => {
    const bench = new Bench("server");
    ticks(bench, 1, 19);
    expect(bench.closed).toBe(null);
    bench.machine.tick(20_000);
    expect(bench.closed).toMatchObject({ code: E.SettingsTimeout });
  });

  test("a PING is answered with its own bytes", () => {
    const bench = new Bench("server").settle();
    bench.machine.receive(pingFrame(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), "ping"));
    expect(bench.take()).toEqual([{ type: 6, flags: 1, streamId: 0, payload: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }]);
    bench.machine.receive(pingFrame(new Uint8Array(8), "ack"));
    expect(bench.take()).toEqual([]);
  });
});

describe("going away", () => {
  test("a server drains in two steps and closes behind its last stream", () => {
    const bench = afterSettings("server");
    bench.machine.drain();
    const [goaway, ping] = bench.take();
    expect(goaway).toMatchObject({ type: FrameType.Goaway, payload: joinBytes(u32(0x7fff_ffff), u32(0)) });
    bench.machine.receive(connect(3)); // was under way
    bench.machine.receive(frame(FrameType.Ping, 1, 0, ping?.payload ?? new Uint8Array(8)));
    expect(bench.take().filter((f) => f.type === FrameType.Goaway)).toMatchObject([
      { payload: joinBytes(u32(3), u32(0)) },
    ]);
    bench.machine.receive(connect(5)); // too late: not looked at
    expect(bench.requests).toHaveLength(2);
    bench.machine.receive(joinBytes(reset(1), reset(3)));
    expect(bench.closed).toMatchObject({ code: E.NoError, how: "flush" });
  });

  test("an idle server closes as soon as the client answers", () => {
    const bench = new Bench("server").settle();
    bench.machine.drain();
    const ping = bench.take().find((f) => f.type === FrameType.Ping);
    expect(bench.closed).toBe(null);
    bench.machine.receive(frame(FrameType.Ping, 1, 0, ping?.payload ?? new Uint8Array(8)));
    expect(bench.closed).toMatchObject({ code: E.NoError });
  });

  test("a client finishes what the peer will still answer, and knows what it never looked at", () => {
    const bench = new Bench("client").settle();
    bench.open();
    bench.open();
    bench.machine.receive(goawayFrame(1, 0, ""));
    expect(bench.owner(3).fate).toMatchObject({ code: E.RefusedStream, by: "peer" });
    expect([bench.machine.ready, bench.closed, bench.owner(1).fate]).toEqual([false, null, null]);
    bench.machine.receive(data(1, 0, END_STREAM));
    const [s] = [bench.owner(1)];
    expect(s.ended).toBe(true);
    bench.machine.receive(reset(1, E.NoError));
    expect(bench.closed).toMatchObject({ code: E.NoError });
  });

  test("closing resets every stream and says GOAWAY", () => {
    const bench = afterSettings("server");
    bench.machine.close(E.NoError, "");
    expect(bench.take()).toMatchObject([{ type: FrameType.Goaway }]);
    expect(bench.owner(1).fate).toMatchObject({ by: "us" });
    bench.machine.receive(connect(3));
    bench.machine.tick(1e6);
    expect([bench.take(), bench.requests.length]).toEqual([[], 1]);
  });
});

const anyHostile = fc.oneof(
  fc
    .tuple(
      fc.integer({ min: 0, max: 11 }),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 9 }),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  fc.constantFrom(
    connect(1),
    connect(3),
    data(1, 5),
    data(1, 0, 1),
    reset(1),
    windowUpdate(1, 100),
    settingsFrame([[4, 5]]),
  ),
);
for (const role of ["server", "client"] as const) {
  test(`${role}: hostile frames never throw, and end in at most one close`, () =>
    fc.assert(
      fc.property(fc.array(anyHostile, { maxLength: 40 }), (frames) => {
        const bench = new Bench(role, "stranger").settle();
        if (role === "client") bench.open();
        for (const bytes of frames) bench.machine.receive(bytes);
        bench.machine.tick(1000);
        const after = bench.closed;
        bench.machine.receive(connect(99));
        if (after !== null) expect(bench.closed).toBe(after);
      }),
      { numRuns: 1500 },
    ));
}

test("any split of a server's input gives the same output", () => {
  const input = joinBytes(
    PREFACE,
    settingsFrame([[4, 100_000]]),
    settingsAckFrame(),
    connect(1),
    data(1, 300),
    pingFrame(new Uint8Array(8), "ping"),
    data(1, 0, 1),
    connect(3),
    reset(3),
    headers(5, [[":method", "GET"]]),
  );
  const run = (cuts: readonly number[]): Uint8Array => {
    const bench = new Bench("server");
    const at = [0, ...[...cuts].sort((x, y) => x - y), input.length];
    for (let i = 1; i < at.length; i++) bench.machine.receive(input.slice(at[i - 1], at[i]));
    return joinBytes(bench.takeBytes(), Uint8Array.of(bench.owner(1).bytes & 0xff));
  };
  fc.assert(
    fc.property(fc.array(fc.nat(input.length), { maxLength: 10 }), (cuts) => {
      expect(run(cuts)).toEqual(run([]));
    }),
  );
});
