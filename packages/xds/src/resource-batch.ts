import {
  createAny,
  createDeltaDiscoveryResponse,
  createDiscoveryResponse,
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from "@lateen/xds-types";
import { type Item, encodeResource } from "./resource-table.ts";

/** One resource of a table as another type than the table's; null: it is none of that type. */
export type Recast = (body: Uint8Array) => Uint8Array | null;

/** How the resources of a table go over the wire. */
export interface BatchForm {
  readonly typeUrl: string;
  readonly recast: Recast | null;
  readonly variant: "delta" | "state";
  /** Whether resources carry their other names. */
  readonly aliases: "aliases" | "bare";
}

/** What a response says of resources. The same batch goes to every client that waits for the same. */
export class ResourceBatch {
  readonly form: BatchForm;
  readonly items: readonly Item[];
  readonly removed: readonly string[];
  #wire: Uint8Array | null = null;

  constructor(form: BatchForm, items: readonly Item[], removed: readonly string[]) {
    this.form = form;
    this.items = items;
    this.removed = removed;
  }

  get isEmpty(): boolean {
    return this.items.length === 0 && this.removed.length === 0;
  }
  get names(): readonly string[] {
    return this.items.map((item) => item.name);
  }
  /** About as many bytes as it will have. */
  get bytes(): number {
    return this.#wire?.length ?? this.items.reduce((sum, item) => sum + item.wire.length, 0);
  }

  /** Its part of a response, encoded once. */
  get wire(): Uint8Array {
    return (this.#wire ??= concat(this.items.map((item) => encodeItem(item, this.form))));
  }
}

/** A whole response: what is the client's own, and the batch. `systemVersion` is for people only. */
export function encodeResponse(
  batch: ResourceBatch,
  o: { readonly nonce: string; readonly systemVersion: string },
): Uint8Array {
  const { typeUrl, variant } = batch.form;
  const { nonce, systemVersion } = o;
  const head =
    variant === "state"
      ? encodeDiscoveryResponse(createDiscoveryResponse({ typeUrl, nonce, versionInfo: systemVersion }))
      : encodeDeltaDiscoveryResponse(
          createDeltaDiscoveryResponse({
            typeUrl,
            nonce,
            systemVersionInfo: systemVersion,
            removedResources: [...batch.removed],
          }),
        );
  return concat([head, batch.wire]);
}

function encodeItem(item: Item, { typeUrl, recast, variant, aliases }: BatchForm): Uint8Array {
  if (recast === null && variant === "delta" && (aliases === "bare" || item.aliases.length === 0)) return item.wire;
  const whole = bodyOf(item);
  const body = recast === null ? whole : recast(whole);
  if (body === null) return new Uint8Array(0);
  if (variant === "delta") return encodeResource(typeUrl, item.name, { ...item, body }, aliases);
  return encodeDiscoveryResponse(createDiscoveryResponse({ resources: [createAny({ typeUrl, value: body })] }));
}

/** @returns the bytes of the resource itself, a view of its wire form */
export function bodyOf(item: Item): Uint8Array {
  const decoded = decodeDeltaDiscoveryResponse(item.wire);
  if (!decoded.ok) throw decoded.error; // our own encoding
  return decoded.value.resources[0]?.resource?.value ?? new Uint8Array(0);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
