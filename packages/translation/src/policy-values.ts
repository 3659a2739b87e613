import { parseCidr, type Cidr } from "@lateen/addresses";
import type { Match, ServiceAccountMatch, StringMatch } from "@lateen/policy";

/** `*` any text, `*x` a suffix, `x*` a prefix, else the text itself (dataplane 7.5). */
export function toStringMatch(value: string): StringMatch {
  if (value === "*") return { t: "presence" };
  if (value.startsWith("*")) return { t: "suffix", value: value.slice(1) };
  if (value.endsWith("*")) return { t: "prefix", value: value.slice(0, -1) };
  return { t: "exact", value };
}

/** `namespace/name`, or a name in the policy's own namespace. */
export function toServiceAccountMatch(value: string, namespace: string): ServiceAccountMatch {
  const slash = value.indexOf("/");
  return slash < 0
    ? { namespace, serviceAccount: value }
    : { namespace: value.slice(0, slash), serviceAccount: value.slice(slash + 1) };
}

/** Blocks that can be read; validation has refused the others before. */
export function toCidrs(values: readonly string[] | undefined): readonly Cidr[] {
  return (values ?? []).flatMap((value) => {
    const cidr = parseCidr(value);
    return cidr.ok ? [cidr.value] : [];
  });
}

export function toPorts(values: readonly string[] | undefined): readonly number[] {
  return (values ?? []).flatMap((value) => (/^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? [Number(value)] : []));
}

/** A Match that asks for nothing. ztunnel counts it as not matching (dataplane 7.4). */
export const EMPTY_MATCH: Match = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  serviceAccounts: [],
  notServiceAccounts: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: [],
};

export function isEmptyMatch(match: Match): boolean {
  return Object.values(match).every((group: readonly unknown[]) => group.length === 0);
}
