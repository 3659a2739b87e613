import type { DeltaDiscoveryRequest } from "@lateen/xds-types";
import { ResourceBatch } from "./resource-batch.ts";
import type { Item } from "./resource-table.ts";
import { type ClientScope, type ServedType, type SharedBatches, formOf, isFor } from "./served-type.ts";
import { Unanswered } from "./unanswered.ts";

const WILDCARD = "*";

/** What a watch shares with others. */
export interface WatchContext {
  readonly served: ServedType;
  readonly scope: ClientScope;
  /** Equal for clients that may be sent the same. */
  readonly scopeKey: string;
  readonly shared: SharedBatches;
}

/**
 * One type on one stream: what the client wants, and up to where it has heard. A wildcard costs two numbers. On demand it costs
 * the names that were asked for and the versions of what was sent.
 */
export class DeltaWatch {
  readonly answers = new Unanswered();
  readonly #c: WatchContext;
  #wildcard = false;
  /** Names asked for one by one. */
  readonly #asked = new Set<string>();
  /** Names asked for that were not answered yet. */
  #fresh = new Set<string>();
  /** Of what was sent on demand: name to version, empty where that is not to be relied on. */
  readonly #sent = new Map<string, string>();
  /** What a wildcard client says it has, until its first response. */
  #resume: ReadonlyMap<string, string> | null = null;
  /** Everything is to be looked at, not only what changed. */
  #whole = true;
  /** Whether a response must be sent even if it is empty. */
  #owed = true;
  /** It has heard of what came or changed up to here, and of what went. */
  #heardAt = 0;
  #heardGoneAt = 0;

  /** @param first the first request of this type on the stream */
  constructor(context: WatchContext, first: DeltaDiscoveryRequest) {
    this.#c = context;
    const { initialResourceVersions: has, resourceNamesSubscribe: names } = first;
    this.#subscribe(names.length === 0 ? [WILDCARD] : names, first.resourceNamesUnsubscribe);
    if (this.#wildcard) {
      this.#resume = has;
      return;
    }
    const not = new Set(first.resourceNamesUnsubscribe);
    for (const [name, version] of has) {
      if (not.has(name)) continue;
      this.#ask(name);
      this.#sent.set(name, version);
    }
  }

  /** Names that it keeps. */
  get size(): number {
    return this.#asked.size + this.#sent.size;
  }
  get isWildcard(): boolean {
    return this.#wildcard;
  }
  /** It must still be told of what went after this. */
  get heardGoneAt(): number {
    return this.#whole ? Infinity : this.#heardGoneAt;
  }
  /** Up to where nothing waits to be sent. */
  get settledAt(): number {
    return this.#whole || this.#c.served.table.changedAt > this.#heardAt ? this.#heardAt : Infinity;
  }
  /** Whether names that went were forgotten before it heard of them. */
  get isLost(): boolean {
    return !this.#whole && this.#heardGoneAt < this.#c.served.table.horizon;
  }
  get names(): readonly string[] {
    return this.#wildcard ? [WILDCARD] : [...this.#asked];
  }
  get sentCount(): number | null {
    return this.#wildcard ? null : this.#sent.size;
  }

  /** Takes a later request: an answer to a response, a change of names, or both. */
  hear(request: DeltaDiscoveryRequest): "stale" | "heard" {
    const { responseNonce: nonce, errorDetail } = request;
    if (nonce !== "" && !this.answers.hear(nonce, errorDetail === null ? null : errorDetail.message)) return "stale";
    this.#subscribe(request.resourceNamesSubscribe, request.resourceNamesUnsubscribe);
    return "heard";
  }

  /**
   * What the client must be told now and, once told, has; null: nothing, or not before it answered.
   * @param goneUpTo what went later is not told yet
   */
  take(goneUpTo: number): ResourceBatch | null {
    if (this.answers.isAwaiting && this.#c.served.answers !== "late") return null;
    const now = this.#c.served.table.changedAt;
    const upTo = Math.min(now, goneUpTo);
    const batch = this.#wildcard ? this.#takeAll(now, upTo) : this.#takeAsked(now, upTo);
    const owed = this.#owed || this.#fresh.size > 0;
    this.#owed = false;
    this.#whole = false;
    this.#fresh = new Set();
    return owed || !batch.isEmpty ? batch : null;
  }

  #takeAll(now: number, goneUpTo: number): ResourceBatch {
    const { served, scopeKey, shared } = this.#c;
    const resume = this.#whole ? this.#resume : null;
    const fresh = [...this.#fresh].filter((name) => name !== WILDCARD);
    const from = this.#whole ? 0 : this.#heardAt;
    const fromGone = this.#whole ? now : this.#heardGoneAt;
    const make = (): ResourceBatch => this.#changes(from, fromGone, goneUpTo);
    this.#resume = null;
    this.#heardAt = now;
    this.#heardGoneAt = Math.max(fromGone, goneUpTo);
    if (resume !== null && resume.size > 0) return this.#withFresh(this.#difference(resume), fresh);
    if (fresh.length > 0) return this.#withFresh(make(), fresh);
    return shared.get(`${served.typeUrl} ${scopeKey} ${from} ${fromGone} ${goneUpTo} ${now}`, make);
  }

  /** What came or changed after `from`, and what went between `fromGone` and `goneUpTo`. */
  #changes(from: number, fromGone: number, goneUpTo: number): ResourceBatch {
    const { served, scope } = this.#c;
    const items: Item[] = [];
    const removed: string[] = [];
    for (const item of served.table.changedAfter(Math.min(from, fromGone))) {
      const had = item.since <= from && (served.isOf?.(item) ?? true);
      if (isFor(item, served, scope)) {
        if (item.at > from) items.push(item);
      } else if (item.version === "") {
        if (item.at > fromGone && item.at <= goneUpTo && had) removed.push(item.name);
      } else if (item.at > from && had) removed.push(item.name); // it can no longer be told of it
    }
    return new ResourceBatch(formOf(served, "delta"), items.reverse(), removed.reverse());
  }

