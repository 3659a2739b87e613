import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Item, World } from "./handover-world.suite.ts";
import { ANSWER_MS, type Offer, giverStart, giverStep } from "./giver.ts";
import {
  MAX_OFFER_FDS,
  MAX_PIECE_BYTES,
  MAX_PIECE_FDS,
  MAX_STATE_BYTES,
  agreeOn,
  decodeGiverMessage,
  decodeTakerMessage,
  encodeGiverMessage,
  encodeTakerMessage,
} from "./messages.ts";
import { WELCOME_MS, takerStart, takerStep } from "./taker.ts";

let nextFd = 3;
const item = (key: string, kind: Item["kind"], bytes: number, fds: number): Item => ({
  key,
  kind,
  state: new Uint8Array(bytes).fill(key.length),
  fds: Array.from({ length: fds }, () => nextFd++),
});
const some = (connections: number, bytes = 100): readonly Item[] => [
  item("pod-a", "listeners", 50, 3),
  item("pod-b", "listeners", 50, 3),
  ...Array.from({ length: connections }, (_, i) => item(`c${i}`, "connections", bytes, 1 + (i % 3))),
];
const keysOf = (w: World, kind: Item["kind"]): string[] =>
  [...w.items.values()].filter((i) => i.kind === kind).map((i) => i.key);

/** Who drives a connection now. */
const drivers = (w: World, key: string): string =>
  (w.giver.alive && w.giver.driven.has(key) ? "giver" : "") + (w.taker.alive && w.taker.driven.has(key) ? "taker" : "");

describe("a hand-over that goes well", () => {
  test.each([1, 3, 64])("moves everything, %i at a time", (window) => {
    const w = new World(some(20), { window });
    w.settle();
    expect([w.giver.over, w.taker.over]).toMatchObject([{ outcome: "done" }, { outcome: "done" }]);
    expect([...w.taker.driven.keys()].sort()).toEqual([...w.items.keys()].sort());
    for (const [key, moved] of w.taker.driven) expect(moved).toEqual(w.items.get(key));
    expect([w.giver.driven.size, w.giver.frozen.size, w.taker.ended]).toEqual([0, 0, 0]);
  });

  test("splits what does not fit into one message", () => {
    const large = item("large", "connections", 3 * MAX_PIECE_BYTES + 7, 2 * MAX_PIECE_FDS + 1);
    for (let i = 0; i < large.state.length; i++) large.state[i] = (i * 31) ^ (i >> 8);
    const w = new World([large, item("wide", "connections", 5, MAX_OFFER_FDS)], { window: 4 });
    w.settle();
    expect(w.taker.driven.get("large")).toEqual(large);
    expect(w.taker.driven.get("wide")).toEqual(w.items.get("wide"));
  });

  test("does not depend on the memory that a message was received in", () => {
    const large = item("large", "connections", 2 * MAX_PIECE_BYTES, 0);
    for (let i = 0; i < large.state.length; i++) large.state[i] = i >> 7;
    const w = new World([large], { window: 1, memory: "one block for all messages" });
    w.settle();
    expect(w.taker.driven.get("large")).toEqual(large);
  });

  test("keeps what is too large, and moves the rest", () => {
    const w = new World(
      [
        item("huge", "connections", MAX_STATE_BYTES + 1, 1),
        item("fan", "connections", 1, MAX_OFFER_FDS + 1),
        ...some(2),
      ],
      { window: 1 },
    );
    w.settle();
    expect(w.giver.over?.outcome).toBe("done");
    expect([...w.giver.driven].sort()).toEqual(["fan", "huge"]);
    expect(w.taker.ended).toBe(2);
  });

  test("leaves what the successor declines", () => {
    const w = new World(some(3), { window: 1 });
    while (!w.decide("no such pod")) w.settleOnce();
    w.settle();
    expect(w.giver.over?.outcome).toBe("done");
    expect(keysOf(w, "listeners").filter((key) => drivers(w, key) === "giver")).toEqual(["pod-a"]);
  });
});

describe("versions", () => {
  test.each([
    [{ newest: 3, oldest: 2 }, { newest: 3, oldest: 2 }, 3],
    [{ newest: 3, oldest: 2 }, { newest: 4, oldest: 3 }, 3],
    [{ newest: 4, oldest: 3 }, { newest: 3, oldest: 2 }, 3],
    [{ newest: 3, oldest: 2 }, { newest: 5, oldest: 4 }, null],
    [{ newest: 1, oldest: 1 }, { newest: 2, oldest: 1 }, 1],
  ])("%j and %j agree on %j", (giver, taker, version) => {
    expect(agreeOn(giver, taker)).toBe(version);
    const w = new World(some(2), { window: 2, giver, taker });
    w.settle();
    if (version === null) {
      expect(w.taker.over).toMatchObject({
        outcome: "refused",
        why: expect.stringContaining("formats 2 to 3") as string,
      });
      expect(w.giver.over?.outcome).toBe("refused");
      expect([...w.giver.driven].sort()).toEqual([...w.items.keys()].sort());
    } else expect([w.taker.version, w.taker.driven.size]).toEqual([version, 4]);
  });

  test("a program of another role gets nothing", () => {
    const state = giverStart({ versions: { newest: 1, oldest: 1 }, role: "ztunnel", nowMs: 0 });
    const hello = { t: "hello", versions: { newest: 1, oldest: 1 }, role: "waypoint", program: "" } as const;
    const [after, effects] = giverStep(state, { t: "message", bytes: encodeTakerMessage(hello), nowMs: 0 });
    expect([after.phase, effects.map((e) => e.t)]).toEqual(["over", ["send", "over"]]);
  });
});

