import { formatIdentity, parseIdentityParts } from "./spiffe-identity.ts";

/** In principals of policies this name stands for the mesh's own trust domain, whatever that is called. */
const LOCAL = "cluster.local";

/**
 * Every identity of `ids`, and for those that are workload identities the same workload in each of `trustDomains`.
 * @returns without duplicates, inputs kept, in order of first appearance
 */
export function expandTrustDomains(ids: readonly string[], trustDomains: readonly string[]): readonly string[] {
  const out = new Set<string>();
  for (const id of ids) {
    out.add(id);
    const parsed = parseIdentityParts(id);
    if (!parsed.ok) continue;
    for (const trustDomain of trustDomains) out.add(formatIdentity({ ...parsed.value, trustDomain }));
  }
  return [...out];
}

/** Whether a principal of a policy (no scheme) says anything about the trust domain; `*` and other forms do not. */
export function principalNamesTrustDomain(principal: string): boolean {
  const trustDomain = trustDomainOf(principal);
  return trustDomain !== null && trustDomain !== "*";
}

/** The principal with another trust domain, or null when it does not have the five parts. */
export function replaceTrustDomain(principal: string, trustDomain: string): string | null {
  return trustDomainOf(principal) === null ? null : trustDomain + principal.slice(principal.indexOf("/"));
}

/**
 * Rewrites principals of a policy so that they hold in the mesh's trust domain and in each of its aliases. A principal of
 * a foreign trust domain, or one that names none, stays as it is; a `*suffix` in place of the trust domain stays for those
 * names that it covers already.
 * @param trustDomains the mesh's own first, then its aliases
 */
export function expandPrincipals(principals: readonly string[], trustDomains: readonly string[]): readonly string[] {
  return principals.flatMap((principal) => {
    const named = trustDomainOf(principal);
    if (named === null || named === "*") return [principal];
    if (named !== LOCAL && !trustDomains.some((own) => overlap(named, own))) return [principal];
    const own = trustDomains.map((td) => (hasSuffix(td, named) ? principal : replaceTrustDomain(principal, td)));
    return [...new Set(own.filter((p) => p !== null))];
  });
}

function trustDomainOf(principal: string): string | null {
  const parts = principal.split("/", 6);
  return parts.length === 5 ? (parts[0] ?? null) : null;
}

/** Either name may be a pattern with one star at its start or end. */
function overlap(a: string, b: string): boolean {
  return a === b || b === "*" || hasPrefix(a, b) || hasPrefix(b, a) || hasSuffix(a, b) || hasSuffix(b, a);
}

function hasPrefix(name: string, pattern: string): boolean {
  return pattern.endsWith("*") && name.startsWith(pattern.slice(0, -1));
}

function hasSuffix(name: string, pattern: string): boolean {
  return pattern.startsWith("*") && name.endsWith(pattern.slice(1));
}
