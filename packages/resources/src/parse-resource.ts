import { z } from "zod";
import { apiKinds } from "./api-kinds.ts";
import type { FieldProblem } from "./field-problem.ts";
import { authorizationPolicy } from "./kinds/authorization-policy.ts";
import { deployment } from "./kinds/deployment.ts";
import { endpointSlice } from "./kinds/endpoint-slice.ts";
import { gateway } from "./kinds/gateway.ts";
import { gatewayClass } from "./kinds/gateway-class.ts";
import { namespace } from "./kinds/namespace.ts";
import { node } from "./kinds/node.ts";
import { peerAuthentication } from "./kinds/peer-authentication.ts";
import { pod } from "./kinds/pod.ts";
import { service } from "./kinds/service.ts";
import { serviceAccount } from "./kinds/service-account.ts";
import { serviceEntry } from "./kinds/service-entry.ts";
import { workloadEntry } from "./kinds/workload-entry.ts";
import { plainCopy } from "./plain-copy.ts";
import { schemaProblems } from "./schema-problems.ts";

/** Every kind that is read, by kind. */
export const schemas = {
  Namespace: namespace,
  ServiceAccount: serviceAccount,
  Pod: pod,
  Service: service,
  Node: node,
  Deployment: deployment,
  AuthorizationPolicy: authorizationPolicy,
  PeerAuthentication: peerAuthentication,
  EndpointSlice: endpointSlice,
  ServiceEntry: serviceEntry,
  WorkloadEntry: workloadEntry,
  Gateway: gateway,
  GatewayClass: gatewayClass,
} as const;
export type Kind = keyof typeof schemas;
export type Resources = { readonly [K in Kind]: z.output<(typeof schemas)[K]> };
export type Resource = Resources[Kind];

export type ParsedResource =
  | { readonly t: "resource"; readonly resource: Resource }
  /** A kind that nothing here reads: not wrong, and not heeded. */
  | { readonly t: "unknown-kind"; readonly apiVersion: string; readonly kind: string }
  | { readonly t: "invalid"; readonly problems: readonly FieldProblem[] };

const CLUSTER_SCOPED: ReadonlySet<string> = new Set(
  Object.entries(apiKinds).flatMap(([kind, { scope }]) => (scope === "cluster" ? [kind] : [])),
);
/** The namespace that an object lives in: `default` when it names none, empty for kinds without one. */
export function namespaceOf(resource: {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string | undefined };
}): string {
  return CLUSTER_SCOPED.has(resource.kind) ? "" : (resource.metadata.namespace ?? "default");
}

/** `Kind/namespace/name`, or `Kind/name`: equal for the same object. */
export function resourceKey(resource: Pick<Resource, "kind" | "metadata">): string {
  const ns = namespaceOf(resource);
  return ns === "" ? `${resource.kind}/${resource.metadata.name}` : `${resource.kind}/${ns}/${resource.metadata.name}`;
}

const head = z.looseObject({ apiVersion: z.string().max(253), kind: z.string().max(253) });

/**
 * Validates one object. Every problem is reported at once; what the schema does not know of an Istio kind is one. Entries that
 * are null count as absent, as the API server has it. Size and depth are bounded by `LIMITS`.
 */
export function parseResource(raw: unknown): ParsedResource {
  const copy = plainCopy(raw);
  if (!copy.ok) return { t: "invalid", problems: [copy.problem] };
  const value = copy.value;
  const named = head.safeParse(value);
  if (!named.success) return { t: "invalid", problems: schemaProblems(named.error, value) };
  const { apiVersion, kind } = named.data;
  const schema = Object.hasOwn(schemas, kind) ? schemas[kind as Kind] : undefined;
  if (schema === undefined) return { t: "unknown-kind", apiVersion, kind };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { t: "resource", resource: parsed.data };
  const foreign = parsed.error.issues.some((i) => i.path.length === 1 && i.path[0] === "apiVersion");
  if (foreign && !isOwnGroup(kind as Kind, apiVersion)) return { t: "unknown-kind", apiVersion, kind };
  return { t: "invalid", problems: schemaProblems(parsed.error, value) };
}

/** Another group may use the same kind name (a Knative Service); another version of our group is a mistake. */
function isOwnGroup(kind: Kind, apiVersion: string): boolean {
  return (apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "") === apiKinds[kind].group;
}
