import { type Collection, Graph, type Source } from "@lateen/collections";
import { type MeshConfig, parseMeshConfig } from "@lateen/resources";
import {
  type MeshInputs,
  type ModelOptions,
  type ObjectConditions,
  type ServiceInfo,
  type Waypoint,
  meshInputs,
  modelOptions,
  putObject,
} from "@lateen/translation";
import {
  type AllowedNamespaces,
  conditionStage,
  environment,
  networkGateways,
  policyStage,
  serviceStage,
  waypointKey,
  workloadStage,
} from "@lateen/translation/internal";
import type { Workload } from "@lateen/workload-model";
import { object, text } from "../../read-json.ts";
import type { Json, JsonObject } from "../../suite-driver.ts";
import { readObject } from "./objects.ts";

/** The stages of the model, fed with objects and with what earlier stages would have made. */
export interface StageWorld {
  readonly options: ModelOptions;
  readonly inputs: MeshInputs;
  readonly made: Stages;
  put(objects: readonly JsonObject[]): void;
}

export interface Stages {
  /** Services before it is decided which of equal names count. */
  readonly infos: Collection<ServiceInfo>;
  readonly workloads: Collection<Workload>;
  readonly conditions: Collection<ObjectConditions>;
}

/** Two ways into other networks, as the environment of the suite has them. */
const GATEWAYS: readonly JsonObject[] = [
  remoteGateway("remote-network", { type: "IPAddress", value: "9.9.9.9" }),
  remoteGateway("remote-network-hostname", { type: "Hostname", value: "networkgateway.example.com" }),
];

function remoteGateway(network: string, address: JsonObject): JsonObject {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: {
      name: network,
      namespace: "ns-gtw",
      labels: { "topology.istio.io/network": network },
      annotations: { "gateway.istio.io/service-account": "sa-gtw" },
    },
    spec: { gatewayClassName: "istio-remote", listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
    status: { addresses: [address] },
  };
}

function stages(
  graph: Graph,
  sources: MeshInputs,
  given: { readonly waypoints: Source<Waypoint>; readonly services: Source<ServiceInfo> },
  o: ModelOptions,
): Stages {
  const env = environment(graph, sources, o);
  const { waypoints } = given;
  const services = serviceStage(graph, sources, { waypoints, env }, o);
  const { bindings } = services;
  const policies = policyStage(graph, { sources, env, waypoints, bindings }, o);
  const gateways = networkGateways(graph, sources);
  const from = { sources, env, waypoints, gateways, services: given.services, bindings, policies: policies.index };
  return {
    infos: services.infos,
    workloads: workloadStage(graph, from, o),
    conditions: conditionStage(graph, sources, { env, services, reports: policies.reports }),
  };
}

/** @param env the environment of the suite: cluster, domain and network */
export function stageWorld(env: JsonObject): StageWorld {
  const systemNamespace = text(env["systemNamespace"]);
  const options = modelOptions({
    clusterId: text(env["clusterId"]),
    domain: text(env["domainSuffix"]),
    rootNamespace: systemNamespace,
    network: text(env["network"]),
  });
  const graph = new Graph();
  const inputs = meshInputs(graph);
  const given = {
    waypoints: graph.source<Waypoint>("given waypoints"),
    services: graph.source<ServiceInfo>("given services"),
  };
  const made = stages(graph, inputs, given, options);
  const putOne = (raw: JsonObject): void => {
    const { type, value = null } = typed(raw);
    if (type === "") return putObject(inputs, readObject(raw));
    const item = object(value);
    if (type === "MeshConfig") inputs.MeshConfig.set("", meshConfig(item));
    else if (type === "Waypoint") putWaypoint(given.waypoints, item);
    else if (type === "ServiceInfo") {
      const info = serviceInfo(item);
      given.services.set(`${info.service.namespace}/${info.service.hostname}`, info);
    } else putObject(inputs, readObject(asObject(type, item)));
  };
  const put = (objects: readonly JsonObject[]): void => graph.update(() => objects.forEach(putOne));
  put(GATEWAYS);
  return { options, inputs, made, put };
}

/** Items that the source had already derived stand as `{type, value}`, some within a field of that name. */
function typed(raw: JsonObject): { readonly type: string; readonly value?: Json } {
  if (typeof raw["kind"] === "string") return { type: "" };
  const inner = raw["type"] === undefined ? object(Object.values(raw)[0] ?? {}) : raw;
  return { type: text(inner["type"]), value: inner["value"] ?? {} };
}

