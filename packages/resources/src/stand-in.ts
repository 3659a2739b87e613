import { z } from "zod";
import { dnsLabel, dnsName } from "./metadata.ts";
import { type Resources, parseResource } from "./parse-resource.ts";
import { workloadSelector } from "./istio-fields.ts";

/** Marks a policy that stands in for one that cannot be read. */
export const STAND_IN_ANNOTATION = "lateen.dev/stands-in-for-unreadable";

const readable = z.looseObject({
  kind: z.enum(["AuthorizationPolicy", "PeerAuthentication"]),
  apiVersion: z.string().startsWith("security.istio.io/"),
  metadata: z.looseObject({
    name: dnsName,
    namespace: dnsLabel.optional(),
    creationTimestamp: z.string().max(64).nullish(),
    labels: z.record(z.string(), z.unknown()).nullish(),
    annotations: z.record(z.string(), z.unknown()).nullish(),
  }),
  // Without a readable selector nobody knows whom it is for.
  spec: z.looseObject({ selector: workloadSelector.nullish() }),
});
type Readable = z.output<typeof readable>;
type Spec = Readonly<Record<string, unknown>>;

const POLICY_FIELDS: ReadonlySet<string> = new Set([
  ...["selector", "targetRef", "targetRefs", "action", "provider", "rules"],
]);
const PEER_FIELDS: ReadonlySet<string> = new Set(["selector", "mtls", "portLevelMtls"]);
const REVISION = "istio.io/rev";

/**
 * What holds instead of a policy that cannot be read and has no earlier state: it must not open what it was to close.
 * An AuthorizationPolicy that was to allow somebody allows nobody, so that others' ALLOW still count; one whose action is DENY, or
 * that says what nobody understands, denies everybody. A PeerAuthentication that names STRICT, or what nobody understands, is STRICT.
 * All hold for the workloads that they select.
 * @returns null for what restricts nobody at node proxies by its kind (waypoints, AUDIT, CUSTOM, dry-run, PERMISSIVE), and when whom
 * it selects cannot be read either
 * @see ADR 0019
 */
export function standInFor(raw: unknown): Resources["AuthorizationPolicy" | "PeerAuthentication"] | null {
  const parsed = readable.safeParse(raw);
  if (!parsed.success) return null;
  const { metadata, spec, apiVersion, kind } = parsed.data;
  const wanted = kind === "AuthorizationPolicy" ? closedPolicy(parsed.data) : closedPeers(spec);
  if (wanted === null) return null;
  const revision = metadata.labels?.[REVISION];
  const stand = parseResource({
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(metadata.creationTimestamp == null ? {} : { creationTimestamp: metadata.creationTimestamp }),
      ...(typeof revision === "string" ? { labels: { [REVISION]: revision } } : {}),
      annotations: { [STAND_IN_ANNOTATION]: "true" },
    },
    spec: { ...(spec.selector == null ? {} : { selector: spec.selector }), ...wanted },
  });
  if (stand.t !== "resource") return null;
  const { resource } = stand;
  return resource.kind === "AuthorizationPolicy" || resource.kind === "PeerAuthentication" ? resource : null;
}

const isUnderstood = (spec: Spec, fields: ReadonlySet<string>): boolean =>
  Object.keys(spec).every((field) => fields.has(field));

function closedPolicy({ metadata, spec }: Readable): Spec | null {
  const action = spec["action"];
  if (spec.selector == null && (spec["targetRef"] != null || spec["targetRefs"] != null)) return null;
  if (action === "AUDIT" || action === "CUSTOM" || metadata.annotations?.["istio.io/dry-run"] === "true") return null;
  const allows = isUnderstood(spec, POLICY_FIELDS) && (action == null || action === "ALLOW");
  return allows ? { action: "ALLOW", rules: [] } : { action: "DENY", rules: [{}] };
}

/** Modes that let plaintext in, or leave it to others. */
const OPEN_MODES: ReadonlySet<unknown> = new Set([undefined, "UNSET", "DISABLE", "PERMISSIVE"]);

function closedPeers(spec: Spec): Spec | null {
  const ports = spec["portLevelMtls"] ?? {};
  const named = [
    spec["mtls"] ?? {},
    ...(typeof ports === "object" ? Object.values(ports) : [{ mode: ports }]),
  ] as unknown[];
  const isOpen = named.every((mtls) => OPEN_MODES.has((mtls as { readonly mode?: unknown } | null)?.mode));
  return isOpen && isUnderstood(spec, PEER_FIELDS) ? null : { mtls: { mode: "STRICT" } };
}

export const isStandIn = (o: { readonly metadata: { readonly annotations?: object | null | undefined } }): boolean =>
  Object.hasOwn(o.metadata.annotations ?? {}, STAND_IN_ANNOTATION);
