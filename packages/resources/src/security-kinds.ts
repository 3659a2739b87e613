import { parseCidr } from "@lateen/addresses";
import { z } from "zod";
import { labels, list, objectMeta, text } from "./metadata.ts";

// Kinds of Istio: unknown fields are refused, as the API server does by their CRDs. A misspelt restriction must not vanish.

const apiVersion = z.enum(["security.istio.io/v1", "security.istio.io/v1beta1"]);
const selector = z.strictObject({ matchLabels: labels.optional() });

const value = text.min(1, "must not be empty");
const values = list(value).optional();
const portText = z.string().refine((t) => /^\d{1,5}$/.test(t) && Number(t) >= 1 && Number(t) <= 65_535, {
  error: (issue) => `${JSON.stringify(issue.input)} is not a port`,
});
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
    trustDomains: values,
    notTrustDomains: values,
  })
  .refine(
    (s) =>
      !(s.serviceAccounts ?? s.notServiceAccounts) ||
      !(s.principals ?? s.notPrincipals ?? s.namespaces ?? s.notNamespaces),
    {
      message: "serviceAccounts cannot be combined with principals or namespaces",
    },
  );
const operation = z.strictObject({
  hosts: values,
  notHosts: values,
  ports,
  notPorts: ports,
  methods: values,
  notMethods: values,
  paths: values,
  notPaths: values,
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

const targetRef = z.strictObject({
  group: text.optional(),
  kind: value,
  name: value,
  namespace: text.optional(),
});

export const authorizationPolicy = z.strictObject({
  apiVersion,
  kind: z.literal("AuthorizationPolicy"),
  metadata: objectMeta,
  spec: z
    .strictObject({
      selector: selector.optional(),
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
    .default({ action: "ALLOW" }),
  status: z.unknown().optional(),
});
export type AuthorizationPolicy = z.output<typeof authorizationPolicy>;

const mode = z.enum(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]);
const mtls = z.strictObject({ mode: mode.default("UNSET") });
export type MtlsMode = z.output<typeof mode>;

export const peerAuthentication = z.strictObject({
  apiVersion,
  kind: z.literal("PeerAuthentication"),
  metadata: objectMeta,
  spec: z
    .strictObject({
      selector: selector.optional(),
      mtls: mtls.nullable().optional(),
      portLevelMtls: z.record(portText, mtls.nullable()).optional(),
    })
    .refine((s) => s.portLevelMtls === undefined || Object.keys(s.selector?.matchLabels ?? {}).length > 0, {
      message: "needs a selector with labels: ports belong to workloads",
      path: ["portLevelMtls"],
    })
    .default({}),
  status: z.unknown().optional(),
});
export type PeerAuthentication = z.output<typeof peerAuthentication>;
