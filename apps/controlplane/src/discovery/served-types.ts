import type { MeshLookup } from "@lateen/translation";
import { Capability, type ClientNode, type ClientScope, type NameLookup, type ServedType, honours } from "@lateen/xds";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  PROXY_CONFIG_TYPE,
  WORKLOAD_TYPE,
  workloadInAddress,
} from "@lateen/xds-types";
import type { ResourceStore } from "./resource-store.ts";

/** A workload that names a policy nobody delivered yet would be open. */
export const PUSH_ORDER = { first: AUTHORIZATION_TYPE, second: ADDRESS_TYPE } as const;

/** What is served to whom (control-plane 1.5), in the order in which it is pushed. */
export class ServedTypes {
  readonly #nodeProxy: readonly ServedType[];
  readonly #waypoint: readonly ServedType[];

  constructor(store: ResourceStore, lookup: MeshLookup) {
    const names: NameLookup = {
      find(name) {
        const { services, workloads } = lookup.find(name);
        return [...services.map((s) => `${s.namespace}/${s.hostname}`), ...workloads.map((w) => w.uid)];
      },
      ofNode: (node) => lookup.onNode(node).map((w) => w.uid),
    };
    const workloads: ServedType = {
      typeUrl: WORKLOAD_TYPE,
      table: store.addresses,
      recast: workloadInAddress,
      isOf: ({ kind }) => kind === "workload",
      lookup: names,
    };
    const bundle: ServedType = { typeUrl: PROXY_CONFIG_TYPE, table: store.bundles, answers: "late" };
    this.#nodeProxy = [
      { typeUrl: AUTHORIZATION_TYPE, table: store.authorizations },
      { typeUrl: ADDRESS_TYPE, table: store.addresses, lookup: names },
      ...[workloads, bundle],
    ];
    this.#waypoint = [workloads, bundle];
  }

  for({ type }: ClientNode): readonly ServedType[] {
    if (type === "ztunnel") return this.#nodeProxy;
    return type === "waypoint" ? this.#waypoint : [];
  }
}

/** What of it a client is told. */
export function scopeOf(node: ClientNode): ClientScope & { readonly key: string } {
  const can = Object.values(Capability).filter((need) => honours(node, need));
  return { node: node.nodeName, honours: (need) => can.some((c) => c === need), key: can.join(",") };
}
