import type { Gateway } from "@lateen/resources";
import type { ClassInfo } from "./gateway-classes.ts";

export const GATEWAY_NAME_LABEL = "gateway.networking.k8s.io/gateway-name";
export const GATEWAY_CLASS_LABEL = "gateway.networking.k8s.io/gateway-class-name";
export const MANAGED_LABEL = "gateway.istio.io/managed";
export const DATAPLANE_LABEL = "istio.io/dataplane-mode";
export const NETWORK_LABEL = "topology.istio.io/network";
/** Of ConfigMaps that customise all Gateways of a class. */
export const CLASS_DEFAULTS_LABEL = "gateway.istio.io/defaults-for-class";
export const VERSION_ANNOTATION = "gateway.istio.io/controller-version";
export const NAME_ANNOTATION = "gateway.istio.io/name-override";
export const ACCOUNT_ANNOTATION = "gateway.istio.io/service-account";
export const SERVICE_TYPE_ANNOTATION = "networking.istio.io/service-type";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Said to the controller, not to what it makes. */
const PRIVATE_ANNOTATIONS: ReadonlySet<string> = new Set([
  LAST_APPLIED,
  NAME_ANNOTATION,
  ACCOUNT_ANNOTATION,
  VERSION_ANNOTATION,
]);
const RESERVED_PREFIX = "gateway.networking.k8s.io/";

export type Texts = Readonly<Record<string, string>>;

/** What the objects of a Gateway are called. */
export interface GatewayNames {
  /** Of the Deployment, the Service and what belongs to them. */
  readonly deployment: string;
  readonly serviceAccount: string;
}

export function gatewayNames({ metadata, spec }: Gateway, { suffixed }: ClassInfo): GatewayNames {
  const name = suffixed ? `${metadata.name}-${spec.gatewayClassName}` : metadata.name;
  const annotations = metadata.annotations ?? {};
  return {
    deployment: annotations[NAME_ANNOTATION] || name,
    serviceAccount: annotations[ACCOUNT_ANNOTATION] || name,
  };
}

/**
 * Labels and annotations that everything made for a Gateway carries.
 * @param o.copies whether those of the Gateway itself count where its infrastructure names none
 * @see control-plane 3.4, step 4
 */
export function infrastructureMetadata(
  { metadata, spec }: Gateway,
  info: ClassInfo,
  o: { readonly copies: boolean; readonly network: string },
): { readonly labels: Texts; readonly annotations: Texts } {
  const own = metadata.labels ?? {};
  const labels = { ...chosen(spec.infrastructure?.labels, own, o.copies) };
  if (info.form === "waypoint") {
    if (o.network !== "" && own[NETWORK_LABEL] === undefined) labels[NETWORK_LABEL] ??= o.network;
  } else if (own[DATAPLANE_LABEL] === undefined) labels[DATAPLANE_LABEL] ??= "none";
  const annotations = chosen(spec.infrastructure?.annotations, metadata.annotations ?? {}, o.copies);
  const told = Object.entries(annotations).filter(([key]) => !PRIVATE_ANNOTATIONS.has(key));
  return { labels, annotations: Object.fromEntries(told) };
}

function chosen(infrastructure: Texts | undefined, own: Texts, copies: boolean): Texts {
  const from = infrastructure ?? (copies ? own : {});
  return Object.fromEntries(Object.entries(from).filter(([key]) => !key.startsWith(RESERVED_PREFIX)));
}

/** Whether we run the Gateway, and do not only point to what somebody else runs. */
export function isManaged({ spec }: Gateway): boolean {
  const [first, ...more] = spec.addresses ?? [];
  return first === undefined || (more.length === 0 && (first.type ?? "IPAddress") === "IPAddress");
}

/** Ours; larger numbers win. */
export const CONTROLLER_VERSION = 5;

/** Whose a Gateway is by the version that it was last handled with: ours, ours to take over, or a newer controller's. */
export function controllerVersion({ metadata }: Gateway): "ours" | "takeover" | "newer" {
  const written = metadata.annotations?.[VERSION_ANNOTATION];
  if (written === undefined) return "takeover";
  if (!/^[+-]?\d{1,15}$/.test(written)) return "newer"; // of a scheme that we do not know
  const version = Number(written);
  return version > CONTROLLER_VERSION ? "newer" : version < CONTROLLER_VERSION ? "takeover" : "ours";
}

/**
 * Whether an object of the Gateway API is for this revision: by its own label, else by its Namespace's, else it is the default's.
 * @param revisions ours: the revision itself and the tags that point to it
 * @see control-plane 7.5
 */
export function isOfRevision(
  { metadata }: { readonly metadata: { readonly labels?: Texts | null | undefined } },
  namespaceLabels: Texts,
  revisions: readonly string[],
): boolean {
  return revisions.includes(metadata.labels?.["istio.io/rev"] || namespaceLabels["istio.io/rev"] || "default");
}
