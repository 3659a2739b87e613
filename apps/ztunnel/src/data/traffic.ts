import type { TrafficCounters } from "../messages.ts";
import type { ResponseFlag } from "./connection-facts.ts";

type Mutable = { -readonly [K in keyof TrafficCounters]: TrafficCounters[K] };

/** Most label sets kept; beyond it connections count under one label set, so that hostile names cannot exhaust memory. */
const MAX_LABEL_SETS = 10_000;
const OVERFLOW: Readonly<Record<string, string>> = { reporter: "overflow" };

/** Counts connections and bytes by label set. One look-up per opened and closed connection, none per byte. */
export class Traffic {
  readonly #sets = new Map<string, Mutable>();

  opened(labels: Readonly<Record<string, string>>): void {
    this.#set(labels, "-").opened += 1;
  }

  closed(
    labels: Readonly<Record<string, string>>,
    flag: ResponseFlag,
    bytes: { received: number; sent: number },
  ): void {
    const set = this.#set(labels, flag);
    set.closed += 1;
    if (flag !== "-") set.failed += 1;
    set.receivedBytes += bytes.received;
    set.sentBytes += bytes.sent;
  }

  snapshot(): readonly TrafficCounters[] {
    return [...this.#sets.values()].map((set) => ({ ...set }));
  }

  #set(labels: Readonly<Record<string, string>>, flag: ResponseFlag): Mutable {
    const key = `${flag}\0${Object.values(labels).join("\0")}`;
    const found = this.#sets.get(key);
    if (found) return found;
    if (this.#sets.size >= MAX_LABEL_SETS && labels !== OVERFLOW) return this.#set(OVERFLOW, flag);
    const made: Mutable = {
      labels: { ...labels, response_flags: flag },
      opened: 0,
      closed: 0,
      failed: 0,
      receivedBytes: 0,
      sentBytes: 0,
    };
    this.#sets.set(key, made);
    return made;
  }
}
