import { DEFAULT_CLASS_OPTIONS, gatewayClasses } from "@lateen/gateway-deployment";
import {
  type GatewayService,
  type GatewayWorld,
  type ListenerSet,
  type Material,
  type PlannedStatus,
  ROUTE_KINDS,
  type ReferenceGrant,
  type Route,
  type StatusCondition,
  planStatuses,
  readListenerSet,
  readReferenceGrant,
  readRoute,
} from "@lateen/gateway-status";
import type { Gateway, GatewayClass } from "@lateen/resources";
import { object, text } from "../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type SuiteFile,
  type Verdict,
  compare,
  unsupported,
} from "../suite-driver.ts";
import { readObject } from "./ambient/objects.ts";

const CONTROLLER = "istio.io/gateway-controller";
/** Kinds whose status nothing of the product says anything of. */
const FOREIGN: ReadonlySet<string> = new Set(["BackendTLSPolicy", "XBackendTrafficPolicy", "InferencePool"]);
/** Secrets and ConfigMaps of the peer's tests, which the file leaves out: those that can be used, and those that cannot. */
const SECRETS = {
  good: [
    ...["istio-system/my-cert-http", "istio-system/my-cert-http2", "istio-system/my-cert", "cert/cert"],
    ...["ns2/ns2-cert", "ns3/ns3-cert", "ns4/ns4-cert", "bookinfo/bookinfo-secret", "bookinfo/another-secret"],
  ],
  bad: ["istio-system/malformed"],
};
const ROOTS = {
  good: ["istio-system/my-cert-http", "default/auth-cert"],
  bad: ["istio-system/malformed", "istio-system/malformed-trustbundle", "default/malformed"],
};
/** Port of every instance, as the peer's tests have it. */
const INSTANCE_PORT = 8_080;

export const driver: SuiteDriver = {
  suite: "gateway-api-status",
  // What the product says nothing of, and the rest.
  kindOf({ input }) {
    const objects = input["objects"] as readonly JsonObject[];
    return objects.some((o) => FOREIGN.has(text(o["kind"]))) ? "policies" : "gateways";
  },
  judge({ input, expected }, file): Verdict {
    const objects = input["objects"] as readonly JsonObject[];
    const foreign = objects.find((o) => FOREIGN.has(text(o["kind"])));
    if (foreign !== undefined) return unsupported(`nothing is said of a ${text(foreign["kind"])}`);
    const said = new Map(planStatuses(worldOf(objects, file), CONTROLLER).map((s) => [`${s.kind}/${s.key}`, shown(s)]));
    const wanted = new Map(
      (object(expected)["statuses"] as readonly JsonObject[]).map((s) => [nameOf(s), expectedOf(s)]),
    );
    // What is not renewed stands as it is; the peer's dumps leave it out.
    for (const o of objects) if (!said.has(nameOf(o)) && wanted.has(nameOf(o))) said.set(nameOf(o), expectedOf(o));
    return compare(Object.fromEntries(said), Object.fromEntries(wanted));
  },
};

function nameOf(o: JsonObject): string {
  const { name, namespace } = object(o["metadata"]);
  const key =
    namespace === undefined && o["kind"] === "GatewayClass"
      ? text(name)
      : `${text(namespace ?? "default")}/${text(name)}`;
  return `${text(o["kind"])}/${key}`;
}

function worldOf(objects: readonly JsonObject[], file: SuiteFile): GatewayWorld {
  const environment = object(file.raw["environment"]);
  const domain = text(environment["domainSuffix"]);
  const services = environment["services"] as readonly JsonObject[];
  const suffix = `.svc.${domain}`;
  const keys = new Map<string, Readonly<Record<string, string>>>();
  for (const s of services) {
    const hostname = text(s["hostname"]);
    if (hostname.endsWith(suffix)) keys.set(`${text(s["namespace"])}/${hostname.slice(0, hostname.indexOf("."))}`, {});
  }
  for (const s of of(objects, "Service")) keys.set(keyOf(s), labelsOf(s));
  const entries = new Map(of(objects, "ServiceEntry").map((e) => [keyOf(e), e]));
  const hosts = new Set(services.map((s) => `${text(s["namespace"])}/${text(s["hostname"])}`));
  return {
    classes: gatewayClasses({ ...DEFAULT_CLASS_OPTIONS, multiNetwork: true }),
    gatewayClasses: new Map(
      of(objects, "GatewayClass").map((c) => [text(object(c["metadata"])["name"]), readObject(c) as GatewayClass]),
    ),
    gateways: new Map(of(objects, "Gateway").map((g) => [keyOf(g), readObject(g) as Gateway])),
    listenerSets: new Map(of(objects, "ListenerSet").map((s) => [keyOf(s), taken<ListenerSet>(readListenerSet(s))])),
    routes: ROUTE_KINDS.flatMap((kind) => of(objects, kind).map((r) => taken<Route>(readRoute(kind, r)))),
    grants: of(objects, "ReferenceGrant").map((g) => taken<ReferenceGrant>(readReferenceGrant(g))),
    namespaces: namespacesOf(objects, services),
    serviceLabels: (key) => keys.get(key),
    entryLabels(key) {
      const entry = entries.get(key);
      return entry && labelsOf(entry);
    },
    waypointProblem: () => null,
    hasHost: (hostname, namespace) => hosts.has(`${namespace}/${hostname}`),
    gatewayService(hostname, namespace) {
      const found = services.find((s) => s["hostname"] === hostname && s["namespace"] === namespace);
      return found && gatewayService(found);
    },
    certificate: (key) => material(SECRETS, key),
    roots: (kind, key) => material(kind === "Secret" ? SECRETS : ROOTS, key),
    hasParameters: (key) => of(objects, "ConfigMap").some((m) => keyOf(m) === key),
    domain,
    // The peer's tests run with its ambient part switched off.
    ambient: false,
    deploymentProblem: () => null,
  };
}

