import type { Graph, Index } from "@lateen/collections";
import { type Service, type Workload, networkKey } from "@lateen/workload-model";
import type { MeshModel } from "./mesh-model.ts";

/** What a name stands for; both empty when nobody knows it. */
export interface Found {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
}

const NOTHING: Found = { workloads: [], services: [] };

/**
 * Finds workloads and services by the names that a proxy may ask for on demand: a uid, `namespace/hostname` or `network/ip`.
 * A service brings its workloads with it.
 * @see control-plane 1.6
 */
export class MeshLookup {
  readonly #model: MeshModel;
  readonly #workloadsByAddress: Index<Workload>;
  readonly #workloadsByService: Index<Workload>;
  readonly #workloadsByNode: Index<Workload>;
  readonly #servicesByAddress: Index<Service>;

  /** Declares indexes in the model's graph. */
  constructor(graph: Graph, model: MeshModel) {
    this.#model = model;
    this.#workloadsByAddress = graph.index(model.workloads, "address", (w) =>
      w.addresses.map((ip) => networkKey(w.network, ip)),
    );
    this.#workloadsByService = graph.index(model.workloads, "service", (w) => [...w.services.keys()]);
    this.#workloadsByNode = graph.index(model.workloads, "node", (w) => (w.node === "" ? [] : [w.node]));
    this.#servicesByAddress = graph.index(model.services, "address", (s) =>
      s.addresses.filter((a) => a.length === null).map((a) => networkKey(a.network, a.ip)),
    );
  }

  find(name: string): Found {
    const workload = this.#model.workloads.get(name) ?? byPrecedence(this.#workloadsByAddress.lookup(name));
    if (workload !== undefined) return { workloads: [workload], services: [] };
    const named = this.#model.services.get(name);
    const services = named === undefined ? this.#servicesByAddress.lookup(name) : [named];
    if (services.length === 0) return NOTHING;
    const members = services.flatMap((s) => this.ofService(`${s.namespace}/${s.hostname}`));
    return { services, workloads: [...new Set(members)] };
  }

  /** @param key `namespace/hostname` */
  ofService(key: string): readonly Workload[] {
    return this.#workloadsByService.lookup(key);
  }

  onNode(node: string): readonly Workload[] {
    return this.#workloadsByNode.lookup(node);
  }
}

/** Of several workloads with an address the pod that has it for itself, then any pod, then the first by uid. */
function byPrecedence(all: readonly Workload[]): Workload | undefined {
  const isPod = (w: Workload): boolean => w.uid.startsWith(`${w.clusterId}//Pod/`);
  return all.find((w) => isPod(w) && w.networkMode === "STANDARD") ?? all.find(isPod) ?? all[0];
}
