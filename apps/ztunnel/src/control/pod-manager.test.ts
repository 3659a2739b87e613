import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { createBackoff } from "@lateen/lifecycle";
import { type Incoming, type SeqpacketSocket, netnsId, seqpacketPair } from "@lateen/linux";
import { type WorkloadRequest, decodeHello, decodeWorkloadResponse, encodeWorkloadRequest } from "@lateen/zds";
import { createLogging } from "@lateen/telemetry";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PodManager } from "./pod-manager.ts";

const info = { name: "p", namespace: "ns", serviceAccount: "sa" };
const add = (uid: string): WorkloadRequest => ({ t: "add", uid, info });
const DEADLINE_MS = 10_000;

/** Descriptors of network namespaces that this process holds. */
function namespacesOpen(): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // it was the listing's own
    }
  });
  return links.filter((link) => link.startsWith("net:[")).length;
}

/** The agent's end of a real socket, and a proxy whose pods are only written down. */
class Rig {
  readonly events: string[] = [];
  readonly manager: PodManager;
  connections = 0;
  /** What the data threads say to a start. */
  startError: string | null = null;
  /** Whether starts are left without an answer. */
  silent = false;
  #agent: SeqpacketSocket | null = null;
  readonly #agents: SeqpacketSocket[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const logging = createLogging({ write: () => {}, nowMicros: () => 0, format: "text", levels: new Map() });
    this.manager = new PodManager(
      {
        connect: () => Promise.resolve(this.#connect()),
        netnsId,
        closeFd: closeSync,
        start: ({ uid }) => {
          this.events.push(`start ${uid}`);
          return this.silent ? new Promise(() => {}) : Promise.resolve(this.startError);
        },
        stop: ({ uid }) => {
          this.events.push(`stop ${uid}`);
          return Promise.resolve();
        },
        fatal: (why) => void this.events.push(`fatal ${why}`),
        log: logging.logger("inpod"),
      },
      () => {},
    );
    const backoff = createBackoff({ baseMs: 1, maxMs: 5, factor: 2, jitter: 0, random: () => 0 });
    this.#running = this.manager.run(this.#stop.signal, backoff);
  }

