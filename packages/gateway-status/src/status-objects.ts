import { z } from "zod";

// Kinds of the Gateway API that are read for the sake of their status alone. The API server has judged them by its own CRDs; what a
// status does not follow from is not kept.

const text = z.string().max(65_536);
const list = <T extends z.ZodType>(of: T): z.ZodArray<T> => z.array(of).max(10_000);
const metadata = z.object({
  name: text,
  namespace: text.default("default"),
  generation: z.number().optional(),
  resourceVersion: text.optional(),
  creationTimestamp: text.nullish(),
  labels: z.record(z.string(), z.string()).nullish(),
});

const parentRef = z.object({
  group: text.optional(),
  kind: text.optional(),
  namespace: text.optional(),
  name: text,
  sectionName: text.optional(),
  port: z.number().optional(),
});
/** What a route wants to be attached to. */
export type ParentRef = z.output<typeof parentRef>;

const objectRef = z.object({
  group: text.optional(),
  kind: text.optional(),
  namespace: text.optional(),
  name: text,
  port: z.number().optional(),
});
const headers = z.object({
  set: list(z.object({ name: text, value: text })).optional(),
  add: list(z.object({ name: text, value: text })).optional(),
});
const filter = z.object({
  type: text,
  requestHeaderModifier: headers.optional(),
  responseHeaderModifier: headers.optional(),
  requestMirror: z.object({ backendRef: objectRef }).optional(),
});
export type RouteFilter = z.output<typeof filter>;
const backendRef = objectRef.extend({ weight: z.number().optional(), filters: list(filter).optional() });
/** Where a route sends to. */
export type BackendRef = z.output<typeof backendRef>;
const matchedBy = list(z.object({ type: text.optional() })).optional();
const match = z.object({
  path: z.object({ type: text.optional() }).optional(),
  headers: matchedBy,
  queryParams: matchedBy,
  method: z.unknown().optional(),
});
export type RouteMatch = z.output<typeof match>;
const rule = z.object({
  matches: list(match).optional(),
  filters: list(filter).optional(),
  backendRefs: list(backendRef).optional(),
});
export type RouteRule = z.output<typeof rule>;

export const ROUTE_KINDS = ["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"] as const;
export type RouteKind = (typeof ROUTE_KINDS)[number];

/** Entries of others are kept as they are. */
const parentStatus = z.looseObject({
  parentRef,
  controllerName: text,
  conditions: z.unknown().optional(),
});
/** One entry of a route's status as it stands. */
export type ParentStatus = z.output<typeof parentStatus>;

const route = z.object({
  metadata,
  spec: z.object({
    parentRefs: list(parentRef).optional(),
    hostnames: list(text).optional(),
    rules: list(rule).optional(),
  }),
  status: z.object({ parents: list(parentStatus).optional() }).nullish(),
});
export type Route = z.output<typeof route> & { readonly kind: RouteKind };

const selector = z.object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: list(
    z.object({
      key: text,
      operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
      values: list(text).optional(),
    }),
  ).optional(),
});
const namespaces = z.object({ from: text.optional(), selector: selector.optional() });
const listenerEntry = z.object({
  name: text,
  port: z.number().optional(),
  protocol: text,
  hostname: text.optional(),
  tls: z
    .looseObject({
      mode: text.optional(),
      certificateRefs: list(objectRef).optional(),
      options: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  allowedRoutes: z
    .looseObject({
      namespaces: namespaces.optional(),
      kinds: list(z.object({ group: text.optional(), kind: text })).optional(),
    })
    .optional(),
});
/** A listener, of a Gateway or of a ListenerSet; its port may be left to its protocol. */
export type Listener = z.output<typeof listenerEntry>;

const listenerSet = z.object({
  metadata,
  spec: z.object({ parentRef, listeners: list(listenerEntry).default([]) }),
  status: z.object({ conditions: z.unknown().optional(), listeners: z.unknown().optional() }).nullish(),
});
export type ListenerSet = z.output<typeof listenerSet>;

const referenceGrant = z.object({
  metadata,
  spec: z.object({
    from: list(z.object({ group: text, kind: text, namespace: text })).default([]),
    to: list(z.object({ group: text, kind: text, name: text.optional() })).default([]),
  }),
});
export type ReferenceGrant = z.output<typeof referenceGrant>;

const caRef = z.object({ group: text, kind: text, name: text, namespace: text.optional() });
const frontendTls = z.object({
  validation: z.object({ caCertificateRefs: list(caRef).default([]), mode: text.optional() }).optional(),
});
const gatewayTls = z.object({
  frontend: z
    .looseObject({
      default: frontendTls.optional(),
      perPort: list(z.object({ port: z.number(), tls: frontendTls })).optional(),
    })
    .optional(),
  backend: z.object({ clientCertificateRef: objectRef.optional() }).optional(),
});
/** `spec.tls` of a Gateway. */
export type GatewayTls = z.output<typeof gatewayTls>;
export type CaRef = z.output<typeof caRef>;

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

function read<T extends z.ZodType>(schema: T, raw: unknown): Read<z.output<T>> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { ok: true, value: parsed.data };
  const why = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).slice(0, 10);
  return { ok: false, why: why.join("; ") };
}

export function readRoute(kind: RouteKind, raw: unknown): Read<Route> {
  const parsed = read(route, raw);
  return parsed.ok ? { ok: true, value: { ...parsed.value, kind } } : parsed;
}
export const readListenerSet = (raw: unknown): Read<ListenerSet> => read(listenerSet, raw);
export const readReferenceGrant = (raw: unknown): Read<ReferenceGrant> => read(referenceGrant, raw);
export const readGatewayTls = (raw: unknown): GatewayTls | null => {
  const parsed = read(gatewayTls, raw ?? {});
  return parsed.ok ? parsed.value : null;
};
