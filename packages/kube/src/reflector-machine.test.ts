import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ApiFailure, connectionFailure, statusFailure } from "./api-failure.ts";
import { ReflectorMachine, type ReflectorEffect, type ReflectorInput, type WatchEvent } from "./reflector-machine.ts";

const item = (key: string, version: string) => ({ key, version, raw: { key, version } });
const page = (version: string, items: readonly string[], more = ""): ReflectorInput => ({
  t: "page",
  version,
  more,
  items: items.map((text) => {
    const [key, v] = text.split("@") as [string, string];
    return item(key, v);
  }),
});
const put = (key: string, version: string): WatchEvent => ({ t: "put", item: item(key, version) });
const gone = statusFailure(410, { kind: "Status", code: 410, reason: "Expired", message: "too old" });
const absent = statusFailure(404, "404 page not found");
const cut = connectionFailure(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }));

const machine = (random = () => 0): ReflectorMachine => new ReflectorMachine({ random });
/** Effects without notes and without what they carry, as short texts. */
const texts = (effects: readonly ReflectorEffect[]): readonly string[] =>
  effects.flatMap((e) => {
    switch (e.t) {
      case "put":
        return [`put ${e.item.key}@${e.item.version}`];
      case "remove":
        return [`remove ${e.key}`];
      case "list":
        return [`list ${e.limit} "${e.more}"`];
      case "watch":
        return [`watch ${e.version}`];
      case "note":
        return [];
      default:
        return [e.t];
    }
  });

/** A machine that has listed a@1 and b@2 at version 10 and watches since time 0. */
function watching(): ReflectorMachine {
  const m = machine();
  m.step({ t: "tick" }, 0);
  m.step(page("10", ["a@1", "b@2"]), 0);
  return m;
}

