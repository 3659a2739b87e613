import type { KeepaliveSnapshot } from "./snapshot.ts";

/** Longest time one tick may count for: a loop that was starved has not listened, so silence then proves nothing. */
const MAX_STEP_MS = 2500;

export interface KeepaliveTimes {
  /** Before the first PING, and after each answer before the next. */
  readonly intervalMs: number;
  /** For the answer. */
  readonly timeoutMs: number;
}

export const KEEPALIVE: KeepaliveTimes = { intervalMs: 10_000, timeoutMs: 20_000 };

/** Decides when to send PING and when to give up. Time is counted only while ticks come. @see dataplane contract 5.2 */
export class Keepalive {
  readonly #times: KeepaliveTimes;
  #lastTickMs: number;
  /** Attended milliseconds since the last PING or answer. */
  #waitedMs = 0;
  #awaiting = false;

  constructor(nowMs: number, times: KeepaliveTimes = KEEPALIVE) {
    this.#times = times;
    this.#lastTickMs = nowMs;
  }

  /** @returns how much time this tick counts for */
  advance(nowMs: number): number {
    const step = Math.min(Math.max(0, nowMs - this.#lastTickMs), MAX_STEP_MS);
    this.#lastTickMs = nowMs;
    this.#waitedMs += step;
    return step;
  }

  /** What is due now. After `ping` an answer is awaited. */
  due(): "nothing" | "ping" | "timeout" {
    if (this.#awaiting) return this.#waitedMs >= this.#times.timeoutMs ? "timeout" : "nothing";
    if (this.#waitedMs < this.#times.intervalMs) return "nothing";
    this.#awaiting = true;
    this.#waitedMs = 0;
    return "ping";
  }

  snapshot(): KeepaliveSnapshot {
    return { waitedMs: this.#waitedMs, awaiting: this.#awaiting };
  }

  restore(from: KeepaliveSnapshot): void {
    this.#waitedMs = from.waitedMs;
    this.#awaiting = from.awaiting;
  }

  answered(): void {
    if (!this.#awaiting) return;
    this.#awaiting = false;
    this.#waitedMs = 0;
  }
}
