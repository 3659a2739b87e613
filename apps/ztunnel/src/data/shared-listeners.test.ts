import { closeSync, readdirSync } from "node:fs";
import { FastDataPath } from "@lateen/fast-datapath";
import { type Netns, createNetns, duplicateFd, openRtnetlink, socketFactory } from "@lateen/linux";
import { requireRoot } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../config.ts";
import { STATE_FORMAT } from "../handover/state-format.ts";
import type { FromThread, OwnListeners, PodListener, ToThread } from "../messages.ts";
import { DataThread } from "./data-thread.ts";
import { quietThread } from "./moving/little-mesh.ts";
import { PodProxy } from "./pod-proxy.ts";

const config = parseConfig({ IPV6_ENABLED: "false" });
if (!config.ok) throw config.error;
const { data } = config.value;
const settings = { logFormat: "text", levels: new Map(), stateFormatModule: null, ticketSecret: null } as const;
const PORT = 15_006;
/** Connections of which some show what holds for all. */
const ATTEMPTS = 5;
/** What a connection to the proxy's own port is refused with, as soon as it is accepted. */
const REFUSAL = "recursive call";

/** A data thread that turns when it is told to. */
class Thread {
  readonly posted: FromThread[] = [];
  readonly faults: unknown[] = [];
  readonly path = new FastDataPath({ onFault: (fault) => this.faults.push(fault) });
  cpuMs = 0;
  readonly #thread = new DataThread(
    {
      path: this.path,
      random: () => 0,
      randomHex: (bytes) => "00".repeat(bytes),
      nowMicros: () => 0,
      post: (message) => this.posted.push(message),
      clockMs: () => performance.now(),
      closeFd: closeSync,
      duplicateFd,
      cpuMs: () => this.cpuMs,
      waitedMs: () => 0,
      receivedBytes: () => this.path.stats.receivedBytes,
      rest: () => undefined,
      watch: null,
      stateFormat: STATE_FORMAT,
    },
    { config: data, ...settings, tellsLoad: true },
  );

  tell(message: ToThread): void {
    this.#thread.receive(message);
  }

  get accepted(): number {
    const lines = this.posted.flatMap((m) => (m.t === "log" ? m.lines : []));
    return lines.filter((line) => line.includes(REFUSAL)).length;
  }

  /** What it opened, as duplicates. */
  listeners(): readonly OwnListeners[] {
    this.tell({ t: "list-listeners", id: 1 });
    const last = this.posted.pop();
    if (last?.t !== "listeners") throw new Error("no list came");
    return last.pods;
  }
}