  #connect(): SeqpacketSocket {
    const [proxy, agent] = seqpacketPair();
    this.#agents.push(agent); // earlier ones stay open: an answer may still lie there
    this.#agent = agent;
    this.connections += 1;
    return proxy;
  }

  get agent(): SeqpacketSocket {
    if (this.#agent === null) throw new Error("not connected");
    return this.#agent;
  }

  receive(): Promise<Incoming> {
    return this.agent.receive(2048, AbortSignal.timeout(DEADLINE_MS));
  }

  /** @returns the error of the ack */
  async answer(): Promise<string> {
    const got = await this.receive();
    if (got.t !== "message") throw new Error(`no answer: ${got.t}`);
    const response = decodeWorkloadResponse(got.bytes);
    if (!response.ok) throw response.error;
    return response.value.error;
  }

  async hello(): Promise<void> {
    await eventually(() => this.#agent !== null);
    const got = await this.receive();
    expect(got.t === "message" && decodeHello(got.bytes)).toEqual({ ok: true, value: { version: 1 } });
  }

  /** Sends a message with that many descriptors of namespaces. */
  async send(message: WorkloadRequest | Uint8Array, namespaces = 0, path = "/proc/self/ns/net"): Promise<void> {
    const fds = Array.from({ length: namespaces }, () => openSync(path, "r"));
    const bytes = message instanceof Uint8Array ? message : encodeWorkloadRequest(message);
    await this.agent.send(bytes, fds, AbortSignal.timeout(DEADLINE_MS));
    fds.forEach((fd) => closeSync(fd));
  }

  async ask(message: WorkloadRequest | Uint8Array, namespaces = 0): Promise<string> {
    await this.send(message, namespaces);
    return this.answer();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const agent of this.#agents) agent[Symbol.dispose]();
  }
}

let rig: Rig;
let before = 0;
beforeEach(async () => {
  before = namespacesOpen();
  rig = new Rig();
  await rig.hello();
});
afterEach(() => rig.end());

describe("the dialogue", () => {
  test("snapshot, additions and deletions, each acknowledged; descriptors live as long as their pods", async () => {
    expect(await rig.ask(add("a"), 1)).toBe("");
    expect(await rig.ask({ t: "keep", uid: "elsewhere" })).toBe("");
    expect(rig.manager.ready).toBe(false);
    expect(await rig.ask({ t: "snapshotSent" })).toBe("");
    expect(rig.manager.ready).toBe(true);
    expect(namespacesOpen()).toBe(before + 1);
    expect(await rig.ask(add("a"), 1)).toBe(""); // the same namespace again
    expect(namespacesOpen()).toBe(before + 1);
    expect(await rig.ask({ t: "del", uid: "a" })).toBe("");
    await eventually(() => namespacesOpen() === before);
    expect(rig.events).toEqual(["start a", "stop a"]);
  });

  test("pods live on while the agent is away, and are matched to the next snapshot", async () => {
    await rig.ask(add("a"), 1);
    await rig.ask({ t: "snapshotSent" });
    const first = rig.agent;
    first[Symbol.dispose]();
    await eventually(() => rig.connections === 2);
    await rig.hello();
    expect(rig.manager.ready).toBe(false);
    expect(await rig.ask(add("a"), 1)).toBe("");
    expect(await rig.ask({ t: "snapshotSent" })).toBe("");
    expect(rig.events).toEqual(["start a"]);
    expect(namespacesOpen()).toBe(before + 1);
  });

  test("a pod that cannot start is refused and not forgotten", async () => {
    rig.startError = "port 15008 is in use";
    expect(await rig.ask(add("a"), 1)).toBe("port 15008 is in use");
    await rig.ask({ t: "snapshotSent" });
    expect(rig.manager.ready).toBe(false);
    expect(namespacesOpen()).toBe(before + 1);
    expect(await rig.ask({ t: "del", uid: "a" })).toBe("");
    await eventually(() => namespacesOpen() === before);
  });
});

describe("what an agent must not say", () => {
  const faults: readonly (readonly [string, WorkloadRequest | Uint8Array, namespaces: number, why: RegExp])[] = [
    ["an addition without its namespace", add("a"), 0, /0 descriptors, not 1/],
    ["an addition with two", add("a"), 2, /2 descriptors, not 1/],
    ["a deletion with one", { t: "del", uid: "a" }, 1, /1 descriptors, not 0/],
    ["more bytes than anybody reads", new Uint8Array(1025).fill(8), 1, /truncated/],
    ["more descriptors than anybody takes", add("a"), 9, /descriptors/],
    ["bytes that are no message", Uint8Array.of(0xff, 0xff), 1, /Cannot decode/],
    ["half a message", encodeWorkloadRequest(add("a")).subarray(0, 9), 1, /Cannot decode/],
    ["a message of nothing but unknown fields", Uint8Array.of(0x78, 1), 1, /no payload/],
  ];
  test.each(faults)("%s: refused, nothing stays open, and a new connection", async (_, message, namespaces, why) => {
    const agent = rig.agent;
    expect(await rig.ask(message, namespaces)).toMatch(why);
    await eventually(() => rig.connections === 2);
    agent[Symbol.dispose]();
    await rig.hello();
    expect(namespacesOpen()).toBe(before);
    expect(rig.events).toEqual([]);
    expect(await rig.ask(add("b"), 1)).toBe("");
  });

  test("a message before the last answer: refused, and the pod that starts is kept for the next snapshot", async () => {
    rig.silent = true;
    await rig.send(add("a"), 1);
    expect(await rig.ask({ t: "del", uid: "b" })).toMatch(/before the last ack/);
    await eventually(() => rig.connections === 2);
    await rig.hello();
    expect(rig.events).toEqual(["start a"]);
    expect(namespacesOpen()).toBe(before + 1);
  });

  test.each([
    ["keep after the snapshot", { t: "keep", uid: "a" }, 0],
    ["a second snapshot", { t: "snapshotSent" }, 0],
    ["an addition that does not say who the pod is", { t: "add", uid: "a", info: null }, 1],
  ] as const)("%s ends the proxy", async (_, message, namespaces) => {
    await rig.ask({ t: "snapshotSent" });
    expect(await rig.ask(message, namespaces)).not.toBe("");
    expect(rig.events).toHaveLength(1);
    expect(rig.events[0]).toMatch(/^fatal /);
    expect(namespacesOpen()).toBe(before);
  });
});

test("a descriptor that is not a namespace is the data thread's to refuse; it is closed with its pod", async () => {
  rig.startError = "Cannot enter the namespace: EINVAL";
  const open = (): number => readdirSync("/proc/self/fd").length;
  const count = open();
  await rig.send(add("a"), 1, "/dev/null");
  expect(await rig.answer()).toContain("EINVAL");
  expect(open()).toBe(count + 1);
  await rig.ask({ t: "del", uid: "a" });
  await eventually(() => open() === count);
});
