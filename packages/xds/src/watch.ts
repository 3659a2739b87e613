import type { DeltaDiscoveryRequest } from "@lateen/xds-types";

/** The current resources of one type: name to its version, which is never empty and changes exactly when the content does. */
export type ResourceIndex = ReadonlyMap<string, { readonly version: string }>;

/** A subscription as debugging shows it. */
export interface TypeState {
  readonly wildcard: boolean;
  readonly names: number;
  readonly resources: number;
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly awaiting: boolean;
  readonly lastError: string | null;
}

export interface Difference {
  readonly resources: readonly string[];
  readonly removed: readonly string[];
}

const WILDCARD = "*";

/** One type on one stream: what the client wants, what it has, and what it still has to be told. */
export class Watch {
  #wildcard = false;
  /** Names asked for one by one. */
  readonly #names = new Set<string>();
  /** What the client has, as far as we know: name to version. */
  readonly #has = new Map<string, string>();
  /** Names that may have changed since the last response; null: any may have. */
  #dirty: Set<string> | null = null;
  /** Names whose state must be told even if it is that there is no such thing. */
  readonly #asked = new Set<string>();
  /** Whether a response must be sent even if it is empty. */
  #owed = true;
  #nonceSent = "";
  #nonceAcked = "";
  #awaiting = false;
  #lastError: string | null = null;

  /** @param first the first request of this type on the stream */
  constructor(first: DeltaDiscoveryRequest) {
    for (const [name, version] of first.initialResourceVersions) this.#has.set(name, version);
    this.#subscribe([...first.resourceNamesSubscribe, ...this.#has.keys()], first.resourceNamesUnsubscribe);
    if (first.resourceNamesSubscribe.length === 0) this.#becomeWildcard();
    for (const name of first.resourceNamesSubscribe) if (this.#names.has(name)) this.#asked.add(name);
  }

  /** Names asked for one by one, or held. */
  get size(): number {
    return Math.max(this.#names.size, this.#has.size);
  }

  state(): TypeState {
    return {
      wildcard: this.#wildcard,
      names: this.#names.size,
      resources: this.#has.size,
      nonceSent: this.#nonceSent,
      nonceAcked: this.#nonceAcked,
      awaiting: this.#awaiting,
      lastError: this.#lastError,
    };
  }

  /** Takes a later request: an answer to a response, a change of names, or both. */
  hear(request: DeltaDiscoveryRequest): "stale" | "heard" {
    const { responseNonce: nonce, errorDetail } = request;
    if (nonce !== "" && nonce !== this.#nonceSent) return "stale";
    if (nonce !== "") {
      this.#awaiting = false;
      this.#lastError = errorDetail === null ? null : errorDetail.message;
      if (errorDetail === null) this.#nonceAcked = nonce;
    }
    const fresh = request.resourceNamesSubscribe.filter((n) => n !== WILDCARD && !this.#names.has(n));
    const wasWildcard = this.#wildcard;
    this.#subscribe(request.resourceNamesSubscribe, request.resourceNamesUnsubscribe);
    if (this.#wildcard && !wasWildcard) this.#becomeWildcard();
    for (const name of fresh)
      if (this.#names.has(name) || this.#wildcard) {
        // Asked for again, so sent again, whatever it had.
        this.#has.delete(name);
        this.#asked.add(name);
        this.#dirty?.add(name);
      }
    return "heard";
  }

  /** Notes that names changed; null: any may have. */
  mark(names: ReadonlySet<string> | null): void {
    if (names === null) this.#dirty = null;
    else if (this.#dirty !== null) for (const name of names) this.#dirty.add(name);
  }

  /** What the client must be told now and, once told, has; null: nothing, or not before it answered. */
  take(index: ResourceIndex): Difference | null {
    if (this.#awaiting) return null;
    const resources: string[] = [];
    const removed: string[] = [];
    for (const name of this.#candidates(index)) {
      const version = this.#wants(name) ? index.get(name)?.version : undefined;
      if (version === undefined) {
        if (this.#has.delete(name) || (this.#asked.has(name) && this.#wants(name))) removed.push(name);
      } else if (this.#has.get(name) !== version) {
        this.#has.set(name, version);
        resources.push(name);
      }
    }
    const owed = this.#owed || this.#asked.size > 0;
    this.#owed = false;
    this.#asked.clear();
    this.#dirty = new Set();
    return owed || resources.length + removed.length > 0 ? { resources, removed } : null;
  }

  sent(nonce: string): void {
    this.#nonceSent = nonce;
    this.#awaiting = true;
  }

  #candidates(index: ResourceIndex): Iterable<string> {
    if (this.#dirty !== null) return [...this.#dirty];
    const wanted = this.#wildcard ? index.keys() : this.#names;
    return new Set([...wanted, ...this.#has.keys(), ...this.#asked]);
  }

  #wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  #becomeWildcard(): void {
    this.#wildcard = true;
    this.#dirty = null;
    this.#owed = true;
  }

  /** What was not asked for by name is forgotten on both sides. */
  #leaveWildcard(): void {
    this.#wildcard = false;
    for (const name of [...this.#has.keys()]) if (!this.#names.has(name)) this.#has.delete(name);
  }

  #subscribe(names: readonly string[], not: readonly string[]): void {
    const gone = new Set(not);
    for (const name of names) {
      if (gone.has(name)) continue;
      if (name === WILDCARD) this.#wildcard = true;
      else this.#names.add(name);
    }
    if (gone.has(WILDCARD) && this.#wildcard) this.#leaveWildcard();
    for (const name of gone) {
      this.#names.delete(name);
      // It forgets the resource by itself and must not be told so.
      if (!this.#wildcard) this.#has.delete(name);
    }
  }
}