describe.skipIf(requireRoot())("two data threads with one set of listeners", () => {
  const uid = "pod";
  let pod: Netns;
  let first: Thread;
  let second: Thread;
  let client: FastDataPath;
  let descriptors: number;
  const count = (): number => readdirSync("/proc/self/fd").length;
  const start = (thread: Thread, listeners: readonly PodListener[] | null, netns = pod.fd): void =>
    thread.tell({
      t: "start-pod",
      pod: { uid, name: "p", namespace: "ns", serviceAccount: "sa" },
      netns,
      id: 1,
      listeners,
    });

  beforeEach(() => {
    pod = createNetns();
    {
      using route = openRtnetlink(pod.fd);
      route.setLink(route.requireLink("lo").index, { up: true });
    }
    [first, second] = [new Thread(), new Thread()];
    client = new FastDataPath({ onFault: (fault) => first.faults.push(fault) });
    start(first, []);
    start(second, null);
    connect(1); // whatever is opened once is open
    until(1, first);
    descriptors = count();
  });
  afterEach(() => {
    for (const thread of [first, second]) {
      thread.path[Symbol.dispose]();
      expect(thread.faults).toEqual([]);
    }
    client[Symbol.dispose]();
    pod[Symbol.dispose]();
  });

  function connect(connections: number, port = PORT): void {
    let connected = 0;
    const how = { netns: pod.fd, mark: data.mark, keepAlive: null, from: null, timeoutMs: 5_000 };
    for (let i = 0; i < connections; i++)
      client.connect({ ...how, to: { ip: "127.0.0.1", port } }, (r) => {
        if (!r.ok) throw r.error;
        connected += 1;
        r.value.abort();
      });
    for (let i = 0; connected < connections; i++) {
      if (i === 5_000) throw new Error("nobody answers");
      client.turn(1);
    }
  }
  /** These turn until so many were accepted by both together since the beginning. */
  function until(total: number, ...threads: readonly Thread[]): void {
    for (let i = 0; first.accepted + second.accepted < total; i++) {
      if (i === 500) throw new Error(`${first.accepted} and ${second.accepted} of ${total} were accepted`);
      for (const { path } of threads) path.turn(1);
    }
  }
  const accepted = (): readonly number[] => [first.accepted, second.accepted];
  /** Nobody accepts what comes now. */
  function stays(...threads: readonly Thread[]): void {
    const before = accepted();
    for (let i = 0; i < 10; i++) for (const { path } of threads) path.turn(1);
    expect(accepted()).toEqual(before);
  }

  test("the second accepts while it is told to, and leaves nothing behind", () => {
    connect(2);
    stays(second);
    second.tell({ t: "accept", pods: first.listeners() });
    until(3, second);
    connect(10);
    until(13, second);
    expect(accepted()).toEqual([1, 12]);
    connect(10);
    second.tell({ t: "accept-no-more" });
    stays(second);
    until(23, first);
    expect(accepted()).toEqual([11, 12]);
    expect(count()).toBe(descriptors);
  });

  test("listeners that it has already, or of a pod that is gone or another, are closed", () => {
    second.tell({ t: "accept", pods: first.listeners() });
    const shared = count();
    second.tell({ t: "accept", pods: first.listeners() });
    expect(count()).toBe(shared);
    const other = first.listeners().map((own) => ({ ...own, netns: own.netns + 1 }));
    const unknown = first.listeners().map((own) => ({ ...own, uid: "nobody" }));
    second.tell({ t: "accept", pods: [...other, ...unknown] });
    expect(count()).toBe(shared);
    first.tell({ t: "accept", pods: first.listeners() }); // to whom they are
    expect(count()).toBe(shared);
    second.tell({ t: "stop-pod", uid, netns: pod.fd, id: 1 });
    expect(count()).toBe(descriptors);
    connect(3);
    until(4, first);
  });

  test("a pod that is started again is without, until it is given them anew", () => {
    second.tell({ t: "accept", pods: first.listeners() });
    start(first, []);
    start(second, null);
    expect(count()).toBe(descriptors);
    connect(2);
    stays(second);
    second.tell({ t: "accept", pods: first.listeners() });
    until(3, second);
    expect(accepted()).toEqual([1, 2]);
  });

  test("what is lent to a successor nobody accepts, whoever is told to, until it is taken back", () => {
    second.tell({ t: "accept", pods: first.listeners() });
    for (const thread of [first, second]) thread.tell({ t: "lend-listeners", uid });
    second.tell({ t: "accept-no-more" });
    second.tell({ t: "accept", pods: first.listeners() });
    connect(5);
    stays(first, second);
    for (const thread of [first, second]) thread.tell({ t: "take-back-listeners" });
    until(6, second);
    expect(accepted()).toEqual([1, 5]);
    connect(5);
    until(11, first);
  });

  test("of a predecessor that had two listeners of a port the first accepts on both, and so does who helps it", () => {
    const how = {
      netns: pod.fd,
      mark: data.mark,
      keepAlive: null,
      address: { ip: "0.0.0.0", port: PORT },
      dualStack: false,
      reusePort: true,
      transparent: "best-effort",
      backlog: 128,
    } as const;
    const lent = [1, 2].map(() => ({ port: PORT, ...socketFactory.listener(how) }));
    start(first, lent);
    expect(first.listeners().flatMap(({ listeners }) => listeners.map(({ port }) => port))).toEqual([
      15_006, 15_006, 15_008, 15_001,
    ]);
    connect(40); // the kernel spreads them over both
    until(41, first);
    second.tell({ t: "accept", pods: first.listeners() });
    connect(40);
    until(81, second);
    expect(accepted()).toEqual([41, 40]);
  });

  test("a pod that drains has no listeners to give, and takes none", () => {
    const info = { uid: "other", name: "o", namespace: "ns", serviceAccount: "sa" };
    const thread = quietThread(second.path, data, (fault) => second.faults.push(fault));
    const proxy = new PodProxy(thread, info, pod.fd);
    expect(proxy.listeners().map(({ port }) => port)).toEqual([15_008, 15_006, 15_001]);
    proxy.drain();
    expect(proxy.listeners()).toEqual([]);
    expect(count()).toBe(descriptors);
    const lent = first.listeners().flatMap(({ listeners }) => listeners);
    proxy.share(lent, closeSync);
    expect(count()).toBe(descriptors);
  });

  test.each([
    ["nothing", []],
    ["tunnels", [15_008]],
    ["everything", [15_001, 15_008]],
  ] as const)(
    "one that yields %s leaves it to the other for a moment, also for a pod that comes later",
    (what, yielded) => {
      /** How many of some connections the first takes in its next turn: nothing is answered so soon, so it has another descriptor. */
      const atOnce = (port: number): number => {
        let taken = 0;
        for (let i = 0; i < ATTEMPTS; i++) {
          const before = first.path.stats.descriptors;
          connect(1, port);
          first.path.turn(0);
          taken += first.path.stats.descriptors - before;
          for (let turn = 0; turn < 10; turn++) first.path.turn(1); // the moment is over
        }
        return taken;
      };
      first.tell({ t: "yield", what });
      start(first, []);
      for (const port of [15_001, 15_008])
        // A thread that is held up for the whole of the moment takes it all the same.
        if (yielded.some((p) => p === port)) expect(atOnce(port), `on ${port}`).toBeLessThan(ATTEMPTS);
        else expect(atOnce(port), `on ${port}`).toBe(ATTEMPTS);
      connect(1);
      until(2, first);
    },
  );

  test("a thread that is kept busy says so when a connection comes", () => {
    const loads = (): readonly string[] => first.posted.flatMap((m) => (m.t === "load" ? [m.load] : []));
    expect(loads()).toEqual([]);
    first.cpuMs += 1e9;
    const deadline = performance.now() + 110; // a shorter time says nothing
    while (performance.now() < deadline) client.turn(1);
    connect(1);
    until(2, first);
    expect(loads()).toEqual(["full"]);
  });
});
