import { ResourceTable, Sequence, type TableEntry } from "@lateen/xds";
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, PROXY_CONFIG_TYPE } from "@lateen/xds-types";

/** A resource to be put into the store; its version follows from its body. */
export type NewResource = Omit<TableEntry, "version">;

type StoredType = typeof ADDRESS_TYPE | typeof AUTHORIZATION_TYPE | typeof PROXY_CONFIG_TYPE;

/** The encoded resources of each type. The single source of every xDS stream. */
export class ResourceStore {
  readonly addresses: ResourceTable;
  readonly authorizations: ResourceTable;
  readonly bundles: ResourceTable;
  readonly #sequence = new Sequence();
  readonly #listeners = new Set<() => void>();
  readonly #hash: (body: Uint8Array) => string;

  /** @param hash a short text that is equal exactly for equal bytes */
  constructor(hash: (body: Uint8Array) => string) {
    this.#hash = hash;
    this.addresses = new ResourceTable(ADDRESS_TYPE, this.#sequence);
    this.authorizations = new ResourceTable(AUTHORIZATION_TYPE, this.#sequence);
    this.bundles = new ResourceTable(PROXY_CONFIG_TYPE, this.#sequence);
  }

  /** Changes so far. */
  get version(): number {
    return this.#sequence.value;
  }

  /** Puts a batch; null removes. What is equal to what is there changes nothing. */
  put(typeUrl: StoredType, changes: Iterable<readonly [name: string, resource: NewResource | null]>): void {
    const { addresses, authorizations, bundles } = this;
    const table = [addresses, authorizations, bundles].find((t) => t.typeUrl === typeUrl) ?? addresses;
    for (const [name, resource] of changes)
      table.set(name, resource === null ? null : { ...resource, version: this.#hash(resource.body) });
  }

  /** Tells listeners, once for all that was put since, if anything changed. */
  announce(): void {
    if (this.#announced === this.version) return;
    this.#announced = this.version;
    for (const listener of this.#listeners) listener();
  }
  #announced = 0;

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
