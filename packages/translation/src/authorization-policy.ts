import type { Authorization, Clause, Match, Rule } from "@lateen/policy";
import { type AuthorizationPolicy, type AuthorizationRule, isDryRun } from "@lateen/resources";
import type { ModelOptions } from "./model-options.ts";
import { EMPTY_MATCH, isEmptyMatch, toCidrs, toPorts, toServiceAccountMatch, toStringMatch } from "./policy-values.ts";

export interface PolicyConversion extends Pick<ModelOptions, "dryRun" | "httpOnlyDeny"> {
  readonly rootNamespace: string;
}

/** What of a policy is in force at L4, as its status and `explain` say it. */
export interface PolicyEffect {
  readonly authorization: Authorization | null;
  readonly status: "Accepted" | "UnsupportedValue" | "NotForZtunnel";
  readonly message: string;
  /** HTTP attributes that L4 cannot see, sorted. */
  readonly httpAttributes: readonly string[];
  /** Indexes of the rules that were left out. */
  readonly omittedRules: readonly number[];
}

type Source = NonNullable<AuthorizationRule["from"]>[number]["source"];
type Operation = NonNullable<AuthorizationRule["to"]>[number]["operation"];
type Condition = NonNullable<AuthorizationRule["when"]>[number];

const HTTP_SOURCE = [
  "remoteIpBlocks",
  "notRemoteIpBlocks",
  "requestPrincipals",
  "notRequestPrincipals",
  // Not HTTP, but nothing on the wire carries them: a restriction that is lost must not widen the rule.
  "trustDomains",
  "notTrustDomains",
] as const;
const HTTP_OPERATION = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"] as const;
const L4_KEYS: ReadonlySet<string> = new Set([
  "source.ip",
  "source.namespace",
  "source.principal",
  "destination.ip",
  "destination.port",
]);

const named = <K extends string>(
  of: { readonly [P in K]?: readonly unknown[] | undefined },
  keys: readonly K[],
): readonly K[] => keys.filter((key) => (of[key]?.length ?? 0) > 0);

/** Attributes of a rule that nothing at L4 can tell. */
export function httpAttributesOf(rule: AuthorizationRule): readonly string[] {
  return [
    ...(rule.from ?? []).flatMap(({ source }) => named(source, HTTP_SOURCE)),
    ...(rule.to ?? []).flatMap(({ operation }) => named(operation, HTTP_OPERATION)),
    ...(rule.when ?? []).flatMap(({ key }) => (L4_KEYS.has(key) ? [] : [key])),
  ];
}

function sourceMatch(s: Source, namespace: string): Match {
  const accounts = (values: readonly string[] | undefined): Match["serviceAccounts"] =>
    (values ?? []).map((value) => toServiceAccountMatch(value, namespace));
  return {
    ...EMPTY_MATCH,
    namespaces: (s.namespaces ?? []).map(toStringMatch),
    notNamespaces: (s.notNamespaces ?? []).map(toStringMatch),
    principals: (s.principals ?? []).map(toStringMatch),
    notPrincipals: (s.notPrincipals ?? []).map(toStringMatch),
    serviceAccounts: accounts(s.serviceAccounts),
    notServiceAccounts: accounts(s.notServiceAccounts),
    sourceIps: toCidrs(s.ipBlocks),
    notSourceIps: toCidrs(s.notIpBlocks),
  };
}

function operationMatch(o: Operation): Match {
  return { ...EMPTY_MATCH, destinationPorts: toPorts(o.ports), notDestinationPorts: toPorts(o.notPorts) };
}

function conditionMatch({ key, values, notValues }: Condition): Match {
  const texts = (list: readonly string[] | undefined): Match["namespaces"] => (list ?? []).map(toStringMatch);
  switch (key) {
    case "source.ip":
      return { ...EMPTY_MATCH, sourceIps: toCidrs(values), notSourceIps: toCidrs(notValues) };
    case "source.namespace":
      return { ...EMPTY_MATCH, namespaces: texts(values), notNamespaces: texts(notValues) };
    case "source.principal":
      return { ...EMPTY_MATCH, principals: texts(values), notPrincipals: texts(notValues) };
    case "destination.ip":
      return { ...EMPTY_MATCH, destinationIps: toCidrs(values), notDestinationIps: toCidrs(notValues) };
    case "destination.port":
      return { ...EMPTY_MATCH, destinationPorts: toPorts(values), notDestinationPorts: toPorts(notValues) };
    default:
      return EMPTY_MATCH;
  }
}

