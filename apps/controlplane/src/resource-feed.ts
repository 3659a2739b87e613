import type { Change, Collection } from "@lateen/collections";
import type { Authorization } from "@lateen/policy";
import type { MeshModel } from "@lateen/translation";
import { type Service, type Workload, networkKey } from "@lateen/workload-model";
import { Capability } from "@lateen/xds";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAuthorization,
  encodeService,
  encodeWorkload,
} from "@lateen/xds-types";
import type { NewResource, ResourceStore } from "./discovery/resource-store.ts";

type Waiting = Map<string, NewResource | null>;

/** Encodes what the model tells and puts it into the store, one batch per step of the graph. */
export class ResourceFeed implements Disposable {
  readonly #store: ResourceStore;
  readonly #onError: (name: string, error: unknown) => void;
  readonly #addresses: Waiting = new Map();
  readonly #authorizations: Waiting = new Map();
  readonly #subscriptions: readonly Disposable[];

  /** @param onError a resource that cannot be encoded keeps its last good form */
  constructor(model: MeshModel, store: ResourceStore, onError: (name: string, error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
    this.#subscriptions = [
      this.#collect(model.workloads, workloadResource, this.#addresses),
      this.#collect(model.services, serviceResource, this.#addresses),
      this.#collect(model.authorizations, authorizationResource, this.#authorizations),
    ];
  }

  /**
   * Hands on what has been collected. Policies come before the workloads that name them and go after these: a proxy skips
   * policies that it does not know.
   */
  flush(): void {
    const policies = [...this.#authorizations];
    this.#store.put(
      AUTHORIZATION_TYPE,
      policies.filter(([, resource]) => resource !== null),
    );
    this.#store.put(ADDRESS_TYPE, this.#addresses);
    this.#store.put(
      AUTHORIZATION_TYPE,
      policies.filter(([, resource]) => resource === null),
    );
    this.#authorizations.clear();
    this.#addresses.clear();
    this.#store.announce();
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #collect<T>(from: Collection<T>, encode: (value: T) => NewResource, into: Waiting): Disposable {
    return from.subscribe((changes: readonly Change<T>[]) => {
      for (const { key, after } of changes) {
        try {
          into.set(key, after === undefined ? null : encode(after));
        } catch (error) {
          this.#onError(key, error);
        }
      }
    });
  }
}

function workloadResource(w: Workload): NewResource {
  const aliases = w.addresses.map((ip) => networkKey(w.network, ip));
  return { kind: "workload", body: encodeWorkload(w), node: w.node, aliases };
}

function serviceResource(s: Service): NewResource {
  const aliases = s.addresses.map((a) =>
    a.length === null ? networkKey(a.network, a.ip) : `${networkKey(a.network, a.ip)}/${a.length}`,
  );
  const needs = s.loadBalancing?.mode === "PASSTHROUGH" ? [Capability.PassthroughService] : [];
  return { kind: "service", body: encodeService(s), aliases, needs };
}

function authorizationResource(policy: Authorization): NewResource {
  return { body: encodeAuthorization(policy), needs: policy.dryRun ? [Capability.DryRunPolicy] : [] };
}
