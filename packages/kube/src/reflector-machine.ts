import type { Backoff } from "@lateen/lifecycle";
import { createBackoff } from "@lateen/lifecycle";
import type { ApiFailure } from "./api-failure.ts";
import { compareResourceVersions } from "./resource-version.ts";

/** One object as it came, not looked into beyond its name and version. */
export interface RawItem {
  readonly key: string;
  readonly version: string;
  readonly raw: unknown;
}

/** One line of a watch. */
export type WatchEvent =
  | { readonly t: "put" | "remove"; readonly item: RawItem }
  | { readonly t: "bookmark"; readonly version: string }
  | { readonly t: "error"; readonly failure: ApiFailure };

export type ReflectorInput =
  | { readonly t: "page"; readonly items: readonly RawItem[]; readonly version: string; readonly more: string }
  | { readonly t: "probed"; readonly version: string }
  /** A list, page or probe gave nothing; or a watch ended, `null` when the server ended it in order. */
  | { readonly t: "failed"; readonly failure: ApiFailure | null }
  | { readonly t: "events"; readonly events: readonly WatchEvent[] }
  /** The time that `dueMs` names has come. */
  | { readonly t: "tick" }
  /** The kind may have come into being, or gone: look now. */
  | { readonly t: "nudge" };

export type ReflectorEffect =
  | { readonly t: "list"; readonly limit: number; readonly more: string }
  /** Ask for the version at which the server is, and nothing else. */
  | { readonly t: "probe" }
  | { readonly t: "watch"; readonly version: string; readonly timeoutSec: number }
  /** Give up the list, probe or watch under way; its outcome is not wanted any more. */
  | { readonly t: "cancel" }
  | { readonly t: "put"; readonly item: RawItem }
  | { readonly t: "remove"; readonly key: string }
  /** What was put and removed since the last commit is a state of the server: show it. */
  | { readonly t: "commit" }
  /** Forget what was put and removed since the last commit. */
  | { readonly t: "discard" }
  | { readonly t: "note"; readonly event: ReflectorNote; readonly detail: string };

/** What happened, for the log and for metrics. */
export type ReflectorNote =
  "listed" | "absent" | "relist" | "resume" | "stalled" | "expired" | "throttled" | "failed" | "page size" | "rewound";

export interface ReflectorTiming {
  /** Objects of one page. */
  readonly pageSize: number;
  /** A watch that says nothing for so long, not even that it has nothing to say, is given up. Servers say so every minute. */
  readonly stallMs: number;
  /** Being away for longer means a full list: the server may have another past by now. */
  readonly resumeWithinMs: number;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  /** Longest pause between looks for a kind that does not exist. */
  readonly absentMs: number;
}

export const DEFAULT_TIMING: ReflectorTiming = {
  pageSize: 500,
  stallMs: 150_000,
  resumeWithinMs: 30_000,
  backoff: { baseMs: 250, maxMs: 10_000 },
  absentMs: 30_000,
};

/** A watch that ends sooner than this without a word counts as a failure. */
const SHORT_WATCH_MS = 1_000;
/** A watch that holds so long proves that the server is well. */
const HEALTHY_WATCH_MS = 10_000;
const WATCH_SEC = { min: 300, max: 600 };
/** Growth of pages when continuation expired before the list was through. */
const PAGE_GROWTH = 4;
const MAX_PAGE = 100_000;

type Next = "list" | "page" | "probe" | "watch";
type Phase =
  | { readonly t: "listing" }
  | { readonly t: "probing" }
  | { readonly t: "watching"; readonly sinceMs: number; heardMs: number; events: number }
  | { readonly t: "waiting"; readonly untilMs: number; readonly next: Next }
  | { readonly t: "absent"; readonly untilMs: number };

/**
 * Follows one collection of the API server: which request comes next, what an answer means, and which objects came, changed or
 * went. Every state that it commits is one that the server had; nothing is lost or told twice across failures. Pure: no clock, no
 * sockets; `nowMs` must come from a clock that never goes back.
 * @see Kubernetes, "Efficient detection of changes"
 */
