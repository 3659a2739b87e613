import { type ByteStream, ManualLoop, type StreamHandler, memoryPair } from "@lateen/byte-stream";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConnectRequest, HboneClient, HbonePool, HboneServer, HboneStream } from "./api.ts";
import { hboneClient } from "./client.ts";
import {
  EMPTY_KEY,
  type KeyState,
  MAX_DIALS,
  type PoolEffect,
  type PoolInput,
  observe,
  planPool,
} from "./pool-plan.ts";
import { hbonePool } from "./pool.ts";
import { hboneServer } from "./server.ts";

const LIMITS = { maxStreams: 3, idleMs: 1000 };

describe("decisions", () => {
  const tunnel = (id: number, active: number, lastUsedMs = 0) => ({ id, active, lastUsedMs });
  const error = new MeshError(Code.Timeout, "connection timed out");
  const rows: readonly (readonly [string, KeyState, PoolInput, string])[] = [
    ["the first request dials", EMPTY_KEY, { t: "want" }, "dial"],
    ["the next ones wait for that dial", { ...EMPTY_KEY, dials: 1, waiting: 1 }, { t: "want" }, ""],
    [
      "more than one tunnel will hold cause another dial",
      { ...EMPTY_KEY, dials: 1, waiting: 3 },
      { t: "want" },
      "dial",
    ],
    [
      "dials under way are bounded",
      { ...EMPTY_KEY, dials: MAX_DIALS, waiting: MAX_DIALS * LIMITS.maxStreams },
      { t: "want" },
      "",
    ],
    ["a tunnel with room is used", { ...EMPTY_KEY, tunnels: [tunnel(1, 1)] }, { t: "want" }, "assign 1"],
    [
      "the stream that fills a tunnel retires it",
      { ...EMPTY_KEY, tunnels: [tunnel(1, 2)] },
      { t: "want" },
      "assign 1, retire 1",
    ],
    ["a full tunnel is passed over", { ...EMPTY_KEY, tunnels: [tunnel(1, 3)] }, { t: "want" }, "dial"],
    [
      "a new tunnel serves those who waited",
      { tunnels: [], dials: 1, waiting: 2 },
      { t: "dialed", id: 7, nowMs: 0 },
      "assign 7, assign 7",
    ],
    [
      "those beyond its limit cause the next dial",
      { tunnels: [], dials: 1, waiting: 4 },
      { t: "dialed", id: 7, nowMs: 0 },
      "assign 7, assign 7, assign 7, retire 7, dial",
    ],
    [
      "a failed dial leaves nobody waiting",
      { tunnels: [], dials: 1, waiting: 3 },
      { t: "dialFailed", error },
      "refuse 3",
    ],
    [
      "whom another dial will serve waits on",
      { tunnels: [], dials: 2, waiting: 4 },
      { t: "dialFailed", error },
      "refuse 1",
    ],
    [
      "an idle tunnel is let go",
      { ...EMPTY_KEY, tunnels: [tunnel(1, 0, 0), tunnel(2, 0, 500)] },
      { t: "tick", nowMs: 1000 },
      "retire 1",
    ],
    ["a busy tunnel is not idle", { ...EMPTY_KEY, tunnels: [tunnel(1, 1, 0)] }, { t: "tick", nowMs: 9000 }, ""],
    ["nobody waits, nothing is dialled", { ...EMPTY_KEY, waiting: 1 }, { t: "withdrawn" }, ""],
  ];
  for (const [what, state, input, want] of rows) {
    test(what, () => {
      const [, effects] = planPool(state, input, LIMITS);
      const about = (e: PoolEffect): number | string => ("id" in e ? e.id : "count" in e ? e.count : "");
      expect(effects.map((e) => `${e.t} ${about(e)}`.trim()).join(", ")).toBe(want);
    });
  }

  test("a tunnel that takes no more is forgotten", () => {
    const state = { ...EMPTY_KEY, tunnels: [tunnel(1, 1), tunnel(2, 1)] };
    expect(observe(state, (id) => (id === 1 ? null : 2), 77).tunnels).toEqual([tunnel(2, 2, 77)]);
  });

  const anyInput = fc.oneof(
    fc.constant<PoolInput>({ t: "want" }),
    fc.nat(9).map<PoolInput>((id) => ({ t: "dialed", id, nowMs: id })),
    fc.constant<PoolInput>({ t: "dialFailed", error }),
    fc.nat(5000).map<PoolInput>((nowMs) => ({ t: "tick", nowMs })),
  );
  test("never more dials than tunnels needed, never a stream too many, nobody waits without a dial", () =>
    fc.assert(
      fc.property(fc.array(anyInput, { maxLength: 60 }), (inputs) => {
        let state = EMPTY_KEY;
        for (const [i, raw] of inputs.entries()) {
          if (raw.t.startsWith("dial") && state.dials === 0) continue;
          const input = raw.t === "dialed" ? { ...raw, id: i } : raw;
          const [next, effects] = planPool(state, input, LIMITS);
          const begun = effects.filter((e) => e.t === "dial").length;
          const ended = input.t.startsWith("dial") ? 1 : 0;
          expect(next.dials).toBe(state.dials + begun - ended);
          if (begun > 0) expect(next.dials).toBe(Math.min(MAX_DIALS, Math.ceil(next.waiting / LIMITS.maxStreams)));
          expect(next.waiting === 0 || next.dials > 0).toBe(true);
          expect(next.tunnels.every((t) => t.active < LIMITS.maxStreams)).toBe(true);
          state = next;
        }
      }),
    ));
});

