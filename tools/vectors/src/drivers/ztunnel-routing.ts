import { formatSocketAddress, ipFromBytes, parseSocketAddress, type SocketAddress } from "@lateen/addresses";
import type { Result } from "@lateen/errors";
import {
  type PortMapping,
  type Service,
  type Workload,
  WorkloadStore,
  balanceCandidates,
  buildForwarded,
  originNetworkHeader,
  parseBaggage,
  pickWeightedWaypoint,
  resolveInbound,
  resolveTargetPort,
  routeOutbound,
} from "@lateen/workload-model";
import { decodeAddress } from "@lateen/xds-types";
import { parseConfig, workerThreads } from "@lateen/ztunnel";
import { serviceBytes, workloadBytes } from "../proto-json.ts";
import { object, text, texts } from "../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type SuiteFile,
  type Verdict,
  compare,
  failed,
  passed,
  unsupported,
} from "../suite-driver.ts";

function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw result.error;
}

const list = (x: Json | undefined): readonly JsonObject[] => ((x ?? []) as readonly Json[]).map(object);
const addressOf = (x: Json | undefined): SocketAddress => unwrap(parseSocketAddress(text(x)));
const nullable = (x: Json | undefined): string | null => (x === null || x === undefined ? null : text(x));

function workloadOf(x: JsonObject): Workload {
  const found = unwrap(decodeAddress(workloadBytes(x)));
  if (found.t !== "workload") throw new TypeError("not a workload");
  return found.workload;
}

function serviceOf(x: JsonObject): Service {
  const found = unwrap(decodeAddress(serviceBytes(x)));
  if (found.t !== "service") throw new TypeError("not a service");
  return found.service;
}

function load(store: WorkloadStore, xds: JsonObject): WorkloadStore {
  const [workloads, services] = [list(xds["workloads"]).map(workloadOf), list(xds["services"]).map(serviceOf)];
  store.apply({ workloads, services, removed: [] });
  return store;
}

/** Compares what the case states, as far as our answer has a word for it. */
function compareStated(got: JsonObject, expected: JsonObject): Verdict {
  const stated = Object.fromEntries(Object.entries(expected).filter(([key]) => key in got));
  return compare(Object.fromEntries(Object.keys(stated).map((key) => [key, got[key]])), stated).t === "passed"
    ? passed
    : failed(got);
}

const errorVerdict = (expected: JsonObject, got: unknown): Verdict =>
  expected["error"] === true ? passed : failed(got, "refused, though it must not be");

function outbound(input: JsonObject, expected: JsonObject, file: SuiteFile): Verdict {
  const fixture = object(object(file.raw["fixtures"])["outbound"]);
  const store = load(load(new WorkloadStore(text(fixture["localNode"])), fixture), object(input["xds"]));
  const sourceIp = text(input["from"]);
  const source = store.workloadByIp("", sourceIp);
  if (source === null) return errorVerdict(expected, "no source workload");
  const destination = addressOf(input["to"]);
  const route = routeOutbound(store, { source, sourceIp, destination, network: "", random: () => 0.5 });
  if (route.t === "deny") return errorVerdict(expected, route.error);
  if (route.t === "resolve") return unsupported("a destination that must be resolved");
  if (expected["error"] === true) return failed(route);
  const protocol = { tcp: "TCP", hbone: "HBONE", "double-hbone": "DOUBLEHBONE" }[route.t];
  const dialled = formatSocketAddress(route.to);
  const authority = route.t === "tcp" ? "" : route.authority;
  if (input["version"] === "1.21")
    return compareStated({ protocol, destination: authority || dialled, gateway: dialled }, expected);
  const destinationWorkload = route.workload?.name ?? null;
  return compareStated({ protocol, destination: dialled, hboneDestination: authority, destinationWorkload }, expected);
}

function inbound(input: JsonObject, expected: JsonObject): Verdict {
  const store = load(new WorkloadStore(null), object(input["xds"]));
  const own = store.workloadByIp("", text(input["localWorkloadAddress"]));
  if (own === null) return errorVerdict(expected, "no local workload");
  const localIp = addressOf(object(input["connection"])["destination"]).ip;
  const authority = text(object(input["request"])["authority"]);
  const outcome = resolveInbound(store, { own, authority, localIp });
  if (outcome.t === "refuse") return errorVerdict(expected, outcome.error);
  const tunnel = outcome.proxyDestination;
  const tunnelTarget = tunnel && formatSocketAddress(tunnel);
  // The pod's own address; that a tunnel's application is dialled on loopback is a setting of its own.
  return compare({ upstream: formatSocketAddress(outcome.destination), tunnelTarget }, expected);
}

function lookup(input: JsonObject, expected: JsonObject, find: (s: WorkloadStore) => Service | null): Verdict {
  const found = find(load(new WorkloadStore(null), input));
  return compare({ service: found && `${found.namespace}/${found.name}` }, expected);
}