export class ReflectorMachine {
  readonly #o: ReflectorTiming;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #absentBackoff: Backoff;
  /** Version by key of all that is committed. */
  #known = new Map<string, string>();
  /** The same of the list under way. */
  #listed = new Map<string, string>();
  #version = "";
  #listVersion = "";
  /** Continuation of the page under way; empty for the first. */
  #more = "";
  #limit: number;
  #maxLimit = MAX_PAGE;
  #lostMs: number | null = null;
  #phase: Phase;

  constructor(o: { readonly timing?: Partial<ReflectorTiming>; readonly random: () => number }) {
    this.#o = { ...DEFAULT_TIMING, ...o.timing };
    this.#random = o.random;
    this.#backoff = createBackoff({ ...this.#o.backoff, random: o.random });
    const baseMs = Math.min(this.#o.backoff.baseMs, this.#o.absentMs);
    this.#absentBackoff = createBackoff({ baseMs, maxMs: this.#o.absentMs, random: o.random });
    this.#limit = this.#o.pageSize;
    this.#phase = { t: "waiting", untilMs: -Infinity, next: "list" };
  }

  /** When it wants a `tick`; null: never, it waits for an answer. */
  get dueMs(): number | null {
    const p = this.#phase;
    if (p.t === "waiting" || p.t === "absent") return p.untilMs;
    return p.t === "watching" ? p.heardMs + this.#o.stallMs : null;
  }

  /** What it does now, for people. */
  get phase(): Phase["t"] {
    return this.#phase.t;
  }

  /** The server's version that is committed; empty before the first list. */
  get version(): string {
    return this.#version;
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param nowMs milliseconds of a monotonic clock */
  step(input: ReflectorInput, nowMs: number): readonly ReflectorEffect[] {
    const p = this.#phase;
    switch (input.t) {
      case "tick":
        return this.#tick(nowMs);
      case "nudge":
        return this.#nudge(nowMs);
      case "page":
        return p.t === "listing" ? this.#page(input, nowMs) : [];
      case "probed":
        return p.t === "probing" ? this.#probed(input.version, nowMs) : [];
      case "events":
        return p.t === "watching" ? this.#events(p, input.events, nowMs) : [];
      case "failed":
        return p.t === "listing" || p.t === "probing" || p.t === "watching"
          ? this.#failed(p, input.failure, nowMs)
          : [];
    }
  }

  #tick(nowMs: number): readonly ReflectorEffect[] {
    const p = this.#phase;
    if (this.dueMs === null || nowMs < this.dueMs) return [];
    if (p.t === "absent") return this.#list();
    if (p.t === "waiting") return this.#go(p.next, nowMs);
    // It may be cut off without knowing, or follow a past that the server no longer has.
    this.#lostMs ??= nowMs;
    this.#phase = { t: "probing" };
    return [{ t: "cancel" }, note("stalled", `nothing heard for ${this.#o.stallMs} ms`), { t: "probe" }];
  }

  #nudge(nowMs: number): readonly ReflectorEffect[] {
    this.#absentBackoff.reset();
    return this.#phase.t === "absent" ? this.#absentAgain(nowMs, 0) : [];
  }

