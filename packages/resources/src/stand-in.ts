import { z } from "zod";
import { dnsLabel, dnsName } from "./metadata.ts";
import { type Resources, parseResource } from "./parse-resource.ts";
import { workloadSelector } from "./istio-fields.ts";

/** Marks a policy that stands in for one that cannot be read. */
export const STAND_IN_ANNOTATION = "lateen.dev/stands-in-for-unreadable";

const readable = z.looseObject({
  kind: z.literal("AuthorizationPolicy"),
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

const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...["selector", "targetRef", "targetRefs", "action", "provider", "rules"],
]);
const REVISION = "istio.io/rev";

/**
 * What holds instead of an AuthorizationPolicy that cannot be read and has no earlier state: it must not open what it was to close.
 * One that was to allow somebody allows nobody, so that others' ALLOW still count; one whose action is DENY, or that says what
 * nobody understands, denies everybody. Both hold for the workloads that it selects.
 * @returns null when it restricts nobody at node proxies by its kind (waypoints, AUDIT, CUSTOM, dry-run), and when whom it selects
 * cannot be read either
 * @see ADR 0010
 */
export function standInFor(raw: unknown): Resources["AuthorizationPolicy"] | null {
  const parsed = readable.safeParse(raw);
  if (!parsed.success) return null;
  const { metadata, spec, apiVersion } = parsed.data;
  const { action, selector } = spec as { readonly action?: unknown; readonly selector?: unknown };
  if (selector == null && (spec["targetRef"] != null || spec["targetRefs"] != null)) return null;
  if (action === "AUDIT" || action === "CUSTOM" || metadata.annotations?.["istio.io/dry-run"] === "true") return null;
  const understood = Object.keys(spec).every((field) => KNOWN_FIELDS.has(field));
  const allows = understood && (action == null || action === "ALLOW");
  const revision = metadata.labels?.[REVISION];
  const stand = parseResource({
    apiVersion,
    kind: "AuthorizationPolicy",
    metadata: {
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(metadata.creationTimestamp == null ? {} : { creationTimestamp: metadata.creationTimestamp }),
      ...(typeof revision === "string" ? { labels: { [REVISION]: revision } } : {}),
      annotations: { [STAND_IN_ANNOTATION]: "true" },
    },
    spec: {
      ...(selector == null ? {} : { selector }),
      ...(allows ? { action: "ALLOW", rules: [] } : { action: "DENY", rules: [{}] }),
    },
  });
  return stand.t === "resource" && stand.resource.kind === "AuthorizationPolicy" ? stand.resource : null;
}

export const isStandIn = (o: { readonly metadata: { readonly annotations?: object | null | undefined } }): boolean =>
  Object.hasOwn(o.metadata.annotations ?? {}, STAND_IN_ANNOTATION);