function loadBalance(input: JsonObject, expected: JsonObject): Verdict {
  const store = load(new WorkloadStore(null), input);
  const service = serviceOf(object(input["service"]));
  store.apply({ workloads: [], services: [service], removed: [] });
  const source = workloadOf({ uid: "client", ...object(input["clientWorkload"]) });
  const candidates = balanceCandidates(store, { service, source, port: Number(input["port"]), use: "standard" });
  const endpoints = candidates.filter((c) => c.workload.capacity > 0).map((c) => c.workload.uid);
  return compare(endpoints.toSorted(), texts(expected["endpoints"]).toSorted());
}

const ports = (x: Json | undefined): PortMapping[] =>
  Object.entries(object(x ?? {})).map(([port, target]) => ({ servicePort: Number(port), targetPort: Number(target) }));

function portMapping(input: JsonObject, expected: JsonObject): Verdict {
  const tunnel = input["applicationTunnel"];
  const port = resolveTargetPort({
    use: input["resolutionMode"] === "waypoint" ? "waypoint" : "standard",
    port: addressOf(input["to"]).port,
    servicePorts: ports(input["servicePorts"]),
    endpointPorts: ports(input["endpointPorts"]),
    applicationTunnel: tunnel ? workloadOf({ uid: "w", applicationTunnel: tunnel }).applicationTunnel : null,
  });
  return port === null && expected["error"] === true ? passed : compare({ port }, expected);
}

const DRAWS = 10_000;

function weightedWaypoint(input: JsonObject, expected: JsonObject): Verdict {
  const service = serviceOf({
    waypoint: input["waypoint"] ?? null,
    weightedWaypoints: input["weightedWaypoints"] ?? [],
  });
  const drawn = new Map<string | null, number>();
  for (let i = 0; i < DRAWS; i++) {
    const d = pickWeightedWaypoint(service, () => (i + 0.5) / DRAWS)?.destination ?? null;
    const ip = d?.t === "address" ? d.ip : null;
    drawn.set(ip, (drawn.get(ip) ?? 0) + 1);
  }
  const only = drawn.size === 1 ? [...drawn.keys()][0] : undefined;
  if ("pick" in expected) return compare(only, expected["pick"]);
  if ("always" in expected) return compare(only, expected["always"]);
  const shares = Object.entries(object(expected["share"]));
  const outside = shares.filter(([ip, range]) => {
    const [low, high] = range as readonly number[];
    const share = (drawn.get(ip) ?? 0) / DRAWS;
    return share < (low ?? 0) || share > (high ?? 1);
  });
  return outside.length === 0 ? passed : failed(Object.fromEntries([...drawn].map(([ip, n]) => [ip, n / DRAWS])));
}

function bytesToIp(input: JsonObject, expected: JsonObject): Verdict {
  const bytes = Uint8Array.from(text(input["hex"]).match(/../g) ?? [], (h) => Number.parseInt(h, 16));
  try {
    return compare({ ip: ipFromBytes(bytes) }, expected);
  } catch (e) {
    return errorVerdict(expected, String(e)); // the product refuses by throwing
  }
}

/** The inner CONNECT of two carries the network, another none. */
function originNetwork(input: JsonObject, expected: JsonObject): Verdict {
  const network = nullable(input["network"] ?? input["originNetwork"]);
  const [, value] = network === null ? [null, null] : originNetworkHeader(network);
  return compare(Object.fromEntries(Object.keys(expected).map((key) => [key, value])), expected);
}

/** The case's default stands for what the machine gives. */
function threads(input: JsonObject, expected: JsonObject): Verdict {
  const env = Object.entries(object(input["env"] ?? {})).map(([name, value]) => [name, text(value)] as const);
  const config = parseConfig(Object.fromEntries(env));
  if (!config.ok) return errorVerdict(expected, config.error.message);
  return compare({ threads: workerThreads(config.value.threads, Number(input["default"])) }, expected);
}

type Judge = (input: JsonObject, expected: JsonObject, file: SuiteFile) => Verdict;

const OPS: Readonly<Record<string, Judge>> = {
  outbound,
  inbound,
  loadBalance,
  portMapping,
  weightedWaypoint,
  bytesToIp,
  originNetworkHeader: originNetwork,
  workerThreads: threads,
  vipLookup: (input, expected) =>
    lookup(input, expected, (s) =>
      s.serviceByVip(text(input["network"]), text(input["address"]), nullable(input["clientNamespace"])),
    ),
  hostLookup: (input, expected) =>
    lookup(input, expected, (s) => s.serviceByHostname(text(input["hostname"]), nullable(input["clientNamespace"]))),
  forwardedHeader: (input, expected) =>
    compare({ forwarded: buildForwarded(addressOf(input["source"]), nullable(input["serviceHostname"])) }, expected),
  parseBaggage: (input, expected) => compareStated({ ...parseBaggage(texts(input["baggageHeaders"])) }, expected),
};

/** Routing questions, asked of a store that was loaded from decoded xDS messages. */
export const driver: SuiteDriver = {
  suite: "ztunnel-routing",
  judge(c, file) {
    const op = text(c.input["op"]);
    const judge = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
    return judge === undefined ? unsupported(`no operation ${op}`) : judge(c.input, object(c.expected), file);
  },
};
