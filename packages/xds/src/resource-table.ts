import {
  createAny,
  createResource,
  createDeltaDiscoveryResponse,
  encodeDeltaDiscoveryResponse,
} from "@lateen/xds-types";

/** A resource to be served. */
export interface TableEntry {
  /** Content hash: never empty, and different exactly when the content is. */
  readonly version: string;
  readonly body: Uint8Array;
  /** Other names under which clients may ask for it. */
  readonly aliases?: readonly string[];
  /** The node that it belongs to; clients of that node get it without asking. */
  readonly node?: string;
  /** Which of several kinds it is, where a table holds several. */
  readonly kind?: string;
  /** What a client must be able to honour to be told of it. */
  readonly needs?: readonly string[];
}

/** The last state of a name. Never changed: a name that changes gets another one. */
export interface Item {
  readonly name: string;
  /** Empty when the resource is gone. */
  readonly version: string;
  /** A `resources` field of a delta response, encoded once for all clients; empty when the resource is gone. */
  readonly wire: Uint8Array;
  /** Kept of a resource that is gone, as its node and kind are. */
  readonly aliases: readonly string[];
  readonly node: string;
  readonly kind: string;
  readonly needs: readonly string[];
  /** When it got into this state, as a number of the store's sequence. */
  readonly at: number;
  /** When the name came into being: who has heard of nothing since then never had it. */
  readonly since: number;
}

/** Counts changes over all tables of a store, so that changes of different tables can be compared. */
export class Sequence {
  value = 0;
}

class Link implements Item {
  readonly name: string;
  readonly version: string;
  readonly wire: Uint8Array;
  readonly aliases: readonly string[];
  readonly node: string;
  readonly kind: string;
  readonly needs: readonly string[];
  readonly at: number;
  readonly since: number;
  older: Link | null = null;
  newer: Link | null = null;

  constructor(
    name: string,
    entry: TableEntry | null,
    o: { readonly wire: Uint8Array; readonly at: number; readonly before: Link | null },
  ) {
    const { before } = o;
    this.name = name;
    this.version = entry?.version ?? "";
    this.wire = o.wire;
    // Of what is gone it is kept what it was.
    this.aliases = (entry ?? before)?.aliases ?? NONE;
    this.node = (entry ?? before)?.node ?? "";
    this.kind = (entry ?? before)?.kind ?? "";
    this.needs = entry?.needs ?? NONE;
    this.at = o.at;
    this.since = before?.since ?? o.at;
  }
}

const NONE: readonly string[] = [];
const NO_BYTES = new Uint8Array(0);
/** Names that are gone and still remembered for clients that have not heard of it. */
const MAX_GONE = 100_000;

/**
 * The resources of one type, in the order in which they last changed. What a client still has to hear is what changed after the
 * last change it heard of, so a client costs a number, whatever it waits for; changes of one name that it missed are one.
 */
export class ResourceTable {
  readonly typeUrl: string;
  readonly #sequence: Sequence;
  readonly #maxGone: number;
  readonly #names = new Map<string, Link>();
  #newest: Link | null = null;
  #oldest: Link | null = null;
  #size = 0;
  #bytes = 0;
  #horizon = 0;

  constructor(typeUrl: string, sequence: Sequence, maxGone = MAX_GONE) {
    this.typeUrl = typeUrl;
    this.#sequence = sequence;
    this.#maxGone = maxGone;
  }

  /** Resources there are. */
  get size(): number {
    return this.#size;
  }
  /** Bytes of a response with all of them. */
  get bytes(): number {
    return this.#bytes;
  }
  /** When anything last changed. */
  get changedAt(): number {
    return this.#newest?.at ?? 0;
  }
  /** Who has heard of nothing since then cannot be told any more what is gone. */
  get horizon(): number {
    return this.#horizon;
  }
  /** Names that are gone and remembered. */
  get gone(): number {
    return this.#names.size - this.#size;
  }

  /** @returns null when there is no such resource */
  get(name: string): Item | null {
    const node = this.#names.get(name);
    return node === undefined || node.version === "" ? null : node;
  }

  /** As `get`, but also what is known of a resource that is gone. */
  last(name: string): Item | null {
    return this.#names.get(name) ?? null;
  }

  /** Puts a resource, or takes it away. @returns whether that changed anything */
  set(name: string, entry: TableEntry | null): boolean {
    const before = this.#names.get(name);
    if ((before?.version ?? "") === (entry?.version ?? "")) return false;
    const at = (this.#sequence.value += 1);
    const wire = entry === null ? NO_BYTES : encodeResource(this.typeUrl, name, entry);
    const node = new Link(name, entry, { wire, at, before: before ?? null });
    if (before !== undefined) this.#unlink(before);
    this.#append(node);
    this.#names.set(name, node);
    this.#size += (entry === null ? 0 : 1) - (before === undefined || before.version === "" ? 0 : 1);
    this.#bytes += wire.length - (before?.wire.length ?? 0);
    if (this.gone > this.#maxGone) this.#forgetOldest();
    return true;
  }

  /** Everything that got into its state after `at`, the newest first. */
  *changedAfter(at: number): Generator<Item, void, undefined> {
    for (let node = this.#newest; node !== null && node.at > at; node = node.older) yield node;
  }

  /** All resources, in the order of their last change. */
  *items(): Generator<Item, void, undefined> {
    for (let node = this.#oldest; node !== null; node = node.newer) if (node.version !== "") yield node;
  }

  /** Forgets names that were gone by `at`: every client has heard of them. */
  forgetGone(at: number): void {
    for (let node = this.#oldest; node !== null && node.at <= at; node = node.newer)
      if (node.version === "") this.#drop(node);
  }

  /** Half of the names that are gone, the longest gone first. */
  #forgetOldest(): void {
    const keep = Math.floor(this.#maxGone / 2);
    for (let node = this.#oldest; node !== null && this.gone > keep; node = node.newer)
      if (node.version === "") {
        this.#drop(node);
        this.#horizon = node.at;
      }
  }

  #drop(node: Link): void {
    this.#names.delete(node.name);
    this.#unlink(node);
  }

  #append(node: Link): void {
    node.older = this.#newest;
    if (this.#newest === null) this.#oldest = node;
    else this.#newest.newer = node;
    this.#newest = node;
  }

  /** Keeps the node's own links, for who is walking over it. */
  #unlink(node: Link): void {
    if (node.older === null) this.#oldest = node.newer;
    else node.older.newer = node.newer;
    if (node.newer === null) this.#newest = node.older;
    else node.newer.older = node.older;
  }
}

/** A message is its fields one after another, so a field that was encoded alone can be put between others. */
export function encodeResource(
  typeUrl: string,
  name: string,
  entry: { readonly version: string; readonly body: Uint8Array; readonly aliases?: readonly string[] },
  withAliases: "aliases" | "bare" = "bare",
): Uint8Array {
  const resource = createResource({
    name,
    version: entry.version,
    resource: createAny({ typeUrl, value: entry.body }),
    aliases: withAliases === "aliases" ? [...(entry.aliases ?? [])] : [],
  });
  // A copy: the encoder's own buffer is up to twice as large.
  return encodeDeltaDiscoveryResponse(createDeltaDiscoveryResponse({ resources: [resource] })).slice();
}
