import { type SocketAddress, parseIp } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { findPod } from "@lateen/local-mesh";
import type { Service, Workload, WorkloadStore } from "@lateen/workload-model";

/** The workload that a user means: a pod's or a Deployment's name, with its namespace if needed, or an address. */
export function findWorkload(store: WorkloadStore, text: string): Workload {
  const ip = parseIp(text);
  if (ip.ok) {
    const found = store.workloadByIp("", ip.value);
    if (found !== null) return found;
    throw new MeshError(Code.NoRoute, `Cannot find "${text}": no workload has this address`);
  }
  const all = store.workloads().map((workload) => ({
    workload,
    namespace: workload.namespace,
    name: workload.name,
    deployment: workload.workloadName,
    ready: workload.status === "HEALTHY",
  }));
  return findPod(all, text).workload;
}

/** `NAME[.NAMESPACE]`, `NAMESPACE/NAME`, a full hostname, or `svc/` before one of these. */
function findService(store: WorkloadStore, text: string, from: Workload): Service | null {
  const plain = text.replace(/^(svc|service|services)\//, "");
  const [namespace, name] = plain.includes("/") ? plain.split("/") : [null, plain];
  const hostname = (s: Service): boolean => {
    if (namespace !== null) return s.namespace === namespace && s.name === name;
    return [`${s.name}.${s.namespace}`, `${s.name}.${s.namespace}.svc`, s.hostname].includes(plain);
  };
  const services = store.services();
  return services.find(hostname) ?? services.find((s) => s.name === plain && s.namespace === from.namespace) ?? null;
}

/**
 * What the application would dial for `TO:PORT`: a Service by name, a pod or Deployment by name, or an address.
 * @throws MeshError BAD_INPUT without a port, NO_ROUTE when nothing has that name
 */
export function findDestination(store: WorkloadStore, text: string, from: Workload): SocketAddress {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new MeshError(Code.BadInput, `Cannot read "${text}": need TO:PORT, such as catalog.shop:80`);
  const name = text.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const ip = parseIp(name);
  if (ip.ok) return { ip: ip.value, port };
  const service = findService(store, name, from);
  const [vip] = service?.addresses ?? [];
  if (vip !== undefined) return { ip: vip.ip, port };
  const [endpoint] = service === null ? [findWorkload(store, name)] : store.endpoints(service);
  const address = endpoint?.addresses[0];
  if (address === undefined) throw new MeshError(Code.NoRoute, `Cannot dial "${name}": it has no address`);
  return { ip: address, port };
}
