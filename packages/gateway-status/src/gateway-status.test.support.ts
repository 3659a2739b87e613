import { gatewayClasses } from "@lateen/gateway-deployment";
import { type Gateway, type GatewayClass, parseResource } from "@lateen/resources";
import type { GatewayService, GatewayWorld, Labels, Material } from "./gateway-world.ts";
import { type PlannedStatus, planStatuses } from "./plan-statuses.ts";
import type { StatusCondition } from "./status-conditions.ts";
import { type RouteKind, readListenerSet, readReferenceGrant, readRoute } from "./status-objects.ts";

export const CONTROLLER = "istio.io/gateway-controller";

const API = "gateway.networking.k8s.io/v1";
export const MESH_LISTENER = { name: "mesh", port: 15008, protocol: "HBONE" };
export const HTTP_LISTENER = { name: "http", port: 80, protocol: "HTTP" };

export function gateway(name: string, spec: object, metadata: object = {}): Gateway {
  const parsed = parseResource({
    apiVersion: API,
    kind: "Gateway",
    metadata: { name, namespace: "shop", ...metadata },
    spec,
  });
  if (parsed.t === "resource" && parsed.resource.kind === "Gateway") return parsed.resource;
  throw new TypeError(JSON.stringify(parsed));
}
export const waypoint = (name = "wp", listeners: readonly object[] = [MESH_LISTENER], metadata: object = {}): Gateway =>
  gateway(name, { gatewayClassName: "istio-waypoint", listeners }, metadata);
/** A Gateway of the outside. */
export const ingress = (spec: object = {}, name = "gw"): Gateway =>
  gateway(name, { gatewayClassName: "istio", listeners: [HTTP_LISTENER], ...spec });

export interface Given {
  readonly gateways?: readonly Gateway[];
  readonly classes?: Readonly<Record<string, string>>;
  readonly sets?: readonly object[];
  readonly routes?: readonly (readonly [kind: RouteKind, raw: object])[];
  readonly grants?: readonly object[];
  readonly namespaces?: Readonly<Record<string, Labels>>;
  readonly services?: Readonly<Record<string, Labels>>;
  readonly entries?: Readonly<Record<string, Labels>>;
  readonly reached?: Readonly<Record<string, Partial<GatewayService>>>;
  readonly secrets?: Readonly<Record<string, Material>>;
  readonly problem?: string;
}

const read = <T>(r: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }): T => {
  if (r.ok) return r.value;
  throw new TypeError(r.why);
};
const key = ({ metadata }: { metadata: { name: string; namespace?: string | undefined } }): string =>
  `${metadata.namespace ?? "default"}/${metadata.name}`;

export function world(given: Given): GatewayWorld {
  const material = (at: string): Material => given.secrets?.[at] ?? { t: "absent" };
  const sets = (given.sets ?? []).map((raw) => read(readListenerSet(raw)));
  return {
    classes: gatewayClasses(),
    gatewayClasses: new Map(
      Object.entries(given.classes ?? {}).map(([name, controllerName]) => [
        name,
        { metadata: { name, generation: 3 }, spec: { controllerName } } as unknown as GatewayClass,
      ]),
    ),
    gateways: new Map((given.gateways ?? []).map((g) => [key(g), g])),
    listenerSets: new Map(sets.map((s) => [key(s), s])),
    routes: (given.routes ?? []).map(([kind, raw]) => read(readRoute(kind, raw))),
    grants: (given.grants ?? []).map((raw) => read(readReferenceGrant(raw))),
    namespaces: new Map(Object.entries({ shop: {}, other: {}, ...given.namespaces })),
    serviceLabels: (at) => given.services?.[at],
    entryLabels: (at) => given.entries?.[at],
    waypointProblem: (kind, at) => (at === "shop/unbound" ? `${kind} ${at} waits for its waypoint` : null),
    hasHost: (hostname, namespace) => given.services?.[`${namespace}/${hostname}`] !== undefined,
    gatewayService(hostname, namespace) {
      const found = given.reached?.[hostname.replace(".svc.cluster.local", "")];
      if (found === undefined || !hostname.includes(`.${namespace}.`)) return undefined;
      const none = {
        ports: [],
        ready: new Map(),
        type: "ClusterIP",
        clusterIps: [],
        externalAddresses: [],
        managed: false,
      };
      return { ...none, ...found };
    },
    certificate: material,
    roots: (_, at) => material(at),
    hasParameters: () => false,
    domain: "cluster.local",
    ambient: true,
    deploymentProblem: () => given.problem ?? null,
  };
}

/** What is said of each, by `Kind/key`. */
export const said = (given: Given): ReadonlyMap<string, PlannedStatus> =>
  new Map(planStatuses(world(given), CONTROLLER).map((s) => [`${s.kind}/${s.key}`, s]));

export function parent(given: Given, name: string): Extract<PlannedStatus, { t: "parent" }> {
  const found = said(given).get(name);
  if (found?.t !== "parent") throw new TypeError(`nothing is said of ${name}`);
  return found;
}

export const brief = (conditions: readonly StatusCondition[]): Readonly<Record<string, string>> =>
  Object.fromEntries(conditions.map((c) => [c.type, `${c.status} ${c.reason}`]));

/** The conditions of a route, parent by parent. */
export function routeSays(given: Given, name: string): readonly Readonly<Record<string, string>>[] {
  const found = said(given).get(name);
  if (found?.t !== "route") return [];
  return found.parents.map((p) => (p.t === "ours" ? brief(p.conditions) : { theirs: p.raw.controllerName }));
}

export const route = (spec: object, metadata: object = {}, status?: object): object => ({
  metadata: { name: "r", namespace: "shop", ...metadata },
  spec,
  ...(status === undefined ? {} : { status }),
});