interface Dial {
  readonly key: string;
  readonly done: (result: Result<HboneClient>) => void;
  cancelled: boolean;
}

class Silent implements StreamHandler {
  onData(): void {}
  onEnd(): void {}
  onWritable(): void {}
  onClose(): void {}
}

/** A pool whose dials wait until the test answers them. */
class Rig {
  readonly loop = new ManualLoop();
  readonly dials: Dial[] = [];
  readonly servers: HboneServer[] = [];
  readonly requests: ConnectRequest[] = [];
  readonly carriers: ByteStream[] = [];
  readonly results: Result<HboneStream>[] = [];
  readonly pool: HbonePool;
  answer: "accept" | "wait" = "accept";

  constructor() {
    this.pool = hbonePool({
      nowMs: 0,
      maxStreamsPerTunnel: 3,
      idleMs: 1000,
      dial: (key, done) => {
        const dial: Dial = { key, done, cancelled: false };
        this.dials.push(dial);
        return () => (dial.cancelled = true);
      },
    });
  }

  want(key = "k"): () => void {
    const cancel = this.pool.connect(key, { authority: "a:1", headers: [] }, (r) => {
      if (r.ok) r.value.attach(new Silent());
      this.results.push(r);
    });
    this.loop.run();
    return cancel;
  }

  dialed(at = this.dials.length - 1): void {
    const options = { trust: "authenticated", nowMs: 0, defer: this.loop.defer } as const;
    const [near, far] = memoryPair({ defer: this.loop.defer });
    this.carriers.push(far);
    this.servers.push(
      hboneServer(far, options, (request) => {
        this.requests.push(request);
        if (this.answer === "accept") request.accept([]).attach(new Silent());
      }),
    );
    this.dials[at]!.done(ok(hboneClient(near, options)));
    this.loop.run();
  }

  get open(): HboneStream[] {
    return this.results.flatMap((r) => (r.ok ? [r.value] : []));
  }

  get errors(): string[] {
    return this.results.flatMap((r) => (r.ok ? [] : [r.error.message]));
  }
}

