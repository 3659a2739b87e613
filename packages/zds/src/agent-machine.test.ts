import { MeshError, fail, ok } from "@lateen/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ACK_DEADLINE_MS,
  type AgentEffect,
  type AgentInput,
  type AgentState,
  type AgentUpdate,
  MAX_QUEUED_UPDATES,
  agentStart,
  agentStep,
} from "./agent-machine.ts";

type Handle = string;
const info = { name: "p", namespace: "ns", serviceAccount: "sa" };
const add = (uid: string): AgentUpdate<Handle> => ({ t: "add", uid, info, handle: `fd-${uid}` });
const keep = (uid: string): AgentUpdate<Handle> => ({ t: "keep", uid });
const del = (uid: string): AgentUpdate<Handle> => ({ t: "del", uid });
const hello = (...snapshot: AgentUpdate<Handle>[]): AgentInput<Handle> => ({
  t: "hello",
  hello: ok({ version: 1 }),
  snapshot,
  nowMs: 0,
});
const ack = (error = "", nowMs = 0): AgentInput<Handle> => ({
  t: "response",
  response: ok({ t: "ack", error }),
  nowMs,
});
const update = (id: number, u: AgentUpdate<Handle>): AgentInput<Handle> => ({ t: "update", id, update: u, nowMs: 0 });
const tick = (nowMs: number): AgentInput<Handle> => ({ t: "tick", nowMs });
const malformed = fail(new MeshError("BAD_INPUT", "malformed"));

function short(e: AgentEffect<Handle>): string {
  switch (e.t) {
    case "send":
      return `send ${e.request.t}${"uid" in e.request ? ` ${e.request.uid}` : ""}${e.handle === null ? "" : ` with ${e.handle}`}`;
    case "release":
      return `release ${e.handle}`;
    case "outcome":
      return `${e.id} ${e.result}`;
    case "acknowledged":
    case "refused":
      return `${e.t} ${e.uid}`;
    default:
      return e.t;
  }
}
function run(...inputs: readonly AgentInput<Handle>[]): { state: AgentState<Handle>; effects: string[][] } {
  let state = agentStart<Handle>(0);
  const effects = inputs.map((i) => {
    const [next, out] = agentStep(state, i);
    state = next;
    return out.map(short);
  });
  return { state, effects };
}
const live = [hello(), ack()] as const;

