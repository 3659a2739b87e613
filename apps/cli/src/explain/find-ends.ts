import { type SocketAddress, parseIp } from "@lateen/addresses";
import { Code, MeshError, nearest, suggest } from "@lateen/errors";
import { findPod } from "@lateen/local-mesh";
import { type Service, type Workload, type WorkloadStore, formatWorkload } from "@lateen/workload-model";
import { UsageError } from "../command.ts";

/** The workload that a user means: a pod's or a Deployment's name, with its namespace if needed, or an address. */
export function findWorkload(store: WorkloadStore, text: string): Workload {
  const ip = parseIp(text);
  if (!ip.ok) return findPod(findable(store), text).workload;
  const found = store.workloadByIp("", ip.value);
  if (found !== null) return found;
  throw new MeshError(Code.NoRoute, `Cannot find "${text}": no workload has this address`);
}

function findable(store: WorkloadStore): readonly {
  readonly workload: Workload;
  readonly namespace: string;
  readonly name: string;
  readonly deployment: string;
  readonly ready: boolean;
}[] {
  return store.workloads().map((workload) => ({
    workload,
    namespace: workload.namespace,
    name: workload.name,
    deployment: workload.workloadName,
    ready: workload.status === "HEALTHY",
  }));
}

interface AskedService {
  /** With `svc/` in front nothing else can be meant. */
  readonly only: boolean;
  /** Null when the name carries none. */
  readonly namespace: string | null;
  readonly name: string;
  readonly plain: string;
}

/** `NAME[.NAMESPACE]`, `NAMESPACE/NAME`, a full hostname, or `svc/` before one of these. */
function parseService(text: string): AskedService {
  const plain = text.replace(/^(svc|service|services)\//, "");
  const only = plain !== text;
  const [before = "", after] = plain.split("/");
  if (after !== undefined) return { only, namespace: before, name: after, plain };
  const [name = "", namespace = null] = plain.split(".");
  return { only, namespace, name, plain };
}

function findService(store: WorkloadStore, asked: AskedService, from: Workload): Service | null {
  const { namespace, name, plain } = asked;
  const services = store.services();
  const isMeant = (s: Service): boolean => {
    if (plain.includes("/")) return s.namespace === namespace && s.name === name;
    return [`${s.name}.${s.namespace}`, `${s.name}.${s.namespace}.svc`, s.hostname].includes(plain);
  };
  const found =
    services.find(isMeant) ?? services.find((s) => s.name === plain && s.namespace === from.namespace) ?? null;
  if (found !== null) return found;
  // A bare name is looked up in the sender's namespace, as DNS does; a pod of that name is hardly what is meant.
  const elsewhere = namespace === null ? services.filter((s) => s.name === name) : [];
  if (elsewhere.length === 0 && !asked.only) return null;
  const names = (elsewhere.length > 0 ? elsewhere : services).map((s) => `${s.name}.${s.namespace}`);
  const where = namespace === null ? ` in namespace ${from.namespace}, where ${formatWorkload(from)} looks` : "";
  throw new MeshError(Code.NoRoute, `Cannot find Service "${plain}"${where}: ${closest(name, names)}`);
}

/** The nearest by name, whatever the namespace. */
function closest(name: string, full: readonly string[]): string {
  const bare = (text: string): string => text.split(".")[0] ?? "";
  const close = nearest(name, full.map(bare));
  return suggest(full.find((text) => bare(text) === close) ?? "", full);
}

/**
 * What the application would dial for `TO:PORT`: a Service by name, a pod or Deployment by name, or an address.
 * @throws UsageError without a port, MeshError NO_ROUTE when nothing has that name
 */
export function findDestination(store: WorkloadStore, text: string, from: Workload): SocketAddress {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError(`invalid argument "${text}": need TO:PORT, such as catalog.shop:80`);
  const name = text.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const ip = parseIp(name);
  return { ip: ip.ok ? ip.value : addressOf(store, name, from), port };
}

function addressOf(store: WorkloadStore, name: string, from: Workload): string {
  const service = findService(store, parseService(name), from);
  const [vip] = service?.addresses ?? [];
  if (vip !== undefined) return vip.ip;
  const [endpoint] = service === null ? [namedWorkload(store, name)] : store.endpoints(service);
  const address = endpoint?.addresses[0];
  if (address !== undefined) return address;
  const why = service === null ? "it has no address" : "it is headless, and no pod behind it is ready";
  throw new MeshError(Code.NoRoute, `Cannot dial "${name}": ${why}`);
}

/** A pod or Deployment; when there is none, a Service may have been meant as well. */
function namedWorkload(store: WorkloadStore, name: string): Workload {
  try {
    return findWorkload(store, name);
  } catch (e) {
    if (!MeshError.is(e, Code.NoRoute)) throw e;
    const services = store.services().map((s) => `${s.name}.${s.namespace}`);
    const pods = findable(store).map((p) => `${p.name}.${p.namespace}`);
    const asked = parseService(name).name;
    throw new MeshError(
      Code.NoRoute,
      `Cannot find "${name}": no Service, pod or Deployment has this name; ${closest(asked, [...services, ...pods])}`,
      {},
      e,
    );
  }
}
