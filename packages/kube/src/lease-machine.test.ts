import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ISTIO_LEASE, LeaseMachine, type LeaseRecord, readLease } from "./lease-machine.ts";

const record = (change: Partial<LeaseRecord> = {}): LeaseRecord => ({
  version: "1",
  holder: "other",
  leaseMs: 30_000,
  renewTime: "t1",
  acquireTime: "t0",
  transitions: 3,
  ...change,
});

describe("a candidate", () => {
  test("makes the lease when there is none", () =>
    expect(new LeaseMachine("me", ISTIO_LEASE).decide(null, 0)).toEqual({ t: "create" }));

  test("takes a lease that nobody holds", () =>
    expect(new LeaseMachine("me", ISTIO_LEASE).decide(record({ holder: "" }), 0)).toMatchObject({
      t: "update",
      version: "1",
      transitions: 4,
      acquireTime: null,
    }));

  test("waits while the record changes, and takes over when it has not for a whole lease", () => {
    const m = new LeaseMachine("me", ISTIO_LEASE);
    expect(m.decide(record(), 0)).toEqual({ t: "wait" });
    expect(m.decide(record({ version: "2", renewTime: "t2" }), 29_000)).toEqual({ t: "wait" });
    expect(m.decide(record({ version: "2", renewTime: "t2" }), 58_999)).toEqual({ t: "wait" });
    expect(m.decide(record({ version: "2", renewTime: "t2" }), 59_000)).toMatchObject({ t: "update", version: "2" });
  });

  test("does not believe the times in a record: the holder's clock may be years off", () => {
    const m = new LeaseMachine("me", ISTIO_LEASE);
    expect(m.decide(record({ renewTime: "1999-01-01T00:00:00.000000Z" }), 0)).toEqual({ t: "wait" });
  });

  test("leads from the beginning of its write, for as long as a renewal may take", () => {
    const m = new LeaseMachine("me", ISTIO_LEASE);
    m.decide(null, 100);
    m.wrote(record({ holder: "me" }), 100);
    expect([m.leads(15_099), m.leads(15_100)]).toEqual([true, false]);
  });

  test("renews without counting a transition, and keeps since when it leads", () => {
    const m = new LeaseMachine("me", ISTIO_LEASE);
    const mine = record({ holder: "me" });
    m.wrote(mine, 0);
    expect(m.decide(mine, 7_500)).toEqual({ t: "update", version: "1", transitions: 3, acquireTime: "t0" });
    m.lost();
    expect(m.decide(mine, 7_500)).toMatchObject({ acquireTime: null });
  });
});

test.each([
  [{ metadata: { resourceVersion: "1" } }, { holder: "", leaseMs: 0 }],
  [{ metadata: { resourceVersion: "1" }, spec: { holderIdentity: null } }, { holder: "" }],
  [
    { metadata: { resourceVersion: "1" }, spec: { holderIdentity: "x", leaseDurationSeconds: 5 } },
    { holder: "x", leaseMs: 5_000 },
  ],
])("%j is read", (raw, want) => expect(readLease(raw)).toMatchObject(want));
test.each([null, {}, { metadata: {} }, { metadata: { resourceVersion: "1" }, spec: 3 }])("%j is no lease", (raw) =>
  expect(readLease(raw)).toBeNull(),
);

// Candidates with slow requests and lost answers, over a store that checks versions as the API server does.
const moves = fc.array(
  fc.record({
    who: fc.nat(2),
    waitMs: fc.integer({ min: 0, max: 12_000 }),
    /** Between reading and writing, and between writing and hearing of it. */
    slowMs: fc.tuple(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 9_000 })),
    lost: fc.boolean(),
  }),
  { maxLength: 60 },
);

test("no two lead at a time, however slow or lost their requests are", () =>
  fc.assert(
    fc.property(moves, (list) => {
      let store: LeaseRecord | null = null;
      const machines = [0, 1, 2].map((i) => new LeaseMachine(`c${i}`, ISTIO_LEASE));
      const busyUntil = [0, 0, 0];
      const writes: { readonly atMs: number; readonly run: () => void }[] = [];
      let now = 0;
      const settle = (untilMs: number): void => {
        for (;;) {
          writes.sort((a, b) => a.atMs - b.atMs);
          if (writes.length === 0 || writes[0]!.atMs > untilMs) break;
          writes.shift()!.run();
        }
      };
      for (const { who, waitMs, slowMs, lost } of list) {
        now += waitMs;
        settle(now);
        if (now < busyUntil[who]!) continue;
        const m = machines[who]!;
        const beganMs = now;
        const decision = m.decide(store, now);
        if (decision.t === "wait") continue;
        const base = decision.t === "update" ? decision.version : null;
        busyUntil[who] = now + slowMs[0] + slowMs[1];
        const atMs = now + slowMs[0];
        writes.push({
          atMs,
          run() {
            if ((store?.version ?? null) !== base) return; // 409
            const next = record({
              version: `${Number(store?.version ?? 0) + 1}`,
              holder: `c${who}`,
              renewTime: `${beganMs}`,
            });
            store = next;
            if (!lost) writes.push({ atMs: atMs + slowMs[1], run: () => m.wrote(next, beganMs) });
          },
        });
        settle(now);
        expect(machines.filter((x) => x.leads(now)).length).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 1_000 },
  ));
