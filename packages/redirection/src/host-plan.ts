import { PROBE_SOURCE_V4, PROBE_SOURCE_V6 } from "./constants.ts";
import type { AddressSet, Family, Plan } from "./plan.ts";
import * as r from "./rules.ts";

export interface HostOptions {
  readonly form: "redirect" | "tproxy";
  readonly ipv6: boolean;
  readonly probeSource: { readonly ipv4: string; readonly ipv6: string };
  /** Owner of the process that probes; used by nf_tables, which cannot ask whether a socket exists. */
  readonly kubeletUid: number;
}

/** Newest form, both families, probes sent by root. */
export const defaultHostOptions: HostOptions = {
  form: "redirect",
  ipv6: true,
  probeSource: { ipv4: PROBE_SOURCE_V4, ipv6: PROBE_SOURCE_V6 },
  kubeletUid: 0,
};

/** The set of enrolled pods' addresses on a node; release 1.21 had one set, of IPv4, with another name. */
export function probeSet(form: HostOptions["form"], family: Family): AddressSet {
  if (form === "tproxy") return { name: "istio-inpod-probes", family };
  return { name: family === "ipv4" ? "istio-inpod-probes-v4" : "istio-inpod-probes-v6", family };
}

/**
 * The rules on the node that give probes of local processes the source address which pods exempt from capture.
 * @see the data-plane contract, section 1.11
 */
export function hostPlan(o: HostOptions): Plan {
  const families: readonly Family[] = o.ipv6 ? ["ipv4", "ipv6"] : ["ipv4"];
  const rules = r.perFamily(
    { id: "probe", table: "nat", chain: "postrouting" },
    families,
    (f) => [
      r.protocol("tcp"),
      { t: "local-socket", uid: o.kubeletUid },
      { t: "in-set", side: "destination", set: probeSet(o.form, f).name },
    ],
    (f) => ({ t: "snat", to: o.probeSource[f] }),
  );
  return {
    scope: "host",
    form: o.form,
    families,
    entries: [{ table: "nat", chain: "postrouting", position: o.form === "redirect" ? "first" : "last" }],
    rules,
    sets: families.map((f) => probeSet(o.form, f)),
    routing: [],
  };
}