function material(of: { readonly good: readonly string[]; readonly bad: readonly string[] }, key: string): Material {
  if (of.good.includes(key)) return { t: "good" };
  return of.bad.includes(key) ? { t: "bad", why: "it holds no certificate" } : { t: "absent" };
}

/** Objects live in namespaces that exist, although the file does not say so. */
function namespacesOf(objects: readonly JsonObject[], services: readonly JsonObject[]): GatewayWorld["namespaces"] {
  const names = [...objects.map((o) => object(o["metadata"])["namespace"]), ...services.map((s) => s["namespace"])];
  const bare = names.flatMap((n) =>
    n == null ? [] : [[text(n), { "istio.io/test-name-part": text(n).split("-", 1)[0]! }] as const],
  );
  return new Map([
    ...bare,
    ...of(objects, "Namespace").map((n) => [text(object(n["metadata"])["name"]), labelsOf(n)] as const),
  ]);
}

function gatewayService(s: JsonObject): GatewayService {
  const ports = (s["ports"] as readonly JsonObject[]).map((p) => Number(p["port"]));
  return {
    ports,
    ready: new Map(ports.map((port) => [port, [INSTANCE_PORT]])),
    type: "ClusterIP",
    clusterIps: [],
    externalAddresses: (s["externalAddresses"] ?? []) as readonly string[],
    managed: false,
  };
}

const of = (objects: readonly JsonObject[], kind: string): readonly JsonObject[] =>
  objects.filter((o) => o["kind"] === kind);
const keyOf = (o: JsonObject): string => {
  const { name, namespace } = object(o["metadata"]);
  return `${text(namespace ?? "default")}/${text(name)}`;
};
const labelsOf = (o: JsonObject): Readonly<Record<string, string>> =>
  (object(o["metadata"])["labels"] ?? {}) as Readonly<Record<string, string>>;

function taken<T>(read: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }): T {
  if (read.ok) return read.value;
  throw new TypeError(read.why);
}

type Shown = Readonly<Record<string, unknown>>;

/** Type, status and reason of each: the rest is wording. */
function conditions(list: Json | undefined): unknown {
  const all = (list ?? []) as readonly JsonObject[];
  return Object.fromEntries(all.map((c) => [text(c["type"]), [c["status"], c["reason"]]]));
}
const told = (list: readonly StatusCondition[]): unknown => conditions(list as unknown as Json);

function shown(s: PlannedStatus): Shown {
  switch (s.t) {
    case "class":
      return { conditions: told(s.conditions) };
    case "route": {
      const parents = s.parents.map((p) =>
        p.t === "ours"
          ? { parentRef: p.parentRef, controllerName: CONTROLLER, conditions: told(p.conditions) }
          : { ...only(p.raw), conditions: conditions(p.raw.conditions as Json) },
      );
      return { parents };
    }
    case "parent": {
      const { addresses, listeners, attachedListenerSets } = s.status;
      return {
        conditions: told(s.status.conditions),
        ...(addresses === null || addresses.length === 0 ? {} : { addresses }),
        ...(listeners.length === 0
          ? {}
          : { listeners: listeners.map((l) => ({ ...l, conditions: told(l.conditions) })) }),
        ...(attachedListenerSets === null ? {} : { attachedListenerSets }),
      };
    }
  }
}

const only = ({ parentRef, controllerName }: { parentRef: unknown; controllerName: string }): Shown => ({
  parentRef,
  controllerName,
});

function expectedOf(o: JsonObject): Shown {
  const status = object(o["status"] ?? {});
  const list = (field: string): readonly JsonObject[] => (status[field] ?? []) as readonly JsonObject[];
  const named = (x: JsonObject): Shown => ({ ...x, conditions: conditions(x["conditions"]) });
  return {
    ...(status["conditions"] === undefined ? {} : { conditions: conditions(status["conditions"]) }),
    ...(list("addresses").length === 0 ? {} : { addresses: list("addresses") }),
    ...(list("listeners").length === 0 ? {} : { listeners: list("listeners").map(named) }),
    ...(status["attachedListenerSets"] === undefined ? {} : { attachedListenerSets: status["attachedListenerSets"] }),
    ...(list("parents").length === 0 ? {} : { parents: list("parents").map(named) }),
  };
}