describe("the pool", () => {
  test("shares a tunnel, retires it when full, and keys do not mix", () => {
    const rig = new Rig();
    rig.want();
    rig.want();
    rig.want("other");
    expect(rig.dials.map((d) => d.key)).toEqual(["k", "other"]);
    rig.dialed(0);
    expect(rig.open).toHaveLength(2);
    rig.want();
    expect([rig.open.length, rig.dials.length]).toEqual([3, 2]);
    rig.want(); // the first tunnel is full and retired
    expect(rig.dials.map((d) => d.key)).toEqual(["k", "other", "k"]);
    rig.dialed();
    expect([rig.open.length, rig.pool.tunnels]).toEqual([4, 2]);
  });

  test("a retired tunnel closes behind its last stream and is not used again", () => {
    const rig = new Rig();
    for (let i = 0; i < 3; i++) rig.want();
    rig.dialed();
    for (const s of rig.open.slice(0, 2)) s.abort();
    rig.loop.run();
    expect([rig.servers[0]?.closed, rig.pool.tunnels]).toEqual([false, 1]);
    rig.want();
    expect(rig.dials).toHaveLength(2);
    rig.open[2]?.abort();
    rig.loop.run();
    expect([rig.servers[0]?.closed, rig.pool.tunnels]).toEqual([true, 0]);
  });

  test("a tunnel that is taken out gets no requests, and serves its key again once it is put in", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    const [entry] = rig.pool.entries();
    expect(entry).toMatchObject({ key: "k", shared: true, idleMs: 0 });
    rig.pool.take(entry!.tunnel);
    expect([rig.pool.tunnels, rig.pool.entries().length, rig.open[0]?.write(Uint8Array.of(1))]).toEqual([0, 0, true]);
    rig.want(); // has to dial, and is served by what is put in meanwhile
    expect([rig.dials.length, rig.open.length]).toEqual([2, 1]);
    rig.pool.adopt(entry!);
    rig.loop.run();
    expect([rig.open.length, rig.pool.entries()[0]?.tunnel.active]).toEqual([2, 2]);
  });

  test("an idle or retired tunnel comes back as what it was", () => {
    const rig = new Rig();
    for (let i = 0; i < 3; i++) rig.want();
    rig.dialed();
    const [full] = rig.pool.entries();
    expect(full?.shared).toBe(false);
    rig.pool.take(full!.tunnel);
    rig.pool.adopt(full!);
    rig.want();
    rig.dialed();
    rig.open[3]?.abort();
    rig.loop.run();
    rig.pool.tick(100);
    rig.pool.tick(500);
    const idle = rig.pool.entries().find((e) => e.shared)!;
    expect(idle.idleMs).toBe(500);
    rig.pool.take(idle.tunnel);
    rig.pool.adopt(idle);
    rig.pool.tick(999);
    expect(rig.pool.tunnels).toBe(2);
    rig.pool.tick(1000);
    rig.loop.run();
    expect(rig.pool.tunnels).toBe(1);
  });

  test("a failed dial fails all that waited for it, and the next request dials anew", () => {
    const rig = new Rig();
    rig.want();
    rig.want();
    rig.dials[0]?.done(fail(new MeshError(Code.Timeout, "connection timed out")));
    expect(rig.errors).toEqual(["connection timed out", "connection timed out"]);
    rig.want();
    expect(rig.dials).toHaveLength(2);
  });

  test("a crowd opens the tunnels that it will fill at once, and one that fails takes only those with it that no other serves", () => {
    const rig = new Rig();
    for (let i = 0; i < 7; i++) rig.want();
    expect(rig.dials).toHaveLength(3);
    rig.dialed(0);
    expect(rig.open).toHaveLength(3);
    rig.dials[1]?.done(fail(new MeshError(Code.Timeout, "connection timed out")));
    expect(rig.errors).toEqual(["connection timed out"]);
    rig.dialed(2);
    expect([rig.open.length, rig.dials.length]).toEqual([6, 3]);
  });

  test("a tunnel whose peer says GOAWAY is left alone; its streams live", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    rig.servers[0]?.drain();
    rig.loop.run();
    rig.want();
    expect([rig.dials.length, rig.servers[0]?.closed]).toEqual([2, false]);
    rig.dialed();
    expect(rig.open).toHaveLength(2);
  });

  test("a request that a closing peer never looked at is tried once more, elsewhere", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    rig.answer = "wait";
    rig.pool.connect("k", { authority: "a:1", headers: [] }, (r) => rig.results.push(r));
    rig.carriers[0]?.write(Uint8Array.of(0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)); // GOAWAY, last stream 1
    rig.loop.run();
    expect([rig.errors, rig.dials.length]).toEqual([[], 2]);
    rig.answer = "accept";
    rig.dialed();
    expect(rig.open).toHaveLength(2);
  });

  test("a broken tunnel is replaced", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    rig.carriers[0]?.abort();
    rig.loop.run();
    rig.want();
    rig.dialed();
    expect([rig.open.length, rig.pool.tunnels]).toEqual([2, 1]);
  });

  test("idle tunnels go after a while, busy ones stay", () => {
    const rig = new Rig();
    rig.want();
    rig.want("other");
    rig.dialed(0);
    rig.dialed(1);
    rig.open[0]?.abort();
    rig.loop.run();
    rig.pool.tick(900);
    rig.loop.run();
    expect(rig.pool.tunnels).toBe(2);
    rig.pool.tick(1900);
    rig.loop.run();
    expect([rig.pool.tunnels, rig.servers.map((s) => s.closed)]).toEqual([1, [true, false]]);
  });

  test("withdrawn requests take nothing from a tunnel", () => {
    const rig = new Rig();
    const cancel = rig.want();
    rig.want();
    cancel();
    cancel();
    rig.dialed();
    expect([rig.results.length, rig.requests.length]).toEqual([1, 1]);
  });

  test("withdrawn after it was given a tunnel: the stream is reset", () => {
    const rig = new Rig();
    rig.answer = "wait";
    const cancel = rig.want();
    rig.dialed();
    let abandoned = 0;
    rig.requests[0]!.onAbandoned = () => (abandoned += 1);
    cancel();
    rig.loop.run();
    expect([abandoned, rig.results.length]).toEqual([1, 0]);
  });

  test("draining refuses what is new and what waits, and lets streams finish", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    rig.want("other");
    rig.pool.drain();
    rig.want();
    expect(rig.errors).toEqual(["Cannot open stream: the pool drains", "Cannot open stream: the pool drains"]);
    expect([rig.dials[1]?.cancelled, rig.servers[0]?.closed]).toEqual([true, false]);
    rig.open[0]?.abort();
    rig.loop.run();
    expect(rig.servers[0]?.closed).toBe(true);
  });

  test("aborting closes every tunnel now", () => {
    const rig = new Rig();
    rig.want();
    rig.dialed();
    rig.want("other");
    rig.pool.abort();
    rig.dialed(1); // came too late
    expect([rig.pool.tunnels, rig.servers.map((s) => s.closed), rig.errors]).toEqual([
      0,
      [true, true],
      ["Cannot open stream: the pool is closed"],
    ]);
  });
});
