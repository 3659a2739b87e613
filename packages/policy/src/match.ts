import { type Cidr, cidrContains } from "@lateen/addresses";
import type { Match, ServiceAccountMatch, StringMatch } from "./authorization.ts";
import type { Subject } from "./subject.ts";

/** The attribute groups of a match, in the order they are asked. */
export const ATTRIBUTES = [
  "destinationPorts",
  "namespaces",
  "principals",
  "serviceAccounts",
  "sourceIps",
  "destinationIps",
] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

/** What one match said: it held, it names nothing, or the first attribute group that failed and how. */
export interface MatchVerdict {
  readonly held: boolean;
  readonly why: "holds" | "empty" | "none-hit" | "excluded";
  /** The group that failed; null when none did. */
  readonly attribute: Attribute | null;
}

const HOLDS: MatchVerdict = Object.freeze({ held: true, why: "holds", attribute: null });
const EMPTY: MatchVerdict = Object.freeze({ held: false, why: "empty", attribute: null });
const noneHit = (attribute: Attribute): MatchVerdict => Object.freeze({ held: false, why: "none-hit", attribute });
const excluded = (attribute: Attribute): MatchVerdict => Object.freeze({ held: false, why: "excluded", attribute });

// Verdicts are shared constants, so that judging allocates nothing.
const NONE_HIT = {
  destinationPorts: noneHit("destinationPorts"),
  namespaces: noneHit("namespaces"),
  principals: noneHit("principals"),
  serviceAccounts: noneHit("serviceAccounts"),
  sourceIps: noneHit("sourceIps"),
  destinationIps: noneHit("destinationIps"),
} as const satisfies Record<Attribute, MatchVerdict>;
const EXCLUDED = {
  destinationPorts: excluded("destinationPorts"),
  namespaces: excluded("namespaces"),
  principals: excluded("principals"),
  serviceAccounts: excluded("serviceAccounts"),
  sourceIps: excluded("sourceIps"),
  destinationIps: excluded("destinationIps"),
} as const satisfies Record<Attribute, MatchVerdict>;

/** Whether a text satisfies a string match (dataplane 7.4). */
export function stringMatches(match: StringMatch, value: string): boolean {
  switch (match.t) {
    case "exact":
      return value === match.value;
    case "prefix":
      return value.startsWith(match.value);
    case "suffix":
      return value.endsWith(match.value);
    case "presence":
      return value !== "";
  }
}

function anyString(list: readonly StringMatch[], value: string): boolean {
  for (const m of list) if (stringMatches(m, value)) return true;
  return false;
}

/** Without an identity no predicate on principals holds, not even an empty prefix. */
function anyPrincipal(list: readonly StringMatch[], principal: string | null): boolean {
  return principal !== null && anyString(list, principal);
}

function anyAccount(list: readonly ServiceAccountMatch[], subject: Subject): boolean {
  const identity = subject.identity;
  if (identity === null) return false;
  for (const m of list)
    if (m.serviceAccount === identity.serviceAccount && m.namespace === identity.namespace) return true;
  return false;
}

function anyBlock(list: readonly Cidr[], address: Uint8Array): boolean {
  for (const block of list) if (cidrContains(block, address)) return true;
  return false;
}

/** A match that names nothing never holds (dataplane 7.4; the trap of 7.5). */
function isEmpty(m: Match): boolean {
  return (
    m.namespaces.length + m.notNamespaces.length + m.principals.length + m.notPrincipals.length === 0 &&
    m.serviceAccounts.length + m.notServiceAccounts.length + m.sourceIps.length + m.notSourceIps.length === 0 &&
    m.destinationIps.length + m.notDestinationIps.length === 0 &&
    m.destinationPorts.length + m.notDestinationPorts.length === 0
  );
}

function judgeCaller(m: Match, s: Subject): MatchVerdict {
  if (m.namespaces.length > 0 && !anyString(m.namespaces, s.namespace)) return NONE_HIT.namespaces;
  if (m.notNamespaces.length > 0 && anyString(m.notNamespaces, s.namespace)) return EXCLUDED.namespaces;
  if (m.principals.length > 0 && !anyPrincipal(m.principals, s.principal)) return NONE_HIT.principals;
  if (m.notPrincipals.length > 0 && anyPrincipal(m.notPrincipals, s.principal)) return EXCLUDED.principals;
  if (m.serviceAccounts.length > 0 && !anyAccount(m.serviceAccounts, s)) return NONE_HIT.serviceAccounts;
  if (m.notServiceAccounts.length > 0 && anyAccount(m.notServiceAccounts, s)) return EXCLUDED.serviceAccounts;
  return HOLDS;
}

function judgeAddresses(m: Match, s: Subject): MatchVerdict {
  if (m.sourceIps.length > 0 && !anyBlock(m.sourceIps, s.sourceBytes)) return NONE_HIT.sourceIps;
  if (m.notSourceIps.length > 0 && anyBlock(m.notSourceIps, s.sourceBytes)) return EXCLUDED.sourceIps;
  if (m.destinationIps.length > 0 && !anyBlock(m.destinationIps, s.destinationBytes)) return NONE_HIT.destinationIps;
  if (m.notDestinationIps.length > 0 && anyBlock(m.notDestinationIps, s.destinationBytes))
    return EXCLUDED.destinationIps;
  return HOLDS;
}

/**
 * Judges one match: every group must hold; in a group, no positive or one that hits, and no negative that hits.
 * @returns a shared constant; nothing is allocated
 * @see dataplane 7.4
 */
export function judgeMatch(m: Match, s: Subject): MatchVerdict {
  if (isEmpty(m)) return EMPTY;
  const port = s.destinationPort;
  if (m.destinationPorts.length > 0 && !m.destinationPorts.includes(port)) return NONE_HIT.destinationPorts;
  if (m.notDestinationPorts.includes(port)) return EXCLUDED.destinationPorts;
  const caller = judgeCaller(m, s);
  return caller.held ? judgeAddresses(m, s) : caller;
}
