import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ProxiedPod,
  type ProxyEffect,
  type ProxyInput,
  type ProxyState,
  isProxyReady,
  proxyStart,
  proxyStep,
} from "./proxy-machine.ts";

const info = { name: "p", namespace: "ns", serviceAccount: "sa" };
/** Descriptor n of namespace `id`. */
const add = (uid: string, fd: number, id = `net-${uid}`): ProxyInput => ({
  t: "message",
  request: { t: "add", uid, info },
  fds: [{ fd, id }],
});
const keep = (uid: string): ProxyInput => ({ t: "message", request: { t: "keep", uid }, fds: [] });
const del = (uid: string): ProxyInput => ({ t: "message", request: { t: "del", uid }, fds: [] });
const snapshotSent: ProxyInput = { t: "message", request: { t: "snapshotSent" }, fds: [] };
const pod = (uid: string, fd: number, id = `net-${uid}`): ProxiedPod => ({ uid, info, netns: { fd, id } });
const started = (uid: string, fd: number, error: string | null = null, id = `net-${uid}`): ProxyInput => ({
  t: "started",
  pod: pod(uid, fd, id),
  error,
});

/** Effects in short: `start a#3` is the start of pod a with descriptor 3. */
function short(e: ProxyEffect): string {
  switch (e.t) {
    case "start":
    case "stop":
      return `${e.t} ${e.pod.uid}#${e.pod.netns.fd}`;
    case "discard":
      return `discard ${e.fds.join(",")}`;
    case "ack":
      return e.error === "" ? "ack" : "nack";
    default:
      return e.t;
  }
}

function run(...inputs: readonly ProxyInput[]): { state: ProxyState; effects: string[][] } {
  let state = proxyStart;
  const effects = inputs.map((input) => {
    const [next, out] = proxyStep(state, input);
    state = next;
    return out.map(short);
  });
  return { state, effects };
}
const last = (...inputs: readonly ProxyInput[]): string[] => run(...inputs).effects.at(-1)!;
const connected: ProxyInput = { t: "connected" };
const disconnected: ProxyInput = { t: "disconnected" };
const tick: ProxyInput = { t: "tick" };
const synced = [connected, snapshotSent] as const;
const withA = [connected, add("a", 3), started("a", 3), snapshotSent] as const;

describe("the proxy's table", () => {
  const rows: readonly [string, readonly ProxyInput[], string[]][] = [
    ["a connection begins with hello", [connected], ["hello"]],
    ["add starts, without ack yet", [connected, add("a", 3)], ["start a#3"]],
    ["the ack comes when it runs", [connected, add("a", 3), started("a", 3)], ["ack"]],
    ["add after the snapshot starts too", [...synced, add("a", 3)], ["start a#3"]],
    ["add of what runs in the same namespace changes nothing", [...withA, add("a", 4)], ["discard 4", "ack"]],
    ["add with another namespace stops the old at once", [...withA, add("a", 4, "new")], ["stop a#3", "start a#4"]],
    ["a start that fails is a nack", [...synced, add("a", 3), started("a", 3, "ports busy")], ["nack"]],
    ["and is tried again at the tick", [...synced, add("a", 3), started("a", 3, "busy"), tick], ["start a#3"]],
    ["a retry is not acknowledged", [...synced, add("a", 3), started("a", 3, "busy"), tick, started("a", 3)], []],
    [
      "an add of a pending pod replaces it",
      [...synced, add("a", 3), started("a", 3, "busy"), add("a", 4)],
      ["discard 3", "start a#4"],
    ],
    [
      "del of a pending pod forgets it",
      [...synced, add("a", 3), started("a", 3, "busy"), del("a")],
      ["discard 3", "ack"],
    ],
    [
      "del while a retry runs: it is stopped when it comes up",
      [...synced, add("a", 3), started("a", 3, "busy"), tick, del("a"), started("a", 3)],
      ["stop a#3"],
    ],
    [
      "del while a retry runs, which fails: its descriptor goes",
      [...synced, add("a", 3), started("a", 3, "busy"), tick, del("a"), started("a", 3, "busy")],
      ["discard 3"],
    ],
    ["del stops at once", [...withA, del("a")], ["stop a#3", "ack"]],
    ["del of an unknown pod is fine", [...synced, del("x")], ["ack"]],
    ["del before the snapshot only un-names", [connected, add("a", 3), started("a", 3), del("a")], ["ack"]],
    [
      "and the end of the snapshot stops it",
      [connected, add("a", 3), started("a", 3), del("a"), snapshotSent],
      ["stop a#3", "ack"],
    ],
    ["running proxies survive a reconnect", [...withA, disconnected, connected], ["hello"]],
    ["keep saves one from the snapshot's end", [...withA, disconnected, connected, keep("a"), snapshotSent], ["ack"]],
    [
      "what the snapshot does not name is stopped",
      [...withA, disconnected, connected, snapshotSent],
      ["stop a#3", "ack"],
    ],
    ["keep of an unknown pod is fine", [connected, keep("x")], ["ack"]],
    [
      "pending pods are forgotten at a reconnect",
      [...synced, add("a", 3), started("a", 3, "busy"), disconnected, connected],
      ["discard 3", "hello"],
    ],
    [
      "a start that ends after the connection is not acknowledged on the next",
      [connected, add("a", 3), disconnected, connected, started("a", 3)],
      [],
    ],
    [
      "and an add of the same pod meanwhile waits for it",
      [connected, add("a", 3), disconnected, connected, add("a", 4)],
      ["discard 4"],
    ],
    [
      "and is acknowledged by it",
      [connected, add("a", 3), disconnected, connected, add("a", 4), started("a", 3)],
      ["ack"],
    ],
    [
      "started when the new snapshot did not name it: stopped",
      [connected, add("a", 3), disconnected, connected, snapshotSent, started("a", 3)],
      ["stop a#3"],
    ],
    [
      "a failed start that the new snapshot does not name goes at its end",
      [connected, add("a", 3), disconnected, connected, started("a", 3, "busy"), snapshotSent],
      ["discard 3", "ack"],
    ],
    [
      "truncated or malformed: nack and reconnect",
      [...synced, { t: "undecodable", why: "x", fds: [{ fd: 9, id: "n" }] }],
      ["discard 9", "nack", "drop"],
    ],
    ["add without descriptor", [...synced, { ...add("a", 3), fds: [] } as ProxyInput], ["nack", "drop"]],
    [
      "add with two",
      [
        ...synced,
        {
          ...add("a", 3),
          fds: [
            { fd: 3, id: "x" },
            { fd: 4, id: "y" },
          ],
        } as ProxyInput,
      ],
      ["discard 3,4", "nack", "drop"],
    ],
    [
      "del with one",
      [...synced, { ...del("a"), fds: [{ fd: 3, id: "x" }] } as ProxyInput],
      ["discard 3", "nack", "drop"],
    ],
    ["a message before the last ack", [...synced, add("a", 3), del("a")], ["nack", "drop"]],
    ["keep after the snapshot is fatal", [...synced, keep("a")], ["nack", "fatal"]],
    ["a second snapshot is fatal", [...synced, snapshotSent], ["nack", "fatal"]],
    [
      "add without info is fatal",
      [...synced, { t: "message", request: { t: "add", uid: "a", info: null }, fds: [{ fd: 3, id: "x" }] }],
      ["discard 3", "nack", "fatal"],
    ],
    ["after the end nothing happens but closing", [...synced, keep("a"), add("b", 5)], ["discard 5"]],
    ["a message without connection is closed", [add("b", 5)], ["discard 5"]],
  ];
  test.each(rows)("%s", (_, inputs, want) => expect(last(...inputs)).toEqual(want));
});

