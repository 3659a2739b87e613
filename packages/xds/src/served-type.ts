import { type BatchForm, type Recast, type ResourceBatch } from "./resource-batch.ts";
import type { Item, ResourceTable } from "./resource-table.ts";

/** Names by which resources may be asked for on demand. */
export interface NameLookup {
  /** Names of the resources that a name stands for: a service brings its workloads. */
  find(name: string): readonly string[];
  /** Names of the resources of a node. */
  ofNode(node: string): readonly string[];
}

/** A type that streams may subscribe to. */
export interface ServedType {
  readonly typeUrl: string;
  readonly table: ResourceTable;
  /** When the table holds another type: what of each resource is of this one. */
  readonly recast?: Recast;
  /** Whether a resource is of this type, when the table holds others too. */
  readonly isOf?: (item: Item) => boolean;
  /** `late`: a client answers when it has done what it was told, which may take long; it is told of changes all the same. */
  readonly answers?: "late";
  /** Without it names stand for themselves alone. */
  readonly lookup?: NameLookup;
}

/** What a client is told, as far as it depends on who it is. */
export interface ClientScope {
  /** The client's node: its resources need not be asked for. */
  readonly node: string;
  /** Whether the client can honour what a resource needs. */
  honours(need: string): boolean;
}

export const ANY_CLIENT: ClientScope = { node: "", honours: () => true };

/** Whether an item is for this client: it is there, of the type, and the client can honour it. */
export function isFor(item: Item, served: ServedType, scope: ClientScope): boolean {
  if (item.version === "") return false;
  return (served.isOf?.(item) ?? true) && item.needs.every((need) => scope.honours(need));
}

export function formOf(
  served: ServedType,
  variant: BatchForm["variant"],
  aliases: BatchForm["aliases"] = "bare",
): BatchForm {
  return { typeUrl: served.typeUrl, recast: served.recast ?? null, variant, aliases };
}

const MAX_SHARED = 16;

/** Batches that several clients wait for, made once. Clients that keep up all wait for the same. */
export class SharedBatches {
  readonly #made = new Map<string, ResourceBatch>();

  /** @param key says all that the batch depends on */
  get(key: string, make: () => ResourceBatch): ResourceBatch {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    for (const oldest of this.#made.keys()) {
      if (this.#made.size < MAX_SHARED) break;
      this.#made.delete(oldest);
    }
    const made = make();
    this.#made.set(key, made);
    return made;
  }
}

/** Names that all clients together may have asked for. */
export class NameBudget {
  readonly max: number;
  #used = 0;

  constructor(max: number) {
    this.max = max;
  }
  get used(): number {
    return this.#used;
  }
  /** @returns false, and takes nothing, when there is no room */
  take(count: number): boolean {
    if (this.#used + count > this.max) return false;
    this.#used += count;
    return true;
  }
  give(count: number): void {
    this.#used -= count;
  }
}
