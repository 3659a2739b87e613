import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  createDeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
} from "@lateen/xds-types";
import { DeltaServer } from "./delta-server.ts";
import { encodeResponse } from "./resource-batch.ts";
import { ResourceTable, Sequence, type TableEntry } from "./resource-table.ts";
import {
  ANY_CLIENT,
  type ClientScope,
  type NameBudget,
  type NameLookup,
  type ServedType,
  SharedBatches,
} from "./served-type.ts";
import type { ServerEffect } from "./stream-messages.ts";

export const A = "type/A";
export const B = "type/B";

/** What a test puts into a table: a version is content enough. */
export const entry = (version: string, over: Partial<TableEntry> = {}): TableEntry => ({
  version,
  body: new TextEncoder().encode(version),
  ...over,
});

/** A send effect as far as most tests look. */
export interface Sent {
  readonly nonce: string;
  readonly type: string;
  readonly names: readonly string[];
  readonly removed: readonly string[];
}

interface RigOptions {
  readonly maxNames?: number;
  readonly lookup?: NameLookup;
  readonly scope?: ClientScope;
  readonly maxGone?: number;
  readonly budget?: NameBudget;
}

/** Two types, B of which names what is in A, and one stream. */
export class Rig {
  readonly sequence = new Sequence();
  readonly a: ResourceTable;
  readonly b: ResourceTable;
  readonly shared = new SharedBatches();
  server: DeltaServer;
  #nonces = 0;
  readonly #o: RigOptions;

  constructor(resources: Readonly<Record<string, string>> = {}, o: RigOptions = {}) {
    this.#o = o;
    this.a = new ResourceTable(A, this.sequence, o.maxGone);
    this.b = new ResourceTable(B, this.sequence, o.maxGone);
    for (const [name, version] of Object.entries(resources)) this.b.set(name, entry(version));
    this.server = this.open();
  }

  open(): DeltaServer {
    const { lookup, scope = ANY_CLIENT, maxNames = 1_000, budget } = this.#o;
    return new DeltaServer({
      types: [
        { typeUrl: A, table: this.a },
        { typeUrl: B, table: this.b, ...(lookup === undefined ? {} : { lookup }) },
      ],
      order: { first: A, second: B },
      scope,
      scopeKey: "",
      shared: this.shared,
      nonce: () => String(++this.#nonces),
      maxNames,
      ...(budget === undefined ? {} : { budget }),
    });
  }

  /** A stream of B's table as another type. */
  as(how: Pick<ServedType, "isOf" | "recast" | "answers">): { readonly served: DeltaServer } {
    const types = [{ typeUrl: "type/pods", table: this.b, ...how }];
    const nonce = (): string => String(++this.#nonces);
    return { served: new DeltaServer({ types, scope: ANY_CLIENT, scopeKey: "", shared: this.shared, nonce }) };
  }

  /** Requests of B unless another type is named. */
  request(over: Partial<DeltaDiscoveryRequest> = {}): readonly unknown[] {
    const request = createDeltaDiscoveryRequest({ typeUrl: B, ...over });
    return this.server.step({ t: "request", request }).map(short);
  }
  ack(nonce: string, typeUrl = B): readonly unknown[] {
    return this.request({ responseNonce: nonce, typeUrl });
  }
  put(changes: Readonly<Record<string, string | null>>, table: ResourceTable = this.b): void {
    for (const [name, version] of Object.entries(changes)) table.set(name, version === null ? null : entry(version));
  }
  changed(): readonly unknown[] {
    return this.server.step({ t: "changed" }).map(short);
  }
  change(changes: Readonly<Record<string, string | null>>, table: ResourceTable = this.b): readonly unknown[] {
    this.put(changes, table);
    return this.changed();
  }
}

/** Effects as tests write them down. */
export function short(effect: ServerEffect): unknown {
  if (effect.t !== "send") return effect;
  const { nonce, typeUrl: type, batch } = effect;
  return { nonce, type, names: batch.names, removed: batch.removed } satisfies Sent;
}

export const sent = (nonce: string, names: readonly string[], removed: readonly string[] = [], type = B): Sent => ({
  nonce,
  type,
  names,
  removed,
});

/** What a client would read. */
export function onTheWire(effect: ServerEffect): DeltaDiscoveryResponse {
  if (effect.t !== "send") throw new TypeError(`nothing is sent: ${effect.t}`);
  const decoded = decodeDeltaDiscoveryResponse(
    encodeResponse(effect.batch, { nonce: effect.nonce, systemVersion: "s" }),
  );
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}