test.each([
  ["not before it is connected", [], false],
  ["not before the snapshot", [connected], false],
  ["after an empty snapshot", [...synced], true],
  ["with a pod", [...withA], true],
  ["while a new pod starts", [...withA, add("b", 4)], true],
  ["not with a pending pod", [...synced, add("a", 3), started("a", 3, "busy")], false],
  ["not while it is tried again", [...synced, add("a", 3), started("a", 3, "busy"), tick], false],
  ["when it came up at last", [...synced, add("a", 3), started("a", 3, "busy"), tick, started("a", 3)], true],
  ["not while disconnected", [...withA, disconnected], false],
  ["not after a protocol error", [...synced, keep("a")], false],
] as const)("ready: %s", (_, inputs, want) => expect(isProxyReady(run(...inputs).state)).toBe(want));

describe("whatever comes in whatever order", () => {
  /** Scripts with fresh descriptors; starts end later, in any order, well or badly. */
  const action = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        t: fc.constant("add"),
        uid: fc.constantFrom("a", "b", "c"),
        id: fc.constantFrom("n1", "n2"),
        fds: fc.constantFrom(1, 1, 1, 0, 2),
      }),
    },
    { weight: 2, arbitrary: fc.record({ t: fc.constantFrom("del", "keep"), uid: fc.constantFrom("a", "b", "c") }) },
    { weight: 3, arbitrary: fc.record({ t: fc.constant("settle"), which: fc.nat(5), ok: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ t: fc.constantFrom("connected", "disconnected", "snapshot", "tick") }) },
  ) as fc.Arbitrary<{ t: string; uid?: string; id?: string; fds?: number; which?: number; ok?: boolean }>;

  test("every descriptor is closed exactly once or held by exactly one pod, and each pod runs at most once", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (script) => {
        let state = proxyStart;
        let nextFd = 10;
        const open = new Set<number>();
        const inFlight: ProxiedPod[] = [];
        const close = (fd: number): void => void expect(open.delete(fd)).toBe(true);
        const feed = (input: ProxyInput): void => {
          const [next, effects] = proxyStep(state, input);
          state = next;
          for (const e of effects) {
            if (e.t === "discard") e.fds.forEach(close);
            if (e.t === "stop") close(e.pod.netns.fd);
            if (e.t === "start") inFlight.push(e.pod);
          }
        };
        for (const a of script) {
          if (a.t === "settle") {
            const [pod] = inFlight.splice((a.which ?? 0) % Math.max(1, inFlight.length), 1);
            if (pod !== undefined) feed({ t: "started", pod, error: a.ok === true ? null : "no" });
          } else if (a.t === "add") {
            const fds = Array.from({ length: a.fds ?? 1 }, () => ({ fd: nextFd++, id: a.id! }));
            fds.forEach(({ fd }) => open.add(fd));
            feed({ t: "message", request: { t: "add", uid: a.uid!, info }, fds });
          } else if (a.t === "del" || a.t === "keep") feed({ t: "message", request: { t: a.t, uid: a.uid! }, fds: [] });
          else if (a.t === "snapshot") feed(snapshotSent);
          else feed({ t: a.t as "connected" | "disconnected" | "tick" });
        }
        const held = [...state.running.values(), ...state.pending.values(), ...inFlight].map((p) => p.netns.fd);
        expect(held.toSorted()).toEqual([...open].toSorted());
        expect([...state.running.keys()].filter((uid) => state.pending.has(uid))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
