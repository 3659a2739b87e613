import { createHash } from "node:crypto";
import {
  API_VERSIONS,
  type ExistingDeployment,
  GATEWAY_NAME_LABEL,
  MANAGED_LABEL,
  PLANNED_KINDS,
  type PlannedKind,
} from "@lateen/gateway-deployment";
import {
  type ApiClient,
  type ApiResource,
  type Decoded,
  type KubeMetrics,
  type Reflector,
  startReflector,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

/** An object that was made for a Gateway, as far as anybody needs to know. */
export interface GatewayChild {
  /** Name of the Gateway, in the namespace of the object. */
  readonly gateway: string;
  readonly resourceVersion: string;
  /** Equal as long as nobody changes more than its status. */
  readonly print: string;
  /** Of Deployments. */
  readonly deployment: ExistingDeployment | undefined;
}

const PLURALS: Readonly<Record<PlannedKind, string>> = {
  ServiceAccount: "serviceaccounts",
  Deployment: "deployments",
  Service: "services",
  HorizontalPodAutoscaler: "horizontalpodautoscalers",
  PodDisruptionBudget: "poddisruptionbudgets",
};

/** How the API server calls the kinds that Gateways are run by. */
export const childResource = (kind: PlannedKind): ApiResource => {
  const [group, version] = API_VERSIONS[kind].includes("/") ? API_VERSIONS[kind].split("/") : ["", API_VERSIONS[kind]];
  return { group: group!, versions: [version!], plural: PLURALS[kind], kind, scope: "namespaced" };
};

/** Everything in the cluster that was made for Gateways, by whoever. */
export interface GatewayChildren extends Disposable {
  synced(o: { readonly signal: AbortSignal }): Promise<void>;
  /** @param key `namespace/name` */
  get(kind: PlannedKind, key: string): GatewayChild | undefined;
}

/** @param o.onChange hears `namespace/name` of the Gateways whose objects came, changed or went */
export function followChildren(o: {
  readonly client: ApiClient;
  readonly onChange: (gateways: ReadonlySet<string>) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): GatewayChildren {
  const follow = (kind: PlannedKind): Reflector<GatewayChild> =>
    startReflector<GatewayChild>({
      ...{ client: o.client, log: o.log, metrics: o.metrics },
      resource: childResource(kind),
      labelSelector: MANAGED_LABEL,
      decode: decodeChild,
      onChange(changes) {
        const gateways = changes.flatMap(({ key, before, after }) =>
          [before, after].flatMap((child) => (child === undefined ? [] : [`${namespaceOf(key)}/${child.gateway}`])),
        );
        o.onChange(new Set(gateways));
      },
    });
  const reflectors = new Map(PLANNED_KINDS.map((kind) => [kind, follow(kind)]));
  return {
    async synced(wait) {
      await Promise.all([...reflectors.values()].map((r) => r.synced(wait)));
    },
    get: (kind, key) => reflectors.get(kind)?.get(key),
    [Symbol.dispose]() {
      for (const reflector of reflectors.values()) reflector[Symbol.dispose]();
    },
  };
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf("/"));

interface RawChild {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: unknown;
    readonly ownerReferences?: unknown;
    readonly resourceVersion?: string;
    readonly uid?: string;
  };
  readonly spec?: {
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly template?: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } };
  };
}

/** The API server holds to its own types, so what is there has the form of them. */
function decodeChild(raw: unknown): Decoded<GatewayChild> {
  return { t: "good", value: childOf(raw) };
}

/** Reads an object as the API server gives it, in a list or as the answer to a write. */
export function childOf(raw: unknown): GatewayChild {
  const { metadata = {}, spec } = raw as RawChild;
  const selector = spec?.selector?.matchLabels;
  return {
    gateway: metadata.labels?.[GATEWAY_NAME_LABEL] ?? "",
    resourceVersion: metadata.resourceVersion ?? "",
    print: printOf(raw as RawChild),
    deployment: selector === undefined ? undefined : { selector, podLabels: spec?.template?.metadata?.labels ?? {} },
  };
}

/** Everything but what changes by itself. */
function printOf({ metadata = {}, ...rest }: RawChild): string {
  const { labels, annotations, ownerReferences, uid } = metadata;
  const left = Object.entries(rest).filter(([field]) => !LEFT_OUT.has(field));
  const told = JSON.stringify([uid, labels, annotations, ownerReferences, left.sort(byField)]);
  return createHash("sha256").update(told).digest("base64");
}

/** Items of lists do not say what they are. */
const LEFT_OUT: ReadonlySet<string> = new Set(["status", "apiVersion", "kind"]);
const byField = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
