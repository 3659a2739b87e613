import { parseSocketAddress } from "@lateen/addresses";
import { adminRoutes, configDump, parseStaticConfig, readConfig } from "@lateen/ztunnel";
import { PolicyStore } from "@lateen/policy";
import { type LevelFilter, createLevelFilter, parseLevels } from "@lateen/telemetry";
import { WorkloadStore, findUpstream } from "@lateen/workload-model";
import { decodeAddress, decodeAuthorization } from "@lateen/xds-types";
import { proxyStart } from "@lateen/zds";
import { dumpOfCertificates } from "../certificate-dump.ts";
import { authorizationBytes, serviceBytes, workloadBytes } from "../proto-json.ts";
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

const list = (x: Json | undefined): readonly JsonObject[] => ((x ?? []) as readonly Json[]).map(object);
const environment = (x: Json | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(object(x ?? {})).map(([name, value]) => [name, text(value)]));

/** Looks up what the case asks, in a store loaded from its file. */
function localConfig(input: JsonObject, expected: JsonObject): Verdict {
  const mesh = parseStaticConfig(input["config"]);
  if (!mesh.ok) return "error" in expected ? passed : failed(mesh.error.message);
  const store = new WorkloadStore(null);
  store.apply({ workloads: mesh.value.workloads, services: mesh.value.services, removed: [] });
  const query = object(input["query"]);
  if (query["address"] !== undefined) {
    const { network, ip } = object(query["address"]);
    const found = store.workloadByIp(text(network), text(ip));
    if (found === null) return failed(null, "no such workload");
    const { name, namespace, identity } = found;
    return compare({ name, namespace, serviceAccount: identity.serviceAccount }, expected);
  }
  return upstream(store, object(query["upstream"]), expected);
}

function upstream(store: WorkloadStore, query: JsonObject, expected: JsonObject): Verdict {
  const source = store.workloadByIp("", text(query["source"]));
  const destination = parseSocketAddress(text(query["destination"]));
  if (source === null || !destination.ok) return failed(null, "no such source or destination");
  const context = { store, source, random: () => 0, trace: null };
  const found = findUpstream(context, text(query["network"]), destination.value);
  const got: JsonObject = { port: found?.port ?? null, subjectAltNames: found?.service?.subjectAltNames ?? null };
  return compare(Object.fromEntries(Object.keys(expected).map((key) => [key, got[key] ?? null])), expected);
}

async function proxyConfig(input: JsonObject, expected: JsonObject): Promise<Verdict> {
  const mesh = input["meshConfigFile"];
  const file = mesh === undefined ? null : typeof mesh === "string" ? mesh : JSON.stringify(mesh);
  const read = await readConfig(environment(input["env"]), () => file);
  if (!read.ok) return "error" in expected ? passed : failed(read.error.message);
  if ("error" in expected) return failed(null, "taken, though it must be refused");
  const { upstream: up, servers } = read.value;
  const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));
  const got: JsonObject = {
    readinessPort: portOf(servers.readiness),
    statsPort: portOf(servers.stats),
    adminPort: portOf(servers.admin),
    xdsAddress: up.xdsAddress,
    caAddress: up.caAddress,
    clusterId: up.clusterId,
    // Of the metadata the case names some.
    metadata: Object.fromEntries(
      Object.keys(object(expected["metadata"] ?? {})).map((k) => [k, up.metadata[k] ?? null]),
    ),
    xdsHeaders: up.xdsHeaders,
    caHeaders: up.caHeaders,
  };
  const absent = texts(expected["metadataAbsent"]).filter((name) => name in up.metadata);
  if (absent.length > 0) return failed(got, `has ${absent.join()}`);
  const stated = Object.entries(expected).filter(([key]) => key !== "metadataAbsent");
  return compare(Object.fromEntries(stated.map(([key]) => [key, got[key] ?? null])), Object.fromEntries(stated));
}

/** Requests change the levels one after the other, so each file has a proxy of its own. */
const filters = new WeakMap<SuiteFile, LevelFilter>();
/** A target of the peer's own, which the suite allows to leave out. */
const OTHERS_TARGET = "hickory_server::server=off,";

async function adminLogging(input: JsonObject, expected: JsonObject, file: SuiteFile): Promise<Verdict> {
  const initial = parseLevels("info");
  if (!initial.ok) throw initial.error;
  const levels = filters.get(file) ?? createLevelFilter(initial.value);
  filters.set(file, levels);
  const routes = adminRoutes({
    levels,
    setLevels: (more, mode) => levels.set(more, mode),
    dump: () => Promise.resolve(null),
    pod: () => Promise.resolve(null),
    quit: () => undefined,
    takenOver: () => null,
    startProfiles: () => Promise.resolve(),
    stopProfiles: () => Promise.resolve([]),
  });
  const { method, path } = object(input["request"]);
  const handler = routes[`${text(method)} /logging`];
  if (handler === undefined) return unsupported(`no route for ${text(method)}`);
  const { body } = await handler({
    url: new URL(text(path), "http://localhost"),
    accept: "",
    authorization: "",
    peer: "",
  });
  const parts = texts(expected["bodyContains"]);
  if (parts.length > 0) return parts.every((part) => body.includes(part)) ? passed : failed(body);
  return compare(body, text(expected["body"]).replace(OTHERS_TARGET, ""));
}

/** Pushes resources and looks for pieces of the document that is shown. */
function dump(input: JsonObject, expected: JsonObject): Verdict {
  const xds = input["xds"] === undefined ? input : object(input["xds"]);
  const [workloads, policies] = [new WorkloadStore(null), new PolicyStore()];
  for (const [key, bytesOf] of [["workloads", workloadBytes] as const, ["services", serviceBytes] as const])
    for (const resource of list(xds[key])) {
      const read = decodeAddress(bytesOf(resource));
      if (!read.ok) return failed(read.error.message);
      const found = read.value;
      if (found.t === "workload") workloads.apply({ workloads: [found.workload], services: [], removed: [] });
      else workloads.apply({ workloads: [], services: [found.service], removed: [] });
    }
  for (const resource of list(xds["authorizations"] ?? xds["policies"])) {
    const read = decodeAuthorization(authorizationBytes(resource));
    if (!read.ok) return failed(read.error.message);
    policies.upsert(read.value);
  }
  const shown = configDump({
    config: { data: {}, drainMs: 0 } as never,
    version: "",
    staticMesh: null,
    model: { workloads, policies },
    pods: proxyStart,
    certificates: [],
    reports: [],
    threads: [],
  });
  const body = JSON.stringify(shown, null, 2);
  const parts = texts(expected["bodyContains"] ?? expected["contains"]);
  if (parts.length === 0) return unsupported("nothing that is looked for");
  return parts.every((part) => body.includes(part)) ? passed : failed(shown);
}

type Judge = (input: JsonObject, expected: JsonObject, file: SuiteFile) => Verdict | Promise<Verdict>;

const OPS: Readonly<Record<string, Judge>> = {
  localConfig,
  proxyConfig,
  adminLogging,
  configDump: dump,
  certsDump: async (_, expected) => dumpOfCertificates(list(expected["certificates"])),
};

/** What a node proxy reads at its start, and what it shows of itself. */
export const driver: SuiteDriver = {
  suite: "ztunnel-config",
  judge(c, file) {
    const op = text(c.input["op"]);
    const judge = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
    return judge === undefined ? unsupported(`no operation ${op}`) : judge(c.input, object(c.expected), file);
  },
};
