import { parseCidr } from "@lateen/addresses";
import { checkWildcardValues } from "@lateen/policy";
import { z } from "zod";
import { isDryRun } from "../dry-run.ts";
import { list, objectMeta, text } from "../metadata.ts";
import { portText, securityVersion, workloadSelector } from "./security.ts";

const value = text.min(1, "must not be empty");
const values = list(value).optional();
/** Texts in which `*` may stand at one end or alone: elsewhere it would be taken literally. */
const patterns = list(
  value.refine((t) => checkWildcardValues("value", [t]) === null, {
    error: (issue) => `${JSON.stringify(issue.input)} may hold one "*", at its beginning or end`,
  }),
).optional();
const ports = list(portText).optional();
const ipBlock = z.string().refine((t) => parseCidr(t).ok, {
  error: (issue) => `${JSON.stringify(issue.input)} is not an IP address or block`,
});
const ipBlocks = list(ipBlock).optional();
const serviceAccount = value.max(320).refine((t) => !t.includes("*") && t.split("/").length <= 2, {
  error: (issue) => `${JSON.stringify(issue.input)} is not a service account: write NAME or NAMESPACE/NAME`,
});
const serviceAccounts = list(serviceAccount).max(16, "at most 16 service accounts").optional();

const source = z
  .strictObject({
    principals: patterns,
    notPrincipals: patterns,
    requestPrincipals: patterns,
    notRequestPrincipals: patterns,
    namespaces: patterns,
    notNamespaces: patterns,
    serviceAccounts,
    notServiceAccounts: serviceAccounts,
    ipBlocks,
    notIpBlocks: ipBlocks,
    remoteIpBlocks: ipBlocks,
    notRemoteIpBlocks: ipBlocks,
    trustDomains: values,
    notTrustDomains: values,
  })
  .refine((s) => Object.values(s).some((group) => group !== undefined && group.length > 0), {
    message: "must not be empty: it would match everyone",
  })
  .refine(
    (s) =>
      !(s.serviceAccounts ?? s.notServiceAccounts) ||
      !(s.principals ?? s.notPrincipals ?? s.namespaces ?? s.notNamespaces),
    {
      message: "serviceAccounts cannot be combined with principals or namespaces",
    },
  );
const operation = z
  .strictObject({
    hosts: values,
    notHosts: values,
    ports,
    notPorts: ports,
    methods: values,
    notMethods: values,
    paths: values,
    notPaths: values,
  })
  .refine((o) => Object.values(o).some((group) => group !== undefined && group.length > 0), {
    message: "must not be empty: it would match everything",
  });

const CONDITION_KEYS = new Set([
  "request.auth.principal",
  "request.auth.audiences",
  "request.auth.presenter",
  "source.ip",
  "source.namespace",
  "source.principal",
  "source.serviceAccount",
  "remote.ip",
  "destination.ip",
  "destination.port",
  "connection.sni",
]);
const conditionKey = value.refine(
  (key) =>
    CONDITION_KEYS.has(key) ||
    /^(request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[^[]+)\[.+\]$/.test(key),
  { error: (issue) => `${JSON.stringify(issue.input)} is not a condition key` },
);
const IP_KEYS = new Set(["source.ip", "destination.ip", "remote.ip"]);
const condition = z
  .strictObject({ key: conditionKey, values: values, notValues: values })
  .refine((c) => (c.values?.length ?? 0) + (c.notValues?.length ?? 0) > 0, { message: "needs values or notValues" })
  .superRefine((c, context) => {
    for (const field of ["values", "notValues"] as const)
      for (const [i, v] of (c[field] ?? []).entries()) {
        const bad = IP_KEYS.has(c.key)
          ? !parseCidr(v).ok
          : c.key === "destination.port" && !portText.safeParse(v).success;
        if (bad)
          context.addIssue({ code: "custom", path: [field, i], message: `${JSON.stringify(v)} does not fit ${c.key}` });
      }
  });

const nonEmpty = { message: "must not be empty: a rule without it says the same" };
const rule = z.strictObject({
  from: list(z.strictObject({ source })).min(1, nonEmpty.message).max(512).optional(),
  to: list(z.strictObject({ operation })).min(1, nonEmpty.message).optional(),
  when: list(condition).optional(),
});
export type AuthorizationRule = z.output<typeof rule>;

/** What the JWT filter finds out comes after an external authorizer was asked. */
function usesIdentityOfRequests(r: AuthorizationRule): boolean {
  const sources = (r.from ?? []).map((from) => from.source);
  return (
    sources.some((s) => (s.requestPrincipals ?? s.notRequestPrincipals) !== undefined) ||
    (r.when ?? []).some((c) => c.key.startsWith("request.auth."))
  );
}

/** What a waypoint policy may be bound to (control-plane 4.3). */
const TARGETS: ReadonlySet<string> = new Set([
  "/Service",
  "networking.istio.io/ServiceEntry",
  "gateway.networking.k8s.io/Gateway",
  "gateway.networking.k8s.io/GatewayClass",
]);
const targetRef = z
  .strictObject({ group: text.optional(), kind: value, name: value, namespace: text.optional() })
  .refine((t) => !t.namespace, { message: "cannot name another namespace", path: ["namespace"] })
  .refine((t) => TARGETS.has(`${t.group === "core" ? "" : (t.group ?? "")}/${t.kind}`), {
    message: "must be a Service, a ServiceEntry, a Gateway or a GatewayClass, with its group",
  });

export const authorizationPolicy = z
  .strictObject({
    apiVersion: securityVersion,
    kind: z.literal("AuthorizationPolicy"),
    metadata: objectMeta,
    spec: z
      .strictObject({
        selector: workloadSelector.optional(),
        targetRef: targetRef.optional(),
        targetRefs: list(targetRef).max(16).optional(),
        action: z.enum(["ALLOW", "DENY", "AUDIT", "CUSTOM"]).default("ALLOW"),
        provider: z.strictObject({ name: value }).optional(),
        rules: list(rule).max(512).optional(),
      })
      .refine((s) => [s.selector, s.targetRef, s.targetRefs].filter((x) => x !== undefined).length <= 1, {
        message: "only one of selector, targetRef and targetRefs can be set",
      })
      .refine((s) => (s.action === "CUSTOM") === (s.provider !== undefined), {
        message: "CUSTOM needs a provider, and nothing else takes one",
        path: ["provider"],
      })
      .refine((s) => s.action !== "CUSTOM" || (s.rules ?? []).every((r) => !usesIdentityOfRequests(r)), {
        message: "CUSTOM takes no requestPrincipals and no request.auth conditions",
        path: ["rules"],
      })
      .default({ action: "ALLOW" }),
    status: z.unknown().optional(),
  })
  .superRefine((policy, context) => {
    const dryRun = isDryRun(policy.metadata.annotations);
    const path = ["metadata", "annotations", "istio.io/dry-run"];
    if (dryRun === null) context.addIssue({ code: "custom", path, message: "must be true or false" });
    if (dryRun === true && (policy.spec.action === "AUDIT" || policy.spec.action === "CUSTOM"))
      context.addIssue({ code: "custom", path, message: `cannot be used with ${policy.spec.action}` });
  });
export type AuthorizationPolicy = z.output<typeof authorizationPolicy>;
