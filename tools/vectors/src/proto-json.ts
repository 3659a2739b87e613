import { ipToBytes } from "@lateen/addresses";
import { authorizationWire as a, protobufWire, workloadWire as w } from "@lateen/xds-types/wire";
import { object, text } from "./read-json.ts";
import type { Json, JsonObject } from "./suite-driver.ts";

// The suites write xDS messages as proto-JSON, with addresses as text. These functions give the bytes that a control
// plane would send, so that the product's own decoders judge them.

const items = (x: Json | undefined): readonly Json[] => {
  if (x === undefined || x === null) return [];
  if (!Array.isArray(x)) throw new TypeError(`expected a list, got ${JSON.stringify(x)}`);
  return x as readonly Json[];
};
const objects = (x: Json | undefined): readonly JsonObject[] => items(x).map(object);
const texts = (x: Json | undefined): string[] => items(x).map(text);
const optionalText = (x: Json | undefined): string => (x === undefined || x === null ? "" : text(x));
const optionalObject = (x: Json | undefined): JsonObject | null => (x === undefined || x === null ? null : object(x));

function number(x: Json | undefined): number {
  if (x === undefined || x === null) return 0;
  if (typeof x !== "number") throw new TypeError(`expected a number, got ${JSON.stringify(x)}`);
  return x;
}

/** An enum's name or number. */
function value(names: Readonly<Record<string, number>>, x: Json | undefined): number {
  if (typeof x !== "string") return number(x);
  const n = names[x];
  if (n === undefined) throw new TypeError(`unknown enum value ${x}`);
  return n;
}

const networkAddress = (x: JsonObject): w.NetworkAddress =>
  w.createNetworkAddress({
    network: optionalText(x["network"]),
    address: ipToBytes(text(x["address"])),
    length: typeof x["length"] === "number" ? x["length"] : null,
  });

function gateway(x: JsonObject): w.GatewayAddress {
  const [hostname, address] = [optionalObject(x["hostname"]), optionalObject(x["address"])];
  return w.createGatewayAddress({
    hostname:
      hostname &&
      w.createNamespacedHostname({
        namespace: optionalText(hostname["namespace"]),
        hostname: optionalText(hostname["hostname"]),
      }),
    address: address && networkAddress(address),
    hboneMtlsPort: number(x["hboneMtlsPort"]),
  });
}

const optionalGateway = (x: Json | undefined): w.GatewayAddress | null => {
  const o = optionalObject(x);
  return o && gateway(o);
};

const port = (x: JsonObject): w.Port =>
  w.createPort({
    servicePort: number(x["servicePort"]),
    targetPort: number(x["targetPort"]),
    appProtocol: value(w.PortAppProtocol, x["appProtocol"]),
  });

const portLists = (x: Json | undefined): Map<string, w.PortList> =>
  new Map(
    Object.entries(optionalObject(x) ?? {}).map(([key, list]) => [
      key,
      w.createPortList({ ports: objects(object(list)["ports"]).map(port) }),
    ]),
  );

function tunnel(x: JsonObject): w.ApplicationTunnel {
  const protocol = value(w.ApplicationTunnelProtocol, x["protocol"]);
  return w.createApplicationTunnel({ protocol, port: number(x["port"]) });
}

function locality(x: JsonObject): w.Locality {
  const [region, zone, subzone] = ["region", "zone", "subzone"].map((k) => optionalText(x[k]));
  return w.createLocality({ region: region ?? "", zone: zone ?? "", subzone: subzone ?? "" });
}

function capacity(x: Json | undefined): protobufWire.UInt32Value | null {
  if (x === undefined || x === null) return null;
  return protobufWire.createUInt32Value({ value: number(typeof x === "number" ? x : object(x)["value"]) });
}

/** Bytes of an `istio.workload.Address` with a workload. */
export function workloadBytes(x: JsonObject): Uint8Array {
  const [appTunnel, where] = [optionalObject(x["applicationTunnel"]), optionalObject(x["locality"])];
  const workload = w.createWorkload({
    uid: optionalText(x["uid"]),
    name: optionalText(x["name"]),
    namespace: optionalText(x["namespace"]),
    addresses: texts(x["addresses"]).map(ipToBytes),
    network: optionalText(x["network"]),
    hostname: optionalText(x["hostname"]),
    tunnelProtocol: value(w.TunnelProtocol, x["tunnelProtocol"]),
    nativeTunnel: x["nativeTunnel"] === true,
    trustDomain: optionalText(x["trustDomain"]),
    serviceAccount: optionalText(x["serviceAccount"]),
    waypoint: optionalGateway(x["waypoint"]),
    networkGateway: optionalGateway(x["networkGateway"]),
    node: optionalText(x["node"]),
    canonicalName: optionalText(x["canonicalName"]),
    canonicalRevision: optionalText(x["canonicalRevision"]),
    workloadType: value(w.WorkloadType, x["workloadType"]),
    workloadName: optionalText(x["workloadName"]),
    authorizationPolicies: texts(x["authorizationPolicies"]),
    status: value(w.WorkloadStatus, x["status"]),
    clusterId: optionalText(x["clusterId"]),
    services: portLists(x["services"]),
    applicationTunnel: appTunnel && tunnel(appTunnel),
    locality: where && locality(where),
    networkMode: value(w.NetworkMode, x["networkMode"]),
    capacity: capacity(x["capacity"]),
  });
  return w.encodeAddress(w.createAddress({ workload }));
}