type Op = "giver" | "taker" | "supply" | "take" | "decline" | "ask" | "tick" | "wait" | "crash giver" | "crash taker";

function perform(w: World, op: Op): void {
  if (op === "giver") w.deliverToGiver();
  else if (op === "taker") w.deliverToTaker();
  else if (op === "supply") w.supply();
  else if (op === "take" || op === "decline") w.decide(op === "take" ? null : "not now");
  else if (op === "ask") w.ask();
  else if (op === "tick" || op === "wait") w.tick(op === "tick" ? 100 : ANSWER_MS + 1);
  else w.crash(op === "crash giver" ? "giver" : "taker");
}

/** What must hold at every moment: nobody's bytes are driven by two. */
function checkNow(w: World): void {
  for (const key of keysOf(w, "connections")) expect(["", "giver", "taker"]).toContain(drivers(w, key));
}

/** What must hold in the end: whatever is not driven, the process that alone held it died with it. */
function checkEnd(w: World): void {
  for (const key of keysOf(w, "connections")) {
    const heldByTaker = w.taker.driven.has(key) || (w.giver.given.has(key) && !w.taker.alive);
    const died = heldByTaker ? !w.taker.alive : !w.giver.alive;
    expect([key, drivers(w, key)]).toEqual([key, died ? "" : heldByTaker ? "taker" : "giver"]);
  }
  if (w.giver.alive && w.giver.over?.outcome === "lost")
    expect(keysOf(w, "listeners").map((key) => w.giver.driven.has(key))).toEqual([true, true]);
  const held = [...w.taker.driven.values()].flatMap((i) => i.fds);
  if (w.taker.alive) expect([...w.taker.fds].sort()).toEqual(held.sort());
}

