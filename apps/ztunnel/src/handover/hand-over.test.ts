import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { connectSeqpacket, seqpacketDescriptors, seqpacketPair } from "@lateen/linux";
import { type Family, createLogging, createRegistry } from "@lateen/telemetry";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PodListener, ToThread } from "../messages.ts";
import { Predecessor, type PredecessorOptions } from "./predecessor.ts";
import { STATE_FORMAT, type StateFormat } from "./state-format.ts";
import { Successor, type SuccessorOptions } from "./successor.ts";

const THREADS = 3;
const formats = (oldest: number, newest: number): StateFormat => ({ ...STATE_FORMAT, versions: { oldest, newest } });
const { families } = (() => {
  const registry = createRegistry();
  registry
    .counter({ name: "opened", help: "Opened", labels: ["to"] })
    .with({ to: "db" })
    .inc(7);
  return { families: registry.families() };
})();

/** What a process would tell its data threads, and what it says itself. */
class Side {
  readonly told: (readonly [index: number | "all", message: ToThread])[] = [];
  readonly log: string[] = [];
  readonly listeners: string[] = [];
  readonly totals: (readonly Family[])[] = [];
  done = false;
  readonly logger = createLogging({
    write: (line) => this.log.push(line),
    nowMicros: () => 0,
    format: "text",
    levels: new Map([["", "debug"]]),
  }).logger("handover");
  readonly threads = {
    count: THREADS,
    sendTo: (index: number, message: ToThread) => void this.told.push([index, message]),
    send: (message: ToThread) => void this.told.push(["all", message]),
  };

  of<T extends ToThread["t"]>(t: T): Extract<ToThread, { t: T }>[] {
    return this.told.flatMap(([, m]) => (m.t === t ? [m as Extract<ToThread, { t: T }>] : []));
  }
}

