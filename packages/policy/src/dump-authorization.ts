import type { Authorization, Clause, Match, StringMatch } from "./authorization.ts";
import { formatBlock } from "./describe.ts";

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

function dumpStringMatch(m: StringMatch): JsonObject {
  switch (m.t) {
    case "exact":
      return { Exact: m.value };
    case "prefix":
      return { Prefix: m.value };
    case "suffix":
      return { Suffix: m.value };
    case "presence":
      return { Presence: [] };
  }
}

const dumpAccount = (m: Match["serviceAccounts"][number]): JsonObject => ({
  namespace: m.namespace,
  serviceAccount: m.serviceAccount,
});

function dumpMatch(m: Match): JsonObject {
  const groups: readonly (readonly [string, readonly Json[]])[] = [
    ["namespaces", m.namespaces.map(dumpStringMatch)],
    ["notNamespaces", m.notNamespaces.map(dumpStringMatch)],
    ["serviceAccounts", m.serviceAccounts.map(dumpAccount)],
    ["notServiceAccounts", m.notServiceAccounts.map(dumpAccount)],
    ["principals", m.principals.map(dumpStringMatch)],
    ["notPrincipals", m.notPrincipals.map(dumpStringMatch)],
    ["sourceIps", m.sourceIps.map(formatBlock)],
    ["notSourceIps", m.notSourceIps.map(formatBlock)],
    ["destinationIps", m.destinationIps.map(formatBlock)],
    ["notDestinationIps", m.notDestinationIps.map(formatBlock)],
    ["destinationPorts", m.destinationPorts],
    ["notDestinationPorts", m.notDestinationPorts],
  ];
  return Object.fromEntries(groups.filter(([, list]) => list.length > 0));
}

/** A policy as `config_dump` shows it: rules are lists of clauses, which are lists of matches. @see dataplane 8.5, 11.2 */
export function dumpAuthorization(policy: Authorization): JsonObject {
  return {
    name: policy.name,
    namespace: policy.namespace,
    scope: policy.scope,
    action: policy.action,
    rules: policy.rules.map((rule) => rule.clauses.map((clause: Clause) => clause.matches.map(dumpMatch))),
    dryRun: policy.dryRun,
  };
}
