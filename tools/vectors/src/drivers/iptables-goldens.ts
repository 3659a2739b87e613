import {
  BYPASS_INBOUND_ANNOTATION,
  DNS_CAPTURE_ANNOTATION,
  type Family,
  type Plan,
  VIRTUAL_INTERFACES_ANNOTATION,
  defaultInPodOptions,
  hostPlan,
  inPodPlan,
  iptablesOps,
  iptablesProbes,
  podOptions,
  toIptablesCommands,
  toIptablesRestore,
  toNftText,
} from "@lateen/redirection";
import { isObject } from "../suite-file.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type Verdict,
  compare,
  failed,
  passed,
  unsupported,
} from "../suite-driver.ts";

const object = (x: Json | undefined): JsonObject => (isObject(x) ? x : {});
const text = (x: Json | undefined, otherwise: string): string => (typeof x === "string" ? x : otherwise);
const texts = (x: Json | undefined): string[] => (Array.isArray(x) ? x.filter((s) => typeof s === "string") : []);

function annotations(overrides: JsonObject): Record<string, string> {
  const dns = overrides["dnsProxy"];
  return {
    ...(overrides["ingressMode"] === true ? { [BYPASS_INBOUND_ANNOTATION]: "true" } : {}),
    ...(dns === "enabled" || dns === "disabled" ? { [DNS_CAPTURE_ANNOTATION]: String(dns === "enabled") } : {}),
    [VIRTUAL_INTERFACES_ANNOTATION]: texts(overrides["virtualInterfaces"]).join(","),
  };
}

/** The old release has one probe address, whatever the family. */
function planOf(input: JsonObject): Plan {
  const config = object(input["config"]);
  const old = input["version"] === "1.21";
  const v4 = text(config["hostProbeSNATAddress"], defaultInPodOptions.probeSource.ipv4);
  const v6 = old ? v4 : text(config["hostProbeV6SNATAddress"], defaultInPodOptions.probeSource.ipv6);
  const common = {
    form: old ? "tproxy" : "redirect",
    ipv6: (old ? config["enableInboundIPv6"] : config["enableIPv6"]) === true,
    probeSource: { ipv4: v4, ipv6: v6 },
  } as const;
  if (input["scope"] === "host") return hostPlan({ ...common, kubeletUid: Number(config["kubeletUID"] ?? 0) });
  const node = { ...defaultInPodOptions, ...common, dns: config["redirectDNS"] === true };
  return inPodPlan(podOptions(annotations(object(input["podOverrides"])), node).options);
}

function iptablesText(plan: Plan): string {
  if (plan.form === "tproxy") return toIptablesCommands(plan).join("\n");
  return [...iptablesProbes(plan), toIptablesRestore(plan, "ipv4") + toIptablesRestore(plan, "ipv6")].join("\n");
}

const lines = (all: string): string[] => all.trimEnd().split("\n");

/** Lists of operations by family, table and chain: order counts within a chain, not between them. */
function byChain(ops: readonly JsonObject[]): Record<string, JsonObject[]> {
  const lists: Record<string, JsonObject[]> = {};
  for (const o of ops) (lists[`${String(o["family"])} ${String(o["table"])} ${String(o["chain"])}`] ??= []).push(o);
  return lists;
}

function opsOf(plan: Plan): JsonObject[] {
  const short: Readonly<Record<Family, string>> = { ipv4: "v4", ipv6: "v6" };
  return plan.families.flatMap((family) =>
    iptablesOps(plan, family).map((o): JsonObject => {
      const { op, table, chain } = o;
      if (o.op === "new-chain") return { family: short[family], table, op, chain };
      return { family: short[family], table, op, chain, rule: o.op === "insert" ? `${o.position} ${o.rule}` : o.rule };
    }),
  );
}

function judgeIptables(plan: Plan, expected: JsonObject): Verdict {
  const want = expected["rules"];
  const rules = compare(byChain(opsOf(plan)), byChain(Array.isArray(want) ? (want as readonly JsonObject[]) : []));
  if (rules.t !== "passed") return rules;
  const probes = compare(iptablesProbes(plan), expected["probeCommands"]);
  if (probes.t !== "passed") return probes;
  const got = lines(iptablesText(plan));
  const same = compare(got.toSorted(), lines(texts(expected["golden"]).join("\n")).toSorted());
  return same.t === "passed" ? passed : failed(got);
}

/** In-pod and host rules of both releases, for iptables and nft. */
export const driver: SuiteDriver = {
  suite: "iptables-goldens",
  kindOf: (c) => `${text(c.input["backend"], "?")} ${text(c.input["scope"], "?")}`,
  judge(c) {
    const expected = object(c.expected);
    const plan = planOf(c.input);
    if (c.input["backend"] === "iptables") return judgeIptables(plan, expected);
    if (c.input["backend"] !== "nftables") return unsupported("a backend other than iptables and nftables");
    return compare(lines(toNftText(plan)), lines(texts(expected["golden"]).join("\n")));
  },
};
