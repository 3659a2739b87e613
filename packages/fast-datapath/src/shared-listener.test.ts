import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Listener } from "@lateen/datapath";
import { duplicateFd } from "@lateen/linux";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bell } from "./bell.ts";
import { FastDataPath } from "./fast-data-path.ts";

const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
const LISTEN = { ...SOCKET, dualStack: false, reusePort: true, transparent: "off", backlog: 128 } as const;

/** A thread's path, with what it has accepted. */
class Thread {
  readonly faults: unknown[] = [];
  readonly path = new FastDataPath({ onFault: (fault) => this.faults.push(fault) });
  accepted = 0;

  readonly take = (): void => void (this.accepted += 1);

  /** Accepts on another's listener too. */
  join(owner: Thread, listener: Listener): Listener {
    const fd = duplicateFd(owner.path.mover.descriptor(listener));
    return this.path.mover.adopt({ fd, transparent: false, shared: true }, this.take);
  }

  /** Events that the kernel has for it. */
  events(): number {
    const before = this.path.stats.events;
    this.path.turn(0);
    return this.path.stats.events - before;
  }
}

/** A helper that is a thread of its own, asleep in the kernel. */
class Sleeper {
  readonly #worker: Worker;
  readonly #bell = new Bell();
  readonly #woken = new Int32Array(new SharedArrayBuffer(4));

  private constructor(fd: number) {
    const entry = new URL("./shared-listener-thread.test.support.ts", import.meta.url);
    const execArgv = ["--conditions=lateen:source"];
    this.#worker = new Worker(entry, { workerData: { fd, bell: this.#bell.ends, woken: this.#woken }, execArgv });
  }

  static async begin(owner: Thread, listener: Listener): Promise<Sleeper> {
    const sleeper = new Sleeper(duplicateFd(owner.path.mover.descriptor(listener)));
    const task = await sleeper.answers();
    const waits = (): boolean => readFileSync(`/proc/${task}/stat`, "utf8").includes(") S ");
    await eventually(waits, { what: "the thread to sleep" });
    return sleeper;
  }