export function meshConfig(value: JsonObject): MeshConfig {
  const mesh = parseMeshConfig(value);
  if (mesh.ok) return mesh.value;
  throw mesh.error;
}

/** Derived forms that have an object which they would be derived from. */
function asObject(type: string, value: JsonObject): JsonObject {
  if (type === "Node") {
    const where = object(value["locality"] ?? {});
    const labels = {
      "topology.kubernetes.io/region": where["region"] ?? "",
      "topology.kubernetes.io/zone": where["zone"] ?? "",
      "topology.istio.io/subzone": where["subzone"] ?? "",
    };
    return { apiVersion: "v1", kind: "Node", metadata: { name: text(value["name"]), labels } };
  }
  if (type !== "WorkloadAuthorization") throw new TypeError(`no object is known for a ${type}`);
  const { name = "", namespace = "" } = object(value["authorization"] ?? {});
  const { labels = {} } = object(value["labelSelector"] ?? {});
  return {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name, namespace },
    spec: { selector: { matchLabels: labels } },
  };
}

function allowed(value: JsonObject): AllowedNamespaces {
  if (value["fromNamespaces"] === "All") return { from: "All" };
  if (value["fromNamespaces"] !== "Selector") return { from: "Same" };
  return { from: "Selector", selector: (value["selector"] ?? null) as { matchLabels: Record<string, string> } | null };
}

function putWaypoint(waypoints: Source<Waypoint>, value: JsonObject): void {
  const { hostname, address, hboneMtlsPort = 15_008 } = object(value["address"] ?? {});
  const place = object(hostname ?? address);
  const binding = value["inboundBinding"] ?? value["defaultBinding"];
  const waypoint: Waypoint = {
    name: text(value["name"]),
    namespace: text(value["namespace"]),
    address: {
      destination:
        hostname === undefined
          ? { t: "address", network: text(place["network"] ?? ""), ip: text(place["address"]) }
          : { t: "hostname", namespace: text(place["namespace"]), hostname: text(place["hostname"]) },
      hboneMtlsPort: Number(hboneMtlsPort),
    },
    trafficType: text(value["trafficType"] ?? "service"),
    allowed: allowed(object(value["allowedRoutes"] ?? {})),
    inboundBinding: binding == null ? null : { protocol: "PROXY", port: Number(object(binding)["port"] ?? 0) },
    serviceAccounts: ((value["serviceAccounts"] ?? []) as readonly Json[]).map(text),
  };
  waypoints.set(waypointKey(waypoint), waypoint);
}

/** A service as the source's own stage had it, in the product's terms. */
export function serviceInfo(value: JsonObject): ServiceInfo {
  const service = object(value["service"]);
  const [name, namespace] = [text(service["name"]), text(service["namespace"])];
  const source = object(value["source"] ?? {});
  const by = object(source["namespacedName"] ?? {});
  const names = object(value["portNames"] ?? {});
  const selector = object(object(value["labelSelector"] ?? {})["labels"] ?? {}) as Record<string, string>;
  const ports = ((service["ports"] ?? []) as readonly Json[]).map(object).map((p) => {
    const port = object(names[String(p["servicePort"])] ?? {});
    return {
      servicePort: Number(p["servicePort"]),
      targetPort: Number(p["targetPort"] ?? 0),
      name: text(port["portName"] ?? ""),
      targetPortName: text(port["targetPortName"] ?? ""),
    };
  });
  return {
    origin: {
      kind: source["kind"] === "ServiceEntry" ? "ServiceEntry" : "Service",
      namespace: text(by["namespace"] ?? namespace),
      name: text(by["name"] ?? name),
    },
    created: text(value["creationTime"] ?? ""),
    ports,
    selector: Object.keys(selector).length === 0 ? null : selector,
    service: {
      ...{ name, namespace, hostname: text(service["hostname"]), addresses: [], ports, subjectAltNames: [] },
      ...{ waypoint: null, weightedWaypoints: [], loadBalancing: null, ipFamilies: "AUTOMATIC", canonical: false },
      visibility: service["visibility"] === "NAMESPACE" ? "NAMESPACE" : "PUBLIC",
    },
  };
}
