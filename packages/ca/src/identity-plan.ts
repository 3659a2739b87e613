import { type Priority, refreshDueMs, retryDueMs } from "@lateen/certificates";

/** What the plan knows of a certificate. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type PlanInput =
  | { readonly t: "want"; readonly identity: string; readonly priority: Exclude<Priority, "background"> }
  | { readonly t: "forget"; readonly identity: string }
  /** Replace what is held now, though it is good for long. */
  | { readonly t: "renew"; readonly identity: string }
  | { readonly t: "fetched"; readonly identity: string; readonly fetch: number; readonly validity: Validity }
  | { readonly t: "failed"; readonly identity: string; readonly fetch: number; readonly why: string }
  | { readonly t: "tick" };

export type PlanEffect =
  /** Ask the authority; answer with `fetched` or `failed` and the same number. */
  | { readonly t: "fetch"; readonly identity: string; readonly fetch: number }
  | { readonly t: "cancel"; readonly fetch: number }
  /** What others may see of the identity has changed. */
  | { readonly t: "available"; readonly identity: string }
  | { readonly t: "unavailable"; readonly identity: string; readonly why: string }
  /** There is no room for it: nothing is kept of it, and asking again later may help. */
  | { readonly t: "refused"; readonly identity: string; readonly why: string }
  | { readonly t: "forgotten"; readonly identity: string }
  /** Give a `tick` at this time, in place of any earlier wish; null for none. */
  | { readonly t: "wake"; readonly atMs: number | null };

interface Entry {
  priority: Priority;
  dueMs: number;
  held: Validity | null;
  failures: number;
  why: string;
  /** Number of the request under way, 0 for none. */
  fetch: number;
}

export interface PlanOptions {
  /** In [0, 1). */
  readonly random: () => number;
  /** Requests at once: 8. */
  readonly concurrency?: number;
  /** Identities at once; more are refused. */
  readonly maxIdentities?: number;
}

const CONCURRENCY = 8;
const MAX_IDENTITIES = 10_000;
/** However short-lived a certificate is, it is not asked for again before this. */
const MIN_PAUSE_MS = 1_000;
const RANK = { background: 0, warmup: 1, realtime: 2 } as const satisfies Record<Priority, number>;

/**
 * Decides which certificate is asked for next, and when. Holds no certificate, clock, timer or socket: inputs come with the
 * time, and what is to be done is returned in order.
 * @see dataplane 9.4
 */
export class IdentityPlan {
  readonly #entries = new Map<string, Entry>();
  readonly #random: () => number;
  readonly #concurrency: number;
  readonly #maxIdentities: number;
  #running = 0;
  #lastFetch = 0;
  #wakeMs: number | null = null;

  constructor(o: PlanOptions) {
    this.#random = o.random;
    this.#concurrency = o.concurrency ?? CONCURRENCY;
    this.#maxIdentities = o.maxIdentities ?? MAX_IDENTITIES;
  }

  step(input: PlanInput, nowMs: number): readonly PlanEffect[] {
    const effects: PlanEffect[] = [...this.#take(input, nowMs), ...this.#expire(nowMs)];
    effects.push(...this.#start(nowMs));
    const wakeMs = this.#nextMs();
    if (wakeMs !== this.#wakeMs) effects.push({ t: "wake", atMs: wakeMs });
    this.#wakeMs = wakeMs;
    return effects;
  }

  #take(input: PlanInput, nowMs: number): readonly PlanEffect[] {
    switch (input.t) {
      case "want":
        return this.#want(input.identity, input.priority, nowMs);
      case "forget":
        return this.#forget(input.identity);
      case "renew":
        return this.#hasten(input.identity, nowMs);
      case "fetched":
        return this.#fetched(input.identity, input.fetch, input.validity, nowMs);
      case "failed":
        return this.#failed(input.identity, input.fetch, input.why, nowMs);
      case "tick":
        this.#wakeMs = null;
        return [];
    }
  }

  /** Raises what is not there yet; an error that is cached stays until its own retry. */
  #want(identity: string, priority: Priority, nowMs: number): readonly PlanEffect[] {
    const entry = this.#entries.get(identity);
    if (entry !== undefined) {
      if (entry.held === null && RANK[priority] > RANK[entry.priority]) entry.priority = priority;
      return [];
    }
    if (this.#entries.size >= this.#maxIdentities) {
      const why = `more than ${this.#maxIdentities} identities are wanted on this node`;
      return [{ t: "refused", identity, why }];
    }
    this.#entries.set(identity, { priority, dueMs: nowMs, held: null, failures: 0, why: "", fetch: 0 });
    return [];
  }

  #forget(identity: string): readonly PlanEffect[] {
    const entry = this.#entries.get(identity);
    if (entry === undefined) return [];
    this.#entries.delete(identity);
    if (entry.fetch === 0) return [{ t: "forgotten", identity }];
    this.#running -= 1;
    return [
      { t: "cancel", fetch: entry.fetch },
      { t: "forgotten", identity },
    ];
  }