describe("faults", () => {
  const usual: readonly Op[] = ["giver", "giver", "taker", "taker", "supply", "take", "take", "ask", "decline", "tick"];

  test("in any order, nothing is driven twice, and only the dead take anything with them", () =>
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...usual), { maxLength: 120 }),
        fc.constantFrom<Op[]>("crash giver", "crash taker", "wait"),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(250_000),
        (ops, fault, window, bytes) => {
          const w = new World(some(6, bytes), { window });
          for (const op of ops) {
            perform(w, op);
            checkNow(w);
          }
          perform(w, fault);
          checkNow(w);
          w.settle();
          checkNow(w);
          w.tick(ANSWER_MS + 1);
          w.settle();
          checkEnd(w);
        },
      ),
      { numRuns: 1500 },
    ));

  test.each(["crash giver", "crash taker", "wait"] as const)("%s after each step of a whole hand-over", (fault) => {
    const seen = new Set<string>();
    for (let steps = 0; steps < 400; steps++) {
      const w = new World(some(4), { window: 2 });
      let done = false;
      for (let i = 0; i < steps && !done; i++) done = !w.settleOnce();
      perform(w, fault);
      w.settle();
      w.tick(ANSWER_MS + 1);
      w.settle();
      checkNow(w);
      checkEnd(w);
      seen.add(`${w.giver.over?.outcome} ${w.taker.driven.size > 0}`);
      if (done) break;
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("a successor that stops in the middle gets nothing more, and what it had taken stays its own", () => {
    const w = new World(some(4), { window: 4 });
    while (w.taker.prepared.size < 4) {
      w.deliverToGiver();
      w.deliverToTaker();
      w.supply();
      w.ask();
      if (w.taker.state.phase !== "moving") w.decide(null);
    }
    w.decide(null); // sent, and not yet read by the predecessor
    w.tick(ANSWER_MS + 1);
    expect(w.giver.shut).toBe(true);
    w.decide(null); // too late: this one cannot be sent any more
    w.settle();
    expect(keysOf(w, "connections").map((key) => drivers(w, key))).toEqual(["taker", "giver", "giver", "giver"]);
    expect(w.giver.over).toMatchObject({ outcome: "lost", why: "the successor is gone" });
  });

  test("a predecessor that never answers is given up", () => {
    const [state] = takerStart({ versions: { newest: 1, oldest: 1 }, role: "ztunnel", program: "", nowMs: 0 });
    expect(takerStep(state, { t: "tick", nowMs: WELCOME_MS })[1]).toEqual([]);
    expect(takerStep(state, { t: "tick", nowMs: WELCOME_MS + 1 })[1]).toMatchObject([{ t: "over", outcome: "lost" }]);
  });
});

describe("hostile words", () => {
  const anyMessage = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .record({
        t: fc.constantFrom("hello", "list", "move", "took", "declined", "bye", "welcome", "piece", "listed", "end"),
        id: fc.nat(9),
        window: fc.nat(70),
        version: fc.nat(3),
        kind: fc.constantFrom("listeners", "connections"),
        name: fc.string(),
        why: fc.string(),
        bytes: fc.nat(20),
        fds: fc.nat(3),
        left: fc.nat(),
        part: fc.uint8Array({ maxLength: 20 }),
      })
      .map((m) => encodeGiverMessage(m as never)),
  );

  test("end a hand-over in order on either side, at any moment", () =>
    fc.assert(
      fc.property(fc.nat(60), fc.constantFrom("giver" as const, "taker" as const), anyMessage, (at, to, bytes) => {
        const w = new World(some(4), { window: 2 });
        for (let i = 0; i < at; i++) w.settleOnce();
        w.inject(to, bytes);
        w.settle();
        w.tick(ANSWER_MS + 1);
        w.settle();
        expect(w.giver.frozen.size).toBe(0);
        const held = [...w.taker.driven.values()].flatMap((i) => i.fds);
        expect(w.taker.fds.size).toBe(held.length);
      }),
      { numRuns: 800 },
    ));

  test.each<[string, readonly Parameters<typeof encodeGiverMessage>[0][], string]>([
    ["nothing was asked for", [piece({})], "were not asked for"],
    ["two offers at once", [piece({ bytes: 4 }), piece({ id: 2 })], "mixed up"],
    ["longer than it says", [piece({ bytes: 1 })], "longer than it says"],
    ["a word inside an offer", [piece({ bytes: 4 }), { t: "end", left: 0 }], "not complete"],
    ["an offer for ever", [piece({ bytes: 9 }), piece({ bytes: 9, part: new Uint8Array(0) })], "empty piece"],
    ["the same offer again", [piece({}), piece({})], "comes twice"],
    ["more than the window", [piece({}), piece({ id: 2 }), piece({ id: 3 })], "more is offered"],
  ])("a predecessor's: %s", (name, messages, why) => {
    const [start] = takerStart({ versions: { newest: 1, oldest: 1 }, role: "ztunnel", program: "", nowMs: 0 });
    const say = (s: typeof start, m: (typeof messages)[number]) =>
      takerStep(s, { t: "message", bytes: encodeGiverMessage(m), fds: [] });
    let [state] = say(start, { t: "welcome", version: 1 });
    [state] = say(takerStep(state, { t: "list" })[0], { t: "listed" });
    if (name !== "nothing was asked for") [state] = takerStep(state, { t: "move", window: 2 });
    const effects = messages.flatMap((m) => {
      const [next, out] = say(state, m);
      state = next;
      return out;
    });
    const end = effects.find((e) => e.t === "over");
    expect(end).toMatchObject({ outcome: "lost", why: expect.stringContaining(why) as string });
  });

  function piece(o: { id?: number; bytes?: number; part?: Uint8Array }) {
    const { id = 1, bytes = 2, part = Uint8Array.of(1, 2) } = o;
    return { t: "piece", id, kind: "connections", name: "x", bytes, fds: 0, part } as const;
  }

  test("descriptors that nobody wants are closed", () => {
    const [state] = takerStart({ versions: { newest: 1, oldest: 1 }, role: "ztunnel", program: "", nowMs: 0 });
    const welcome = encodeGiverMessage({ t: "welcome", version: 1 });
    const [after, effects] = takerStep(state, { t: "message", bytes: welcome, fds: [7, 8] });
    expect(effects[0]).toEqual({ t: "discard", fds: [7, 8] });
    expect(takerStep(after, { t: "message", bytes: welcome, fds: [9] })[1]).toEqual([{ t: "discard", fds: [9] }]);
  });

  test("an offer that nobody asked for comes back", () => {
    const state = giverStart({ versions: { newest: 1, oldest: 1 }, role: "ztunnel", nowMs: 0 });
    const offer: Offer = { key: "k", kind: "connections", name: "", state: new Uint8Array(0), fds: [] };
    expect(giverStep(state, { t: "offer", ...offer, nowMs: 0 })[1]).toMatchObject([{ t: "kept", key: "k" }]);
  });

  test("any bytes are read or refused, never more", () =>
    fc.assert(
      fc.property(anyMessage, (bytes) => {
        for (const decode of [decodeGiverMessage, decodeTakerMessage]) {
          const decoded = decode(bytes);
          if (!decoded.ok) expect(decoded.error.code).toBe("BAD_INPUT");
        }
      }),
    ));
});
