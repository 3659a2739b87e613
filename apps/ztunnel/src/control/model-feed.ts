import type { AddressUpdate, IdentityChange } from "@lateen/workload-model";
import { type Authorization, PolicyStore } from "@lateen/policy";
import { WorkloadStore } from "@lateen/workload-model";
import type { DataThreads } from "./data-threads.ts";

/** The control thread's copy of the model: it answers `config_dump` and says which identities this node needs. */
export class ModelFeed {
  readonly workloads: WorkloadStore;
  readonly policies = new PolicyStore();
  readonly #threads: Pick<DataThreads, "send">;
  readonly #identities: (change: IdentityChange) => void;

  /** @param identities hears which SPIFFE URIs the workloads of this node began or ceased to need */
  constructor(node: string, threads: Pick<DataThreads, "send">, identities: (change: IdentityChange) => void) {
    this.workloads = new WorkloadStore(node || null);
    this.#threads = threads;
    this.#identities = identities;
  }

  /** Applies one response of the Address type here and on every data thread. */
  addresses(update: AddressUpdate): void {
    const change = this.workloads.apply(update);
    this.#threads.send({ t: "addresses", update });
    if (change.added.length + change.removed.length > 0) this.#identities(change);
  }

  /** Applies one response of the Authorization type here and on every data thread. */
  authorizations(upserted: readonly Authorization[], removed: readonly string[]): void {
    for (const key of removed) this.policies.remove(key);
    for (const policy of upserted) this.policies.upsert(policy);
    this.#threads.send({ t: "authorizations", upserted, removed });
  }
}
