import type { AuthorizationPolicySpec, AuthorizationRule } from "@lateen/resources";
import { checkAttachment } from "./attachment.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { pathTemplateProblem } from "./path-template.ts";

/** Fields of a source that an external authorizer is asked before they are known, or that it cannot be asked about. */
const NOT_CUSTOM = [
  ...["namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains"],
  ...["principals", "notPrincipals"],
] as const;
const NOT_CUSTOM_KEYS: ReadonlySet<string> = new Set([
  ...["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"],
]);

/** @see l7 6.7 */
export function checkAuthorizationPolicy(spec: AuthorizationPolicySpec, f: Findings): void {
  checkAttachment(spec, f);
  const { action, rules } = spec;
  if ((action === "DENY" || action === "CUSTOM") && (rules ?? []).length === 0)
    f.at("rules").error(`${action} without rules never applies: write "rules: [{}]" to have it apply to everything`);
  forEachOf(rules, f.at("rules"), (rule, at) => {
    if (action === "CUSTOM") checkCustom(rule, at);
    checkValues(rule, at);
    if (action === "DENY" && deniesAllTcp(rule))
      at.warn("names only what HTTP has, so it denies every connection that is not HTTP: name ports too");
  });
}

function checkCustom(rule: AuthorizationRule, f: Findings): void {
  forEachOf(rule.from, f.at("from"), ({ source }, at) => {
    for (const field of NOT_CUSTOM)
      if ((source as Readonly<Record<string, readonly string[] | undefined>>)[field]?.length)
        at.at("source", field).error("cannot be used with CUSTOM");
  });
  forEachOf(rule.when, f.at("when"), ({ key }, at) => {
    if (NOT_CUSTOM_KEYS.has(key)) at.at("key").error(`${key} cannot be used with CUSTOM`);
  });
}

function checkValues(rule: AuthorizationRule, f: Findings): void {
  forEachOf(rule.from, f.at("from"), ({ source }, at) => {
    for (const field of ["principals", "notPrincipals"] as const)
      forEachOf(source[field], at.at("source", field), (value, place) => {
        if (/^.+\*.+$|\*.*\*/.test(value))
          place.warn(`${quoted(value)} is compared as it stands: a "*" has a meaning only at one end`);
      });
  });
  forEachOf(rule.to, f.at("to"), ({ operation }, at) => {
    for (const field of ["paths", "notPaths"] as const)
      forEachOf(operation[field], at.at("operation", field), (path, place) => place.check(pathTemplateProblem(path)));
  });
}

const SOURCE_OF_TCP = [
  ...["principals", "notPrincipals", "ipBlocks", "notIpBlocks", "namespaces", "notNamespaces"],
  ...["remoteIpBlocks", "notRemoteIpBlocks", "serviceAccounts", "notServiceAccounts"],
] as const;

/** Whether what is left of a rule, once what only HTTP has is taken away, holds for every connection. @see l7 6.5 */
function deniesAllTcp({ from = [], to = [] }: AuthorizationRule): boolean {
  const sources = from.some(({ source }) =>
    SOURCE_OF_TCP.some((field) => (source as Readonly<Record<string, unknown>>)[field] !== undefined),
  );
  const ports = to.some(({ operation }) => (operation.ports ?? operation.notPorts) !== undefined);
  return to.length > 0 ? !ports : from.length > 0 && !sources;
}