  get woken(): number {
    return Atomics.load(this.#woken, 0);
  }

  /** It has done whatever it was woken for. @returns its task in procfs */
  async answers(): Promise<string> {
    this.#worker.postMessage("where are you");
    this.#bell.ring();
    const [{ task }] = (await once(this.#worker, "message")) as [{ readonly task: string }];
    return task;
  }

  async end(): Promise<void> {
    const ended = once(this.#worker, "exit");
    this.#bell.stop();
    await ended;
    this.#bell[Symbol.dispose]();
  }
}

describe("a listener that several threads have", () => {
  let owner: Thread;
  let helpers: Thread[];
  let client: Thread;
  let listener: Listener;
  beforeEach(() => {
    [owner, client] = [new Thread(), new Thread()];
    helpers = [new Thread(), new Thread()];
    listener = owner.path.listen({ ...LISTEN, address: { ip: "127.0.0.1", port: 0 } }, owner.take);
  });
  afterEach(() => {
    for (const thread of [client, owner, ...helpers]) {
      expect(thread.faults).toEqual([]);
      thread.path[Symbol.dispose]();
    }
  });

  /** Connections wait in the kernel when it returns: on the loopback it answers by itself. */
  function connect(count: number): void {
    let connected = 0;
    for (let i = 0; i < count; i++)
      client.path.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5_000 }, (r) => {
        if (r.ok) connected += 1;
      });
    for (let i = 0; connected < count; i++) {
      if (i === 5_000) throw new Error("nobody answers");
      client.path.turn(1);
    }
  }
  /** Turns until so many were accepted, all together. */
  function until(threads: readonly Thread[], count: number): void {
    const total = (): number => [owner, ...helpers].reduce((n, { accepted }) => n + accepted, 0);
    for (let i = 0; total() < count; i++) {
      if (i === 500) throw new Error(`${total()} of ${count} were accepted`);
      for (const thread of threads) thread.path.turn(1);
    }
    expect(total()).toBe(count);
  }

  test("is whoever's comes first: a busy owner's connections do not wait for it", () => {
    const [helper] = helpers as [Thread, Thread];
    helper.join(owner, listener);
    connect(40);
    until([helper], 40);
    connect(40);
    until([owner], 80);
    expect([owner.accepted, helper.accepted]).toEqual([40, 40]);
  });

  test("nobody has what another took, and none is lost when one leaves at any moment", () => {
    const [helper] = helpers as [Thread, Thread];
    const shared = helper.join(owner, listener);
    connect(20); // of which it has an event, and takes none
    shared.close();
    until([helper, owner], 20);
    expect(helper.accepted).toBe(0);
    const again = helper.join(owner, listener);
    connect(20);
    helper.path.turn(0); // takes some, and has more to take
    expect(helper.accepted).toBeGreaterThan(0);
    again.close();
    until([helper, owner], 40);
  });

  test("the owner's end is not the helper's: the socket is there as long as anybody has it", () => {
    const [helper] = helpers as [Thread, Thread];
    const shared = helper.join(owner, listener);
    listener.close();
    connect(3);
    until([helper], 3);
    shared.close();
  });

  test("of the helpers that sleep one is woken for a connection, not all of them", async () => {
    const sleepers = await Promise.all([1, 2, 3].map(() => Sleeper.begin(owner, listener)));
    const total = (): number => sleepers.reduce((n, sleeper) => n + sleeper.woken, 0);
    connect(1);
    await eventually(() => total() > 0, { what: "a helper to wake" });
    await Promise.all(sleepers.map((sleeper) => sleeper.answers())); // whoever was woken besides has said so by now
    expect(total()).toBe(1);
    until([owner], 1);
    await Promise.all(sleepers.map((sleeper) => sleeper.end()));
  });

  test("an owner that yields leaves it to a helper, and takes what nobody took", () => {
    const [helper] = helpers as [Thread, Thread];
    helper.join(owner, listener);
    owner.path.mover.yieldAccepts(listener, true);
    for (let i = 0; i < 5; i++) {
      connect(1);
      owner.path.turn(0);
      helper.path.turn(0);
    }
    expect(owner.accepted + helper.accepted).toBe(5);
    expect(helper.accepted).toBeGreaterThan(0); // an owner that is held up for the whole of the moment takes it all the same
    connect(4);
    until([owner], 9);
    owner.path.mover.yieldAccepts(listener, false);
    const before = owner.accepted;
    connect(2);
    owner.path.turn(0);
    expect(owner.accepted).toBe(before + 2);
  });

  test("one that is lent is not accepted from, and a helper's is so after it was taken back", () => {
    const [helper] = helpers as [Thread, Thread];
    const shared = helper.join(owner, listener);
    helper.path.mover.lend(shared);
    owner.path.mover.lend(listener);
    connect(6);
    for (const thread of [owner, helper]) for (let i = 0; i < 5; i++) thread.path.turn(1);
    expect([owner.accepted, helper.accepted]).toEqual([0, 0]);
    helper.path.mover.takeBack(shared);
    until([helper], 6);
    owner.path.mover.takeBack(listener);
    connect(2);
    until([owner], 8);
  });
});

test.skipIf(!existsSync("/proc/self/fd"))("closing the duplicate leaves the owner's descriptor as it was", () => {
  const [owner, helper] = [new Thread(), new Thread()];
  const listener = owner.path.listen({ ...LISTEN, address: { ip: "127.0.0.1", port: 0 } }, owner.take);
  const fd = owner.path.mover.descriptor(listener);
  const shared = helper.join(owner, listener);
  const duplicate = helper.path.mover.descriptor(shared);
  shared.close();
  expect([existsSync(`/proc/self/fd/${duplicate}`), existsSync(`/proc/self/fd/${fd}`)]).toEqual([false, true]);
  for (const { path } of [owner, helper]) path[Symbol.dispose]();
});