  #go(next: Next, nowMs: number): readonly ReflectorEffect[] {
    // Whoever was away for long may come back to a server with another past: only a full list is certain then.
    const away = this.#lostMs !== null && nowMs - this.#lostMs > this.#o.resumeWithinMs;
    if (next === "list" || away) return this.#list();
    if (next === "page") {
      this.#phase = { t: "listing" };
      return [{ t: "list", limit: this.#limit, more: this.#more }];
    }
    if (next === "watch") return this.#watch(nowMs);
    this.#phase = { t: "probing" };
    return [{ t: "probe" }];
  }

  #list(): readonly ReflectorEffect[] {
    this.#listed = new Map();
    this.#listVersion = "";
    this.#more = "";
    this.#phase = { t: "listing" };
    return [{ t: "discard" }, { t: "list", limit: this.#limit, more: "" }];
  }

  #watch(nowMs: number): readonly ReflectorEffect[] {
    this.#phase = { t: "watching", sinceMs: nowMs, heardMs: nowMs, events: 0 };
    const timeoutSec = Math.floor(WATCH_SEC.min + this.#random() * (WATCH_SEC.max - WATCH_SEC.min));
    return [{ t: "watch", version: this.#version, timeoutSec }];
  }

  #page(page: Extract<ReflectorInput, { t: "page" }>, nowMs: number): readonly ReflectorEffect[] {
    const effects: ReflectorEffect[] = [];
    if (this.#listVersion === "") this.#listVersion = page.version;
    for (const item of page.items) {
      if (!this.#listed.has(item.key) && this.#known.get(item.key) !== item.version) effects.push({ t: "put", item });
      this.#listed.set(item.key, item.version);
    }
    this.#well();
    if (page.more !== "") {
      this.#more = page.more;
      return [...effects, { t: "list", limit: this.#limit, more: page.more }];
    }
    for (const key of this.#known.keys()) if (!this.#listed.has(key)) effects.push({ t: "remove", key });
    this.#known = this.#listed;
    this.#listed = new Map();
    this.#version = this.#listVersion;
    effects.push({ t: "commit" }, note("listed", `${this.#known.size} objects at ${this.#version}`));
    return [...effects, ...this.#watch(nowMs)];
  }

  /** The server answers: what happened before is over. */
  #well(): void {
    this.#backoff.reset();
    this.#absentBackoff.reset();
    this.#lostMs = null;
  }

  #probed(version: string, nowMs: number): readonly ReflectorEffect[] {
    const order = compareResourceVersions(version, this.#version);
    if (order !== null && order >= 0) {
      this.#lostMs = null;
      return [note("resume", `from ${this.#version}`), ...this.#watch(nowMs)];
    }
    // Restored from a backup: a watch from our version would hear nothing until the server had caught up with it.
    return [note("rewound", `the server is at ${version}, we were at ${this.#version}`), ...this.#list()];
  }

  #events(
    p: Extract<Phase, { t: "watching" }>,
    events: readonly WatchEvent[],
    nowMs: number,
  ): readonly ReflectorEffect[] {
    const effects: ReflectorEffect[] = [];
    p.heardMs = nowMs;
    let error: ApiFailure | null = null;
    for (const event of events) {
      if (event.t === "error") {
        error = event.failure;
        break;
      }
      p.events += 1;
      this.#version = event.t === "bookmark" ? event.version : event.item.version;
      if (event.t === "put") this.#put(event.item, effects);
      else if (event.t === "remove" && this.#known.delete(event.item.key))
        effects.push({ t: "remove", key: event.item.key });
    }
    if (effects.length > 0) effects.push({ t: "commit" });
    if (p.events > 0) this.#well();
    if (error === null) return effects;
    return [...effects, { t: "cancel" }, ...this.#failed(p, error, nowMs)];
  }

  #put(item: RawItem, effects: ReflectorEffect[]): void {
    if (this.#known.get(item.key) === item.version) return;
    this.#known.set(item.key, item.version);
    effects.push({ t: "put", item });
  }

  #failed(
    p: Extract<Phase, { t: "listing" | "probing" | "watching" }>,
    failure: ApiFailure | null,
    nowMs: number,
  ): readonly ReflectorEffect[] {
    if (p.t === "watching" && nowMs - p.sinceMs >= HEALTHY_WATCH_MS) this.#backoff.reset();
    if (failure === null) return this.#ended(p, nowMs);
    if (failure.status === 404) return this.#absent(p, nowMs);
    if (isExpired(failure)) return this.#expired(p, failure, nowMs);
    if (p.t === "listing" && failure.t === "oversized") return this.#oversized(failure, nowMs);
    this.#lostMs ??= nowMs;
    return this.#again(p, failure, nowMs);
  }

  /** The server ended a watch in its own time; a watch that it ends at once is no such thing. */
  #ended(p: Extract<Phase, { t: "listing" | "probing" | "watching" }>, nowMs: number): readonly ReflectorEffect[] {
    if (p.t === "watching" && (p.events > 0 || nowMs - p.sinceMs >= SHORT_WATCH_MS)) return this.#watch(nowMs);
    return this.#wait(p.t === "listing" ? "page" : "watch", 0, nowMs);
  }

  #absent(p: Extract<Phase, { t: "listing" | "probing" | "watching" }>, nowMs: number): readonly ReflectorEffect[] {
    if (p.t !== "listing") return this.#list();
    const effects: ReflectorEffect[] = [{ t: "discard" }];
    for (const key of this.#known.keys()) effects.push({ t: "remove", key });
    this.#known = new Map();
    this.#version = "";
    this.#lostMs = null;
    return [...effects, { t: "commit" }, note("absent", ""), ...this.#absentAgain(nowMs, this.#absentBackoff.nextMs())];
  }

  #absentAgain(nowMs: number, pauseMs: number): readonly ReflectorEffect[] {
    this.#phase = { t: "absent", untilMs: nowMs + pauseMs };
    return [];
  }

  #expired(
    p: Extract<Phase, { t: "listing" | "probing" | "watching" }>,
    failure: ApiFailure,
    nowMs: number,
  ): readonly ReflectorEffect[] {
    const effects: ReflectorEffect[] = [note("expired", failure.message)];
    if (p.t !== "listing") return [...effects, note("relist", "what we knew is too old"), ...this.#list()];
    // The list took longer than the server remembers: fewer, larger pages.
    this.#limit = Math.min(this.#maxLimit, this.#limit * PAGE_GROWTH);
    effects.push({ t: "discard" }, note("page size", `${this.#limit}, because the list expired before it was through`));
    return [...effects, ...this.#wait("list", 0, nowMs)];
  }

  #oversized(failure: ApiFailure, nowMs: number): readonly ReflectorEffect[] {
    if (this.#limit <= 1) return this.#again({ t: "listing" }, failure, nowMs);
    this.#limit = Math.ceil(this.#limit / PAGE_GROWTH);
    this.#maxLimit = this.#limit;
    this.#phase = { t: "waiting", untilMs: nowMs, next: "page" };
    return [note("page size", `${this.#limit}, because a page was too large`)];
  }

  #again(
    p: Extract<Phase, { t: "listing" | "probing" | "watching" }>,
    failure: ApiFailure,
    nowMs: number,
  ): readonly ReflectorEffect[] {
    const throttled = failure.status === 429;
    const effects = [note(throttled ? "throttled" : "failed", failureText(failure))];
    const wait = this.#wait(nextAfter(p.t, failure), failure.retryAfterMs ?? 0, nowMs);
    return [...effects, ...wait];
  }

  /** @param atLeastMs what the server asked for; chance comes on top, so that not all come back together */
  #wait(next: Next, atLeastMs: number, nowMs: number): readonly ReflectorEffect[] {
    const pauseMs = this.#backoff.nextMs();
    const untilMs = nowMs + (atLeastMs > 0 ? atLeastMs + pauseMs * 0.5 : pauseMs);
    this.#phase = { t: "waiting", untilMs, next };
    return [];
  }
}

const note = (event: ReflectorNote, detail: string): ReflectorEffect => ({ t: "note", event, detail });

/** A page is asked for again; a watch goes on where it was, after a look whether the server still has that past. */
function nextAfter(phase: "listing" | "probing" | "watching", failure: ApiFailure): Next {
  if (failure.reason === "ResourceVersionTooLarge") return "list";
  if (phase === "listing") return "page";
  return failure.t === "status" && phase === "watching" ? "watch" : "probe";
}

const failureText = ({ status, reason, message }: ApiFailure): string =>
  `${status > 0 ? `${status} ` : ""}${reason}${reason === "" ? "" : ": "}${message}`;

const isExpired = ({ status, reason }: ApiFailure): boolean =>
  status === 410 || reason === "Expired" || reason === "Gone";