describe("listing", () => {
  test("pages are followed to the end, then shown at once, and watched from the version of the first", () => {
    const m = machine();
    expect(texts(m.step({ t: "tick" }, 0))).toEqual(["discard", 'list 500 ""']);
    expect(texts(m.step(page("10", ["a@1"], "next"), 1))).toEqual(["put a@1", 'list 500 "next"']);
    expect(texts(m.step(page("11", ["b@2"]), 2))).toEqual(["put b@2", "commit", "watch 10"]);
  });

  test("a page that fails is asked for again, with growing pauses", () => {
    const m = machine();
    m.step({ t: "tick" }, 0);
    m.step(page("10", ["a@1"], "next"), 0);
    const pauses: number[] = [];
    for (let now = 0, i = 0; i < 8; i++) {
      m.step({ t: "failed", failure: cut }, now);
      pauses.push(m.dueMs! - now);
      now = m.dueMs!;
      // Beyond 30 s of absence the list starts anew: the server may have another past.
      expect(texts(m.step({ t: "tick" }, now))).toEqual(
        now > 30_000 ? ["discard", 'list 500 ""'] : ['list 500 "next"'],
      );
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test("410 in the middle discards what came and starts with larger pages", () => {
    const m = machine();
    m.step({ t: "tick" }, 0);
    m.step(page("10", ["a@1"], "next"), 0);
    expect(texts(m.step({ t: "failed", failure: gone }, 0))).toEqual(["discard"]);
    expect(texts(m.step({ t: "tick" }, m.dueMs!))).toEqual(["discard", 'list 2000 ""']);
    expect(texts(m.step(page("12", ["b@2"]), 9))).toEqual(["put b@2", "commit", "watch 12"]);
  });

  test("a page that is too large is asked for in smaller ones, and never made larger again", () => {
    const m = machine();
    const oversized: ApiFailure = { ...cut, t: "oversized" };
    m.step({ t: "tick" }, 0);
    m.step(page("10", ["a@1"], "next"), 0);
    m.step({ t: "failed", failure: oversized }, 0);
    expect(texts(m.step({ t: "tick" }, 0))).toEqual(['list 125 "next"']);
    m.step({ t: "failed", failure: gone }, 0);
    expect(texts(m.step({ t: "tick" }, m.dueMs!))).toEqual(["discard", 'list 125 ""']);
  });

  test("a relist tells only what differs", () => {
    const m = watching();
    m.step({ t: "failed", failure: gone }, 5);
    expect(texts(m.step(page("20", ["a@1", "c@15"]), 6))).toEqual(["put c@15", "remove b", "commit", "watch 20"]);
  });

  test("the server's wish to be left alone is granted", () => {
    const m = machine();
    m.step({ t: "tick" }, 0);
    m.step({ t: "failed", failure: statusFailure(429, "", "7") }, 0);
    expect(m.dueMs).toBeGreaterThanOrEqual(7_000);
    expect(m.step({ t: "tick" }, 6_999)).toEqual([]);
  });
});

describe("watching", () => {
  test("events are told once, whatever their order of arrival in batches", () => {
    const m = watching();
    const events = [put("a", "11"), put("a", "11"), put("c", "12"), { t: "remove", item: item("b", "13") } as const];
    expect(texts(m.step({ t: "events", events }, 1))).toEqual(["put a@11", "put c@12", "remove b", "commit"]);
    expect(m.version).toBe("13");
  });

  test("an end in order is followed by the next watch at once; an end without a word is not", () => {
    const m = watching();
    m.step({ t: "events", events: [{ t: "bookmark", version: "30" }] }, 1);
    expect(texts(m.step({ t: "failed", failure: null }, 2))).toEqual(["watch 30"]);
    expect(texts(m.step({ t: "failed", failure: null }, 2))).toEqual([]);
    expect(m.dueMs).toBe(252);
    expect(texts(m.step({ t: "tick" }, 252))).toEqual(["watch 30"]);
    expect(texts(m.step({ t: "failed", failure: null }, 1_252))).toEqual(["watch 30"]);
  });

  test("after a lost connection it goes on where it was", () => {
    const m = watching();
    m.step({ t: "failed", failure: cut }, 20_000);
    expect(texts(m.step({ t: "tick" }, m.dueMs!))).toEqual(["probe"]);
    expect(texts(m.step({ t: "probed", version: "12" }, 20_300))).toEqual(["watch 10"]);
  });

  test.each(["9", "opaque"])("a server that is back at version %s is listed anew", (version) => {
    const m = watching();
    m.step({ t: "failed", failure: cut }, 20_000);
    m.step({ t: "tick" }, m.dueMs!);
    expect(texts(m.step({ t: "probed", version }, 20_300))).toEqual(["discard", 'list 500 ""']);
  });

  test("a server that was away for longer than half a minute is listed anew", () => {
    const m = watching();
    let now = 0;
    const seen = new Set<string>();
    while (now < 40_000) {
      m.step({ t: "failed", failure: cut }, now);
      now = m.dueMs!;
      for (const text of texts(m.step({ t: "tick" }, now))) seen.add(text);
    }
    expect([...seen]).toEqual(["probe", "discard", 'list 500 ""']);
  });

  test("silence ends the watch; where the server stands says whether anything was missed", () => {
    const m = watching();
    expect(m.step({ t: "tick" }, 149_999)).toEqual([]);
    expect(texts(m.step({ t: "tick" }, 150_000))).toEqual(["cancel", "probe"]);
    expect(texts(m.step({ t: "probed", version: "10" }, 150_001))).toEqual(["watch 10"]);
  });

  test("a bookmark is a sign of life", () => {
    const m = watching();
    m.step({ t: "events", events: [{ t: "bookmark", version: "11" }] }, 100_000);
    expect(m.step({ t: "tick" }, 150_000)).toEqual([]);
    expect(m.dueMs).toBe(250_000);
  });

  test("410 within a watch keeps what came before it, then lists", () => {
    const m = watching();
    const events = [put("a", "11"), { t: "error", failure: gone } as const, put("z", "99")];
    expect(texts(m.step({ t: "events", events }, 1))).toEqual([
      "put a@11",
      "commit",
      "cancel",
      "discard",
      'list 500 ""',
    ]);
  });

  test("a version that the server has not reached is one of another past", () => {
    const m = watching();
    const status = { kind: "Status", code: 504, details: { causes: [{ reason: "ResourceVersionTooLarge" }] } };
    m.step({ t: "failed", failure: statusFailure(504, status) }, 1);
    expect(texts(m.step({ t: "tick" }, m.dueMs!))).toEqual(["discard", 'list 500 ""']);
  });
});

describe("a kind that does not exist", () => {
  test("counts as empty, and is found when it comes", () => {
    const m = machine();
    m.step({ t: "tick" }, 0);
    expect(texts(m.step({ t: "failed", failure: absent }, 0))).toEqual(["discard", "commit"]);
    expect(m.phase).toBe("absent");
    for (let i = 0; i < 12; i++) {
      m.step({ t: "tick" }, m.dueMs!);
      m.step({ t: "failed", failure: absent }, 1_000_000 * i);
    }
    expect(m.dueMs! - 11_000_000).toBe(30_000);
    m.step({ t: "nudge" }, 11_000_500);
    expect(m.dueMs).toBe(11_000_500);
    expect(texts(m.step({ t: "tick" }, 11_000_500))).toEqual(["discard", 'list 500 ""']);
    expect(texts(m.step(page("50", ["x@9"]), 11_000_501))).toEqual(["put x@9", "commit", "watch 50"]);
  });

  test("goes with all its objects", () => {
    const m = watching();
    expect(texts(m.step({ t: "failed", failure: absent }, 5))).toEqual(["discard", 'list 500 ""']);
    expect(texts(m.step({ t: "failed", failure: absent }, 6))).toEqual(["discard", "remove a", "remove b", "commit"]);
  });
});

test("what comes after a phase is over is not heeded", () => {
  const m = watching();
  expect(m.step(page("99", ["q@99"]), 1)).toEqual([]);
  expect(m.step({ t: "probed", version: "99" }, 1)).toEqual([]);
  m.step({ t: "failed", failure: cut }, 1);
  expect(m.step({ t: "failed", failure: cut }, 1)).toEqual([]);
  expect(m.step({ t: "events", events: [put("q", "99")] }, 1)).toEqual([]);
});

// --- A server with a history, that fails in every way; the machine must end in its state and never show one it did not have ---

type Objects = ReadonlyMap<string, string>;
interface Past {
  readonly version: number;
  readonly objects: Objects;
  readonly event: WatchEvent | null;
}

class ModelServer {
  past: Past[] = [{ version: 1, objects: new Map(), event: null }];
  compacted = 1;
  /** Every state that there ever was, as text. */
  readonly states = new Set<string>([""]);

  get now(): Past {
    return this.past.at(-1)!;
  }

  write(key: string, remove: boolean): void {
    const version = this.now.version + 1;
    const objects = new Map(this.now.objects);
    if (remove && !objects.delete(key)) return;
    if (!remove) objects.set(key, String(version));
    this.past.push({
      version,
      objects,
      event: { t: remove ? "remove" : "put", item: item(key, String(version)) },
    });
    this.states.add(stateText(objects));
  }

  /** Back to a state of before: what came since never happened, and versions are given out again. */
  restore(): void {
    this.past = this.past.slice(0, Math.max(1, this.past.length - 3));
    this.compacted = Math.min(this.compacted, this.now.version);
  }

  at(version: string): Past | null {
    const found = this.past.find((p) => p.version === Number(version));
    return found === undefined || found.version < this.compacted ? null : found;
  }
}

const stateText = (objects: Objects): string =>
  [...objects]
    .sort()
    .map((e) => e.join("@"))
    .join(" ");

type Act = "write" | "remove" | "compact" | "cut" | "stall" | "away" | "restore" | "answer";
const acts = fc.array(
  fc.tuple(
    fc.constantFrom<Act>("write", "write", "remove", "compact", "cut", "stall", "away", "restore", "answer", "answer"),
    fc.constantFrom("a", "b", "c", "d"),
  ),
  { maxLength: 80 },
);

/** Carries out what the machine wants, one answer at a time. */
class Rig {
  readonly server = new ModelServer();
  readonly m = new ReflectorMachine({ random: () => 0.5, timing: { pageSize: 2 } });
  now = 0;
  shown = new Map<string, string>();
  #staged = new Map<string, string | null>();
  #wanted: ReflectorEffect | null = null;
  readonly #told = new Set<string>();

  run(effects: readonly ReflectorEffect[]): void {
    for (const e of effects) {
      if (e.t === "put") this.#staged.set(e.item.key, e.item.version);
      else if (e.t === "remove") this.#staged.set(e.key, null);
      else if (e.t === "discard") this.#staged.clear();
      else if (e.t === "commit") this.#commit();
      else if (e.t === "cancel") this.#wanted = null;
      else if (e.t !== "note") this.#wanted = e;
    }
  }

  #commit(): void {
    for (const [key, version] of this.#staged) {
      if (version === null) this.shown.delete(key);
      else {
        if (this.shown.get(key) === version) throw new Error(`${key}@${version} was told twice`);
        this.shown.set(key, version);
      }
    }
    this.#staged.clear();
    this.#told.add(stateText(this.shown));
    if (!this.server.states.has(stateText(this.shown))) throw new Error(`no such state: ${stateText(this.shown)}`);
  }

  /** Time passes until the machine wants something, then the server answers. */
  answer(): void {
    if (this.#wanted === null || this.#wanted.t === "watch") this.#tickOrEvents();
    const e = this.#wanted;
    if (e?.t === "list") this.#answerList(e);
    else if (e?.t === "probe") {
      this.#wanted = null;
      this.run(this.m.step({ t: "probed", version: String(this.server.now.version) }, this.now));
    }
  }

  #tickOrEvents(): void {
    if (this.#wanted?.t === "watch") return this.#answerWatch(this.#wanted);
    if (this.m.dueMs !== null) this.now = Math.max(this.now, this.m.dueMs);
    this.run(this.m.step({ t: "tick" }, this.now));
  }

  #answerWatch(e: Extract<ReflectorEffect, { t: "watch" }>): void {
    const from = Number(this.m.version || e.version);
    if (from < this.server.compacted) return this.fail(gone);
    const events = this.server.past.flatMap((p) => (p.version > from && p.event !== null ? [p.event] : []));
    if (events.length > 0) this.run(this.m.step({ t: "events", events: events.slice(0, 2) }, this.now));
  }

  #answerList(e: Extract<ReflectorEffect, { t: "list" }>): void {
    const [version, start] =
      e.more === "" ? [String(this.server.now.version), 0] : (JSON.parse(e.more) as [string, number]);
    const at = this.server.at(version);
    if (at === null) return this.fail(gone);
    const all = [...at.objects].sort();
    const items = all.slice(start, start + e.limit).map(([key, v]) => item(key, v));
    const more = start + e.limit < all.length ? JSON.stringify([version, start + e.limit]) : "";
    this.#wanted = null;
    this.run(this.m.step({ t: "page", items, version, more }, this.now));
  }

  fail(failure: ApiFailure | null): void {
    if (this.#wanted === null) return;
    this.#wanted = null;
    this.run(this.m.step({ t: "failed", failure }, this.now));
  }

  /** Nobody answers for so long. */
  away(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.fail(cut);
      if (this.m.dueMs === null) return;
      this.now = Math.max(this.now + 1, this.m.dueMs);
      this.run(this.m.step({ t: "tick" }, this.now));
    }
    this.fail(cut);
  }

  act(act: Act, key: string): void {
    if (act === "write" || act === "remove") this.server.write(key, act === "remove");
    else if (act === "compact") this.server.compacted = this.server.now.version;
    else if (act === "cut") this.fail(cut);
    else if (act === "away") this.away(40_000);
    else if (act === "answer") this.answer();
    else if (act === "stall") {
      this.now += 200_000;
      this.run(this.m.step({ t: "tick" }, this.now));
    } else {
      this.server.restore();
      this.away(40_000); // nobody restores a backup in less
    }
  }
}

test("through any failures it shows only states that the server had, tells nothing twice, and ends where the server is", () =>
  fc.assert(
    fc.property(acts, (list) => {
      const rig = new Rig();
      rig.run(rig.m.step({ t: "tick" }, 0));
      for (const [act, key] of list) rig.act(act, key);
      for (let i = 0; i < 400 && !(rig.m.phase === "watching" && rig.m.version === String(rig.server.now.version)); i++)
        rig.answer();
      expect(stateText(rig.shown)).toBe(stateText(rig.server.now.objects));
    }),
    { numRuns: 2_000 },
  ));