  /** What is asked for already, or retried, goes its way. */
  #hasten(identity: string, nowMs: number): readonly PlanEffect[] {
    const entry = this.#entries.get(identity);
    if (entry !== undefined && entry.held !== null && entry.failures === 0) entry.dueMs = Math.min(entry.dueMs, nowMs);
    return [];
  }

  #fetched(identity: string, fetch: number, validity: Validity, nowMs: number): readonly PlanEffect[] {
    const entry = this.#end(identity, fetch);
    if (entry === null) return [];
    if (validity.notAfterMs <= nowMs) return this.#missed(identity, entry, "the certificate had expired", nowMs);
    entry.held = validity;
    entry.failures = 0;
    entry.why = "";
    entry.priority = "background";
    entry.dueMs = Math.max(refreshDueMs(validity), nowMs + MIN_PAUSE_MS);
    return [{ t: "available", identity }];
  }

  #failed(identity: string, fetch: number, why: string, nowMs: number): readonly PlanEffect[] {
    const entry = this.#end(identity, fetch);
    return entry === null ? [] : this.#missed(identity, entry, why, nowMs);
  }

  /** What is held serves on until it expires; `#expire` says so when that comes. */
  #missed(identity: string, entry: Entry, why: string, nowMs: number): readonly PlanEffect[] {
    entry.failures += 1;
    entry.why = why;
    entry.dueMs = retryDueMs({ nowMs, failures: entry.failures, held: entry.held, random: this.#random });
    return entry.held === null ? [{ t: "unavailable", identity, why }] : [];
  }

  /** The entry whose request this answers; null for an answer that nobody waits for any more. */
  #end(identity: string, fetch: number): Entry | null {
    const entry = this.#entries.get(identity);
    if (entry === undefined || entry.fetch !== fetch) return null;
    entry.fetch = 0;
    this.#running -= 1;
    return entry;
  }

  #expire(nowMs: number): readonly PlanEffect[] {
    const effects: PlanEffect[] = [];
    for (const [identity, entry] of this.#entries) {
      if (entry.held === null || entry.held.notAfterMs > nowMs) continue;
      entry.held = null;
      const why = `the certificate expired and could not be renewed: ${entry.why === "" ? "no answer yet" : entry.why}`;
      effects.push({ t: "unavailable", identity, why });
    }
    return effects;
  }

  #start(nowMs: number): readonly PlanEffect[] {
    if (this.#running >= this.#concurrency) return [];
    const due = [...this.#entries].filter(([, e]) => e.fetch === 0 && e.dueMs <= nowMs);
    due.sort(([, a], [, b]) => RANK[b.priority] - RANK[a.priority] || a.dueMs - b.dueMs);
    return due.slice(0, this.#concurrency - this.#running).map(([identity, entry]) => {
      entry.fetch = ++this.#lastFetch;
      this.#running += 1;
      return { t: "fetch", identity, fetch: entry.fetch };
    });
  }

  /** With no slot free, only an expiry needs a wake-up: the end of a request starts the next. */
  #nextMs(): number | null {
    let next = Infinity;
    const free = this.#running < this.#concurrency;
    for (const entry of this.#entries.values()) {
      if (entry.held !== null) next = Math.min(next, entry.held.notAfterMs);
      if (free && entry.fetch === 0) next = Math.min(next, entry.dueMs);
    }
    return next === Infinity ? null : next;
  }
}