  /** What differs from what a client says it has. */
  #difference(has: ReadonlyMap<string, string>): ResourceBatch {
    const { served, scope } = this.#c;
    const items: Item[] = [];
    let known = 0;
    for (const item of served.table.items()) {
      if (!isFor(item, served, scope)) continue;
      const version = has.get(item.name);
      if (version !== undefined) known += 1;
      if (version !== item.version) items.push(item);
    }
    const removed = known === has.size ? [] : [...has.keys()].filter((name) => !this.#isThere(name));
    return new ResourceBatch(formOf(served, "delta"), items, removed);
  }

  /** Adds what was asked for by name although everything is. */
  #withFresh(batch: ResourceBatch, fresh: readonly string[]): ResourceBatch {
    if (fresh.length === 0) return batch;
    const { found, missing } = this.#resolve(fresh);
    const items = new Map([...batch.items, ...found].map((item) => [item.name, item]));
    return new ResourceBatch(batch.form, [...items.values()], [...new Set([...batch.removed, ...missing])]);
  }

  #takeAsked(now: number, goneUpTo: number): ResourceBatch {
    const { served, scope } = this.#c;
    const { found, missing } = this.#resolve([...this.#fresh]);
    const told = new Map(found.map((item) => [item.name, item]));
    const removed = new Set(missing);
    if (scope.node !== "" && (this.#whole || this.#fresh.size > 0))
      for (const name of served.lookup?.ofNode(scope.node) ?? []) this.#tell(name, told);
    const from = this.#whole ? now : this.#heardAt;
    for (const item of served.table.changedAfter(Math.min(from, this.#heardGoneAt))) {
      if (isFor(item, served, scope)) {
        if (item.at > from && this.#concerns(item)) for (const name of this.#withMembers(item)) this.#tell(name, told);
      } else if (item.at > this.#heardGoneAt && item.at <= goneUpTo && this.#sent.has(item.name))
        removed.add(item.name);
    }
    const items = [...told.values()].filter((item) => this.#sent.get(item.name) !== item.version);
    items.sort((a, b) => a.at - b.at);
    for (const name of removed) this.#sent.delete(name);
    for (const item of items) this.#sent.set(item.name, item.version);
    this.#heardAt = now;
    this.#heardGoneAt = Math.max(this.#heardGoneAt, goneUpTo);
    return new ResourceBatch(formOf(served, "delta", "aliases"), items, [...removed]);
  }

  #concerns(item: Item): boolean {
    return this.#sent.has(item.name) || this.#asked.has(item.name) || this.#isWantedOtherwise(item.name);
  }

  /** Whether a name is wanted although it is not asked for as such. */
  #isWantedOtherwise(name: string): boolean {
    const item = this.#c.served.table.last(name);
    if (item === null) return false;
    const { node } = this.#c.scope;
    return (node !== "" && item.node === node) || item.aliases.some((alias) => this.#asked.has(alias));
  }

  /** A resource that changed, and what comes with it: workloads of a service. */
  #withMembers(item: Item): readonly string[] {
    return item.node === "" && this.#c.served.lookup !== undefined
      ? [item.name, ...this.#c.served.lookup.find(item.name)]
      : [item.name];
  }

  #tell(name: string, told: Map<string, Item>): void {
    const item = this.#c.served.table.get(name);
    if (item !== null && isFor(item, this.#c.served, this.#c.scope)) told.set(name, item);
  }

  #resolve(names: readonly string[]): { readonly found: readonly Item[]; readonly missing: readonly string[] } {
    const found = new Map<string, Item>();
    const missing: string[] = [];
    for (const name of names) {
      const before = found.size;
      const stands = this.#c.served.lookup?.find(name) ?? [];
      for (const one of stands.length === 0 ? [name] : stands) this.#tell(one, found);
      if (found.size === before && !stands.some((one) => found.has(one)) && !found.has(name)) missing.push(name);
    }
    return { found: [...found.values()], missing };
  }

  #isThere(name: string): boolean {
    const item = this.#c.served.table.get(name);
    return item !== null && isFor(item, this.#c.served, this.#c.scope);
  }

  /** Asked for anew it is sent anew, whatever the client had; that it has something is still so. */
  #ask(name: string): void {
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    this.#fresh.add(name);
    if (this.#sent.has(name)) this.#sent.set(name, "");
  }

  #subscribe(names: readonly string[], not: readonly string[]): void {
    const gone = new Set(not);
    const wasWildcard = this.#wildcard;
    for (const name of names) {
      if (gone.has(name)) continue;
      if (name !== WILDCARD) this.#ask(name);
      else this.#wildcard = true;
    }
    if (gone.has(WILDCARD)) this.#wildcard = false;
    for (const name of gone) {
      this.#asked.delete(name);
      this.#fresh.delete(name);
      // It forgets the resource by itself and must not be told so, unless it has it for another reason.
      if (!this.#isWantedOtherwise(name)) this.#sent.delete(name);
    }
    if (this.#wildcard === wasWildcard) return;
    if (this.#wildcard) this.#becomeWildcard();
    else this.#leaveWildcard();
  }

  #becomeWildcard(): void {
    this.#whole = true;
    this.#owed = true;
    this.#resume = new Map(this.#sent);
    this.#sent.clear();
  }

  /** What was not asked for by name is forgotten on both sides; of the rest the version is not known. */
  #leaveWildcard(): void {
    this.#resume = null;
    for (const name of this.#asked) this.#sent.set(name, "");
  }
}