describe.skipIf(process.platform !== "linux")("two processes at a hand-over socket", () => {
  let folder: string;
  let at: string;
  let old: Side;
  let fresh: Side;
  let predecessor: Predecessor;
  let running: Promise<void>;
  const open = (): number => openSync("/dev/null", "r");
  const descriptors = (): number => readdirSync("/proc/self/fd").length;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "hand-over-"));
    at = path.join(folder, "s");
    [old, fresh] = [new Side(), new Side()];
  });
  afterEach(async () => {
    predecessor[Symbol.dispose]();
    await running;
    rmSync(folder, { recursive: true });
  });

  function listen(over: Partial<PredecessorOptions> = {}): void {
    const lent = (port: number): PodListener => ({ port, fd: open(), transparent: port === 15_006 });
    predecessor = new Predecessor(at, {
      threads: {
        ...old.threads,
        listeners: () =>
          Promise.resolve(
            new Map([
              ["pod", [lent(15_001), lent(15_006)]],
              ["other", [lent(15_008)]],
            ]),
          ),
      },
      format: STATE_FORMAT,
      judge: () => null,
      nowMs: () => performance.now(),
      closeFd: closeSync,
      openChannel: seqpacketDescriptors,
      report: () => Promise.resolve({ connections: 4, families }),
      patienceMs: 1_000,
      log: old.logger,
      processListeners: (mode) => old.listeners.push(mode),
      onDone: () => (old.done = true),
      ...over,
    });
    running = predecessor.run();
  }
  const connect = (over: Partial<SuccessorOptions> = {}): Successor =>
    new Successor(at, {
      program: "test",
      takes: true,
      format: STATE_FORMAT,
      nowMs: () => performance.now(),
      closeFd: closeSync,
      log: fresh.logger,
      threads: fresh.threads,
      onTotals: (all) => fresh.totals.push(all),
      ...over,
    });

  /** A data thread that has done its work, on either side. */
  function finishThread(successor: Successor, index: number, bundles: number): void {
    for (const { fd } of [old.of("give")[index], fresh.of("take")[index]].filter((m) => m !== undefined)) closeSync(fd);
    const ending = { outcome: "done", why: "", left: 0 } as const;
    const one = { connections: 1, tunnel: false, stalledMs: index };
    predecessor.gave(index, { ...ending, moved: bundles, kept: 0 });
    successor.took({ ...ending, declined: [], bundles: Array.from({ length: bundles }, () => one) });
  }

  test("listeners, a channel for one data thread after the other, then what has been counted", async () => {
    using waited = seqpacketPair()[0]; // so that what waits for all sockets of a thread is there
    await waited.receive(1, AbortSignal.timeout(1)).catch(() => undefined);
    const before = descriptors();
    listen();
    const successor = connect();
    expect(await successor.connect(new AbortController().signal)).toBe(true);
    await successor.listeners();
    const pod = successor.takePod("pod");
    expect(pod.map(({ port, transparent }) => [port, transparent])).toEqual([
      [15_001, false],
      [15_006, true],
    ]);
    for (const { fd } of [...pod, ...successor.takePod("other")]) {
      expect(fstatSync(fd).isCharacterDevice()).toBe(true);
      closeSync(fd); // as the data threads do in the end
    }
    expect(successor.takePod("nobody")).toEqual([]);
    successor.served("pod", null);
    successor.served("other", "port 15008 is taken");
    let opened = 0;
    const moving = successor.move(() => (opened += 1));
    for (let i = 0; i < THREADS; i++) {
      const under = (): number => Math.min(old.of("give").length, fresh.of("take").length);
      await eventually(() => under() > i, { what: `the channel of thread ${i}` });
      expect([old.of("give").length, fresh.of("take").length]).toEqual([i + 1, i + 1]);
      finishThread(successor, i, 2);
    }
    expect(fresh.told.map(([index]) => index)).toEqual([0, 1, 2]);
    expect(await moving).toMatchObject({ outcome: "done", connections: 6, left: 4, declined: 0, stallMs: { max: 2 } });
    await running;
    expect([old.done, opened, old.listeners, fresh.totals]).toEqual([true, 1, ["give"], [families]]);
    expect(old.of("lend-listeners").map(({ uid }) => uid)).toEqual(["pod"]);
    predecessor[Symbol.dispose]();
    await eventually(() => descriptors() === before, { what: "every descriptor to be closed" });
  });

  test("a stranger is turned away, and the next one is served", async () => {
    const judged: number[] = [];
    listen({ judge: ({ pid }) => (judged.push(pid), judged.length === 1 ? "it looks odd" : null) });
    using stranger = connectSeqpacket(at);
    expect(await stranger.receive(64, AbortSignal.timeout(5_000))).toEqual({ t: "end" });
    expect(old.log.join()).toMatch(/a stranger was turned away.*it looks odd/);
    const successor = connect();
    expect(await successor.connect(AbortSignal.timeout(5_000))).toBe(true);
    expect(judged).toEqual([process.pid, process.pid]);
  });

  test.each([
    ["too new", formats(3, 4), "formats 1 to 2 are known here, and 3 to 4 to the successor"],
    ["too old", formats(1, 1), "formats 5 to 6 are known here, and 1 to 1 to the successor"],
  ])("a successor that is %s is refused with the reason, and nothing changes", async (name, format, why) => {
    listen(name === "too old" ? { format: formats(5, 6) } : {});
    const successor = connect({ format });
    expect(await successor.connect(AbortSignal.timeout(5_000))).toBe(false);
    expect(await successor.move(() => undefined)).toBeNull();
    expect(fresh.log.join()).toContain(why);
    await eventually(() => old.log.some((line) => line.includes("going on")), { what: "the predecessor to go on" });
    expect([old.done, old.told, old.listeners]).toEqual([false, [], []]);
  });

  test.each([
    ["one version newer", formats(1, 2), formats(1, 1)],
    ["one version older", formats(1, 1), formats(1, 2)],
  ])("a successor that is %s is welcome", async (_, format, own) => {
    listen({ format: own });
    expect(await connect({ format }).connect(AbortSignal.timeout(5_000))).toBe(true);
    expect(fresh.log.join()).toContain("a predecessor hands over");
  });

  test("a successor whose driver takes nothing leaves everything, and the predecessor drains", async () => {
    listen();
    const successor = connect({ takes: false });
    await successor.connect(AbortSignal.timeout(5_000));
    const summary = await successor.move(() => undefined);
    expect(summary).toMatchObject({ outcome: "done", connections: 0, left: 4 });
    await running;
    expect([old.done, old.of("give"), old.of("lend-listeners")]).toEqual([true, [], []]);
    expect(fresh.totals).toEqual([families]); // numbers need no driver
  });

  test("a successor that goes away gives everything back", async () => {
    listen();
    const stop = new AbortController();
    const successor = connect();
    await successor.connect(stop.signal);
    await successor.listeners();
    for (const uid of ["pod", "other"]) {
      successor.takePod(uid).forEach(({ fd }) => closeSync(fd));
      successor.served(uid, null);
    }
    const moving = successor.move(() => undefined);
    await eventually(() => old.of("give").length > 0 && fresh.of("take").length > 0, { what: "the first channel" });
    for (const { fd } of [...old.of("give"), ...fresh.of("take")]) closeSync(fd);
    stop.abort(new Error("it is killed"));
    successor.took({ outcome: "lost", why: "", left: -1, declined: [], bundles: [] });
    expect(await moving).toMatchObject({ outcome: "lost", left: -1 });
    await eventually(() => old.listeners.length === 2, { what: "the predecessor to hear of it" });
    expect(old.listeners).toEqual(["give", "take-back"]);
    expect([old.of("stop-giving").length, old.of("take-back-listeners").length, old.done]).toEqual([1, 1, false]);
  });

  test("a predecessor that goes away ends it, and what it never said is not known", async () => {
    listen();
    const successor = connect();
    await successor.connect(AbortSignal.timeout(5_000));
    await successor.listeners();
    const taken = successor.takePod("pod");
    predecessor[Symbol.dispose]();
    expect(await successor.move(() => undefined)).toMatchObject({ outcome: "lost", left: -1, connections: 0 });
    await successor.gone;
    expect(successor.open).toBe(false);
    expect(fresh.log.join()).toContain("nothing more is taken over");
    successor.served("pod", null);
    // What the data threads have is theirs, whatever became of the predecessor; they close it.
    for (const { fd } of taken) {
      expect(fstatSync(fd).isCharacterDevice()).toBe(true);
      closeSync(fd);
    }
  });
});