/** Clauses in the order to, from, when (dataplane 7.5). */
function convertRule(rule: AuthorizationRule, namespace: string, o: PolicyConversion): Rule {
  const clauses: readonly Clause[] = [
    ...(rule.to === undefined ? [] : [{ matches: rule.to.map(({ operation }) => operationMatch(operation)) }]),
    ...(rule.from === undefined ? [] : [{ matches: rule.from.map(({ source }) => sourceMatch(source, namespace)) }]),
    ...(rule.when ?? []).map((condition) => ({ matches: [conditionMatch(condition)] })),
  ];
  if (o.httpOnlyDeny === "as-istio" || httpAttributesOf(rule).length === 0) return { clauses };
  // "Anything, as far as L4 can see" or something: the clause as a whole restricts nothing.
  return { clauses: clauses.filter(({ matches }) => !matches.some(isEmptyMatch)) };
}

function scopeOf(policy: AuthorizationPolicy, rootNamespace: string): Authorization["scope"] {
  if (policy.spec.selector !== undefined) return "WorkloadSelector";
  return policy.metadata.namespace === rootNamespace ? "Global" : "Namespace";
}

const refused = (status: PolicyEffect["status"], message: string): PolicyEffect => ({
  authorization: null,
  status,
  message,
  httpAttributes: [],
  omittedRules: [],
});

function effectText(action: "Allow" | "Deny", http: readonly string[], omitted: number): string {
  if (http.length === 0) return "attached to ztunnel";
  const what = `ztunnel does not support HTTP attributes (found: ${http.join(", ")}); a waypoint would be needed to enforce them.`;
  return action === "Allow"
    ? `${what} ${omitted} rule${omitted === 1 ? " is" : "s are"} omitted, so less is allowed than was asked for`
    : `${what} Their rules are enforced without them, so more is denied than was asked for`;
}

/**
 * What of an AuthorizationPolicy reaches the node proxies, and what they cannot enforce.
 * @see control-plane 4.2, dataplane 7.5
 */
export function convertAuthorizationPolicy(policy: AuthorizationPolicy, o: PolicyConversion): PolicyEffect {
  const { spec, metadata } = policy;
  if (spec.targetRef !== undefined || (spec.targetRefs?.length ?? 0) > 0)
    return refused("NotForZtunnel", "bound to a waypoint by targetRefs");
  if (spec.action === "AUDIT" || spec.action === "CUSTOM")
    return refused("UnsupportedValue", `ztunnel does not support the ${spec.action} action`);
  const dryRun = isDryRun(metadata.annotations) !== false;
  if (dryRun && !o.dryRun) return refused("UnsupportedValue", "ztunnel does not support dry-run policies");
  const action = spec.action === "DENY" ? "Deny" : "Allow";
  const namespace = metadata.namespace ?? "";
  const rules = spec.rules ?? [];
  const omittedRules =
    action === "Deny" ? [] : rules.flatMap((rule, i) => (httpAttributesOf(rule).length > 0 ? [i] : []));
  const httpAttributes = [...new Set(rules.flatMap(httpAttributesOf))].sort();
  const authorization: Authorization = {
    name: metadata.name,
    namespace,
    scope: scopeOf(policy, o.rootNamespace),
    action,
    rules: rules.filter((_, i) => !omittedRules.includes(i)).map((rule) => convertRule(rule, namespace, o)),
    dryRun,
  };
  return {
    authorization,
    status: httpAttributes.length === 0 ? "Accepted" : "UnsupportedValue",
    message: effectText(action, httpAttributes, omittedRules.length),
    httpAttributes,
    omittedRules,
  };
}
