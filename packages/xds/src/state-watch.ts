import type { DiscoveryRequest } from "@lateen/xds-types";
import { ResourceBatch } from "./resource-batch.ts";
import type { Item } from "./resource-table.ts";
import type { WatchContext } from "./delta-watch.ts";
import { formOf, isFor } from "./served-type.ts";
import { Unanswered } from "./unanswered.ts";

const WILDCARD = "*";

/**
 * One type on one state-of-the-world stream. A wildcard gets everything whenever anything changes: what is not in a response is
 * gone. Names get what of them changed; that one of them is gone cannot be said.
 * @see control-plane 1.7
 */
export class StateWatch {
  readonly answers = new Unanswered();
  readonly #c: WatchContext;
  #wildcard = false;
  #asked = new Set<string>();
  readonly #sent = new Map<string, string>();
  #fresh = new Set<string>();
  #heardAt = -1;
  #owed = true;

  constructor(context: WatchContext, first: DiscoveryRequest) {
    this.#c = context;
    this.#subscribe(first.resourceNames);
  }

  get size(): number {
    return this.#asked.size + this.#sent.size;
  }
  get isWildcard(): boolean {
    return this.#wildcard;
  }
  get names(): readonly string[] {
    return this.#wildcard ? [WILDCARD] : [...this.#asked];
  }
  get sentCount(): number | null {
    return this.#wildcard ? null : this.#sent.size;
  }

  hear(request: DiscoveryRequest): "stale" | "heard" {
    const { responseNonce: nonce, errorDetail } = request;
    // A request that refers to no response begins anew.
    if (nonce === "") this.#begin();
    else if (!this.answers.hear(nonce, errorDetail === null ? null : errorDetail.message)) return "stale";
    if (errorDetail === null) this.#subscribe(request.resourceNames);
    return "heard";
  }

  /** What the client must be told now; null: nothing, or not before it answered. */
  take(): ResourceBatch | null {
    if (this.answers.isAwaiting) return null;
    const now = this.#c.served.table.changedAt;
    const owed = this.#owed || this.#fresh.size > 0;
    const batch = this.#wildcard ? this.#everything(now, owed) : this.#asking(owed);
    this.#heardAt = now;
    this.#owed = false;
    this.#fresh = new Set();
    return batch;
  }

  #begin(): void {
    this.#owed = true;
    this.answers.isAwaiting = false;
    this.#asked = new Set();
    this.#sent.clear();
  }

  #subscribe(names: readonly string[]): void {
    const wasWildcard = this.#wildcard;
    this.#wildcard = names.length === 0 || names.includes(WILDCARD);
    if (this.#wildcard && !wasWildcard) this.#owed = true;
    const asked = new Set(names.filter((name) => name !== WILDCARD));
    for (const name of asked) if (!this.#asked.has(name)) this.#fresh.add(name);
    this.#asked = asked;
  }

  #everything(now: number, owed: boolean): ResourceBatch | null {
    const { served, scope, scopeKey, shared } = this.#c;
    if (!owed && now <= this.#heardAt) return null;
    return shared.get(`state ${served.typeUrl} ${scopeKey} ${now}`, () => {
      const items = [...served.table.items()].filter((item) => isFor(item, served, scope));
      return new ResourceBatch(formOf(served, "state"), items, []);
    });
  }

  #asking(owed: boolean): ResourceBatch | null {
    const { served, scope } = this.#c;
    const told = new Map<string, Item>();
    const there = new Set<string>();
    for (const name of this.#asked) {
      const stands = served.lookup?.find(name) ?? [];
      for (const one of stands.length === 0 ? [name] : stands) {
        const item = served.table.get(one);
        if (item === null || !isFor(item, served, scope)) continue;
        there.add(one);
        if (this.#fresh.has(name) || this.#sent.get(one) !== item.version) told.set(one, item);
      }
    }
    for (const name of this.#sent.keys()) if (!there.has(name)) this.#sent.delete(name);
    for (const item of told.values()) this.#sent.set(item.name, item.version);
    return owed || told.size > 0 ? new ResourceBatch(formOf(served, "state"), [...told.values()], []) : null;
  }
}
