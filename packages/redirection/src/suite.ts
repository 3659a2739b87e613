import { type InPodOptions, defaultInPodOptions } from "./in-pod-plan.ts";

export interface InPodCase {
  readonly name: string;
  readonly options: InPodOptions;
}

const base: InPodOptions = { ...defaultInPodOptions, dns: false };

const variants: readonly (readonly [string, Partial<InPodOptions>])[] = [
  ["plain", {}],
  ["dns", { dns: true }],
  ["ingress", { inbound: "bypass" }],
  ["virtual", { virtualInterfaces: ["vnet0", "k6t-eth0"] }],
  ["ingress-virtual-dns", { inbound: "bypass", virtualInterfaces: ["vnet0"], dns: true }],
  ["tproxy", { form: "tproxy" }],
  ["tproxy-dns", { form: "tproxy", dns: true }],
];

/** Every shape a pod's rules can take, for one family and for both. Renderers and real backends are driven by this one table. */
export const inPodCases: readonly InPodCase[] = variants.flatMap(([name, change]) =>
  [false, true].map((ipv6) => ({
    name: `${name}-${ipv6 ? "dual" : "ipv4"}`,
    options: { ...base, ...change, ipv6 },
  })),
);