function loadBalancing(x: JsonObject): w.LoadBalancing {
  return w.createLoadBalancing({
    routingPreference: items(x["routingPreference"]).map((s) => value(w.LoadBalancingScope, s)),
    mode: value(w.LoadBalancingMode, x["mode"]),
    healthPolicy: value(w.LoadBalancingHealthPolicy, x["healthPolicy"]),
  });
}

/** Bytes of an `istio.workload.Address` with a service. */
export function serviceBytes(x: JsonObject): Uint8Array {
  const lb = optionalObject(x["loadBalancing"]);
  const service = w.createService({
    name: optionalText(x["name"]),
    namespace: optionalText(x["namespace"]),
    hostname: optionalText(x["hostname"]),
    addresses: objects(x["addresses"]).map(networkAddress),
    ports: objects(x["ports"]).map(port),
    subjectAltNames: texts(x["subjectAltNames"]),
    waypoint: optionalGateway(x["waypoint"]),
    weightedWaypoints: objects(x["weightedWaypoints"]).map((o) =>
      w.createWeightedWaypoint({ destination: optionalGateway(o["destination"]), weight: number(o["weight"]) }),
    ),
    loadBalancing: lb && loadBalancing(lb),
    ipFamilies: value(w.IPFamilies, x["ipFamilies"]),
    canonical: x["canonical"] === true,
    visibility: value(w.Visibility, x["visibility"]),
    ingressUseWaypoint: x["ingressUseWaypoint"] === true,
  });
  return w.encodeAddress(w.createAddress({ service }));
}

export function stringMatch(x: JsonObject): a.StringMatch {
  const optional = (key: string): string | null => (x[key] === undefined ? null : text(x[key]));
  const presence = x["presence"] === undefined ? null : {};
  return a.createStringMatch({
    exact: optional("exact"),
    prefix: optional("prefix"),
    suffix: optional("suffix"),
    presence,
  });
}

const block = (x: JsonObject): a.Address =>
  a.createAddress({ address: ipToBytes(text(x["address"])), length: number(x["length"]) });
const account = (x: JsonObject): a.ServiceAccountMatch =>
  a.createServiceAccountMatch({
    namespace: optionalText(x["namespace"]),
    serviceAccount: optionalText(x["serviceAccount"]),
  });

function match(x: JsonObject): a.Match {
  return a.createMatch({
    namespaces: objects(x["namespaces"]).map(stringMatch),
    notNamespaces: objects(x["notNamespaces"]).map(stringMatch),
    principals: objects(x["principals"]).map(stringMatch),
    notPrincipals: objects(x["notPrincipals"]).map(stringMatch),
    sourceIps: objects(x["sourceIps"]).map(block),
    notSourceIps: objects(x["notSourceIps"]).map(block),
    destinationIps: objects(x["destinationIps"]).map(block),
    notDestinationIps: objects(x["notDestinationIps"]).map(block),
    destinationPorts: items(x["destinationPorts"]).map(number),
    notDestinationPorts: items(x["notDestinationPorts"]).map(number),
    serviceAccounts: objects(x["serviceAccounts"]).map(account),
    notServiceAccounts: objects(x["notServiceAccounts"]).map(account),
  });
}

/** Bytes of an `istio.security.Authorization`; rules may be called by their older names, groups and rules. */
export function authorizationBytes(x: JsonObject): Uint8Array {
  return a.encodeAuthorization(
    a.createAuthorization({
      name: optionalText(x["name"]),
      namespace: optionalText(x["namespace"]),
      scope: value(a.Scope, x["scope"]),
      action: value(a.Action, x["action"]),
      dryRun: x["dryRun"] === true,
      rules: objects(x["rules"] ?? x["groups"]).map((rule) =>
        a.createRule({
          clauses: objects(rule["clauses"] ?? rule["rules"]).map((clause) =>
            a.createClause({ matches: objects(clause["matches"]).map(match) }),
          ),
        }),
      ),
    }),
  );
}
