import { parseCidr } from "@lateen/addresses";
import { checkCondition, checkServiceAccountValues, checkTrustDomainValues } from "@lateen/policy";
import { z } from "zod";
import { rule as crdRule } from "../crd/rule.ts";
import { isDryRun } from "../dry-run.ts";
import { ATTACHMENTS, onlyOneAttachment, targetRef as anyTargetRef, workloadSelector } from "../istio-fields.ts";
import { list, objectMeta, text } from "../metadata.ts";
import { securityVersion } from "./security.ts";

const value = text.min(1, "must not be empty");
const values = list(value).optional();
/** Ports as texts; 0 is one that no connection has. */
const ports = list(
  z.string().refine((t) => /^\d{1,10}$/.test(t) && Number(t) <= 65_535, {
    error: (issue) => `${JSON.stringify(issue.input)} is not a port`,
  }),
).optional();
const ipBlock = z.string().refine((t) => parseCidr(t).ok, {
  error: (issue) => `${JSON.stringify(issue.input)} is not an IP address or block`,
});
const ipBlocks = list(ipBlock).optional();
const serviceAccount = z
  .string()
  .max(320)
  .refine((t) => checkServiceAccountValues("", [t]) === null, {
    error: (issue) => `${JSON.stringify(issue.input)} is not a service account: write NAME or NAMESPACE/NAME`,
  });
const serviceAccounts = z.array(serviceAccount).max(16, "at most 16 service accounts").optional();
const trustDomains = list(
  value.refine((t) => checkTrustDomainValues("", [t]) === null, {
    error: (issue) => `${JSON.stringify(issue.input)} may hold one "*", at its beginning or end, and no "/"`,
  }),
).optional();

const source = crdRule(
  z
    .strictObject({
      principals: values,
      notPrincipals: values,
      requestPrincipals: values,
      notRequestPrincipals: values,
      namespaces: values,
      notNamespaces: values,
      serviceAccounts,
      notServiceAccounts: serviceAccounts,
      ipBlocks,
      notIpBlocks: ipBlocks,
      remoteIpBlocks: ipBlocks,
      notRemoteIpBlocks: ipBlocks,
      trustDomains,
      notTrustDomains: trustDomains,
    })
    .refine((s) => Object.values(s).some((group) => group !== undefined && group.length > 0), {
      message: "must not be empty: it would match everyone",
    }),
  {
    cel:
      "!(has(self.serviceAccounts) || has(self.notServiceAccounts)) || " +
      "!(has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces))",
    message: "Cannot set serviceAccounts with namespaces or principals",
    holds: (s) =>
      !(s.serviceAccounts ?? s.notServiceAccounts) ||
      !(s.principals ?? s.notPrincipals ?? s.namespaces ?? s.notNamespaces),
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

const condition = z
  .strictObject({ key: value, values, notValues: values })
  .refine((c) => (c.values?.length ?? 0) + (c.notValues?.length ?? 0) > 0, { message: "needs values or notValues" })
  .superRefine((c, context) => {
    for (const field of ["values", "notValues"] as const) {
      const wrong = checkCondition(c.key, c[field] ?? []);
      if (wrong === null) continue;
      const ofKey = checkCondition(c.key, []) !== null;
      context.addIssue({ code: "custom", path: [ofKey ? "key" : field], message: wrong });
      if (ofKey) return;
    }
  });

const nonEmpty = { message: "must not be empty: a rule without it says the same" };
const rule = z.strictObject({
  from: z.array(z.strictObject({ source })).min(1, nonEmpty.message).max(512).optional(),
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
/** Bound to what a policy can be bound to. */
const targetRef = anyTargetRef.refine((t) => TARGETS.has(`${t.group === "core" ? "" : (t.group ?? "")}/${t.kind}`), {
  message: "must be a Service, a ServiceEntry, a Gateway or a GatewayClass, with its group",
});

export const authorizationPolicySpec = onlyOneAttachment(
  z.strictObject({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: z.array(targetRef).max(16).optional(),
    action: z.enum(["ALLOW", "DENY", "AUDIT", "CUSTOM"]).default("ALLOW"),
    provider: z.strictObject({ name: value }).optional(),
    rules: z.array(rule).max(512).optional(),
  }),
  ATTACHMENTS,
)
  .refine((s) => (s.action === "CUSTOM") === (s.provider !== undefined), {
    message: "CUSTOM needs a provider, and nothing else takes one",
    path: ["provider"],
  })
  .refine((s) => s.action !== "CUSTOM" || (s.rules ?? []).every((r) => !usesIdentityOfRequests(r)), {
    message: "CUSTOM takes no requestPrincipals and no request.auth conditions",
    path: ["rules"],
  });
export type AuthorizationPolicySpec = z.output<typeof authorizationPolicySpec>;

export const authorizationPolicy = z
  .strictObject({
    apiVersion: securityVersion,
    kind: z.literal("AuthorizationPolicy"),
    metadata: objectMeta,
    spec: authorizationPolicySpec.default({ action: "ALLOW" }),
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