describe("the agent's table", () => {
  const rows: readonly [string, readonly AgentInput<Handle>[], string[]][] = [
    ["hello, nothing known: the snapshot's end", [hello()], ["send snapshotSent"]],
    ["hello: the first pod, with its descriptor", [hello(add("a"), keep("b"))], ["send add a with fd-a"]],
    ["its ack: the next", [hello(add("a"), keep("b")), ack()], ["release fd-a", "acknowledged a", "send keep b"]],
    ["then the end", [hello(add("a"), keep("b")), ack(), ack()], ["send snapshotSent"]],
    ["then it is live", [hello(add("a"), keep("b")), ack(), ack(), ack()], ["live"]],
    [
      "a refusal in the snapshot does not stop it",
      [hello(add("a")), ack("busy")],
      ["release fd-a", "refused a", "send snapshotSent"],
    ],
    ["an update while live goes out at once", [...live, update(1, add("a"))], ["send add a with fd-a"]],
    ["and has its outcome", [...live, update(1, add("a")), ack()], ["release fd-a", "1 done"]],
    ["or its refusal", [...live, update(1, add("a")), ack("busy")], ["release fd-a", "1 refused"]],
    ["the next waits for the ack", [...live, update(1, add("a")), update(2, del("b"))], []],
    [
      "and follows it",
      [...live, update(1, add("a")), update(2, del("b")), ack()],
      ["release fd-a", "1 done", "send del b"],
    ],
    [
      "an update in the snapshot waits for its end",
      [hello(add("a")), update(1, del("a")), ack(), ack()],
      ["live", "send del a"],
    ],
    ["an update before the hello waits too", [update(1, del("a")), hello(), ack()], ["live", "send del a"]],
    [
      "no ack in time: dropped, outcomes are lost",
      [...live, update(1, add("a")), update(2, add("b")), tick(ACK_DEADLINE_MS)],
      ["drop", "release fd-a", "release fd-b", "1 lost", "2 lost"],
    ],
    ["just in time is in time", [...live, update(1, add("a")), tick(ACK_DEADLINE_MS - 1)], []],
    ["idle has no deadline", [...live, tick(1e9)], []],
    ["no hello in time", [tick(ACK_DEADLINE_MS)], ["drop"]],
    ["a malformed hello", [{ t: "hello", hello: malformed, snapshot: [add("a")], nowMs: 0 }], ["drop", "release fd-a"]],
    ["a second hello", [...live, hello(add("a"))], ["drop", "release fd-a"]],
    ["data without a request", [...live, ack()], ["drop"]],
    [
      "a malformed ack",
      [...live, update(1, add("a")), { t: "response", response: malformed, nowMs: 0 }],
      ["drop", "release fd-a", "1 lost"],
    ],
    ["a truncated datagram", [...live, { t: "unexpected", why: "x" }], ["drop"]],
    ["an ack before the hello", [ack()], ["drop"]],
    [
      "the end of the connection in the snapshot",
      [hello(add("a"), add("b")), { t: "closed", why: "x" }],
      ["release fd-a", "release fd-b"],
    ],
    ["an update after the end", [{ t: "closed", why: "x" }, update(1, add("a"))], ["release fd-a", "1 lost"]],
    ["an ack after the end", [{ t: "closed", why: "x" }, ack()], []],
  ];
  test.each(rows)("%s", (_, inputs, want) => expect(run(...inputs).effects.at(-1)).toEqual(want));

  test("each ack has its own deadline", () => {
    const { state } = run(hello(add("a")), ack("", 4_000));
    expect(state.deadlineMs).toBe(4_000 + ACK_DEADLINE_MS);
  });

  test("the queue is bounded: what does not fit is told at once, what is in it stays", () => {
    const many = Array.from({ length: MAX_QUEUED_UPDATES }, (_, i) => update(i + 1, del(`p${i}`)));
    const { state, effects } = run(...live, update(0, add("x")), ...many, update(999, add("y")));
    expect(effects.at(-1)).toEqual(["release fd-y", "999 lost"]);
    expect(state.queue.length).toBe(MAX_QUEUED_UPDATES);
  });
});

test("one message is out at a time, every handle is released once and every update has one outcome", () => {
  const input = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("add", "del") },
    { weight: 5, arbitrary: fc.constantFrom("ack", "nack") },
    { weight: 1, arbitrary: fc.constantFrom("hello", "late", "closed", "bad") },
  );
  fc.assert(
    fc.property(fc.array(input, { maxLength: 80 }), fc.boolean(), (script, greets) => {
      let state = agentStart<Handle>(0);
      let unanswered = 0;
      let made = 0;
      let nowMs = 0;
      const held = new Set<Handle>();
      const open = new Set<number>();
      const handle = (): AgentUpdate<Handle> => {
        const h = `h${made++}`;
        held.add(h);
        return { t: "add", uid: h, info, handle: h };
      };
      const feed = (i: AgentInput<Handle>): void => {
        const [next, effects] = agentStep(state, i);
        state = next;
        for (const e of effects) {
          if (e.t === "send") expect(++unanswered).toBe(1);
          if (e.t === "release") expect(held.delete(e.handle)).toBe(true);
          if (e.t === "outcome") expect(open.delete(e.id)).toBe(true);
        }
      };
      const greet = (): void => feed({ t: "hello", hello: ok({ version: 1 }), snapshot: [handle(), keep("k")], nowMs });
      if (greets) greet();
      for (const what of script) {
        nowMs += 10;
        if (what === "add" || what === "del") {
          const id = made++;
          open.add(id);
          feed({ t: "update", id, update: what === "add" ? handle() : del("x"), nowMs });
        } else if (what === "ack" || what === "nack") {
          unanswered = Math.max(0, unanswered - 1);
          feed(ack(what === "ack" ? "" : "no", nowMs));
        } else if (what === "hello") greet();
        else if (what === "late") feed(tick((nowMs += ACK_DEADLINE_MS)));
        else if (what === "bad") feed({ t: "unexpected", why: "bad" });
        else feed({ t: "closed", why: "closed" });
      }
      feed({ t: "closed", why: "end" });
      expect([held.size, open.size]).toEqual([0, 0]);
    }),
    { numRuns: 300 },
  );
});
