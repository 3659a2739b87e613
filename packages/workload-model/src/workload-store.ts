import { formatIdentity } from "@lateen/identity";
import { AddressIndex } from "./address-index.ts";
import { bestBlock, bestService } from "./best-service.ts";
import { networkKey, serviceKey } from "./keys.ts";
import type { AddressUpdate, Service, Workload } from "./model.ts";

/** What the CNI agent says about a pod; enough to find its workload (dataplane 6.1). */
export interface LocalPod {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export type FoundAddress =
  { readonly t: "workload"; readonly workload: Workload } | { readonly t: "service"; readonly service: Service };

/** SPIFFE URIs of local workloads that began or ceased to need a certificate (dataplane 8.3). */
export interface IdentityChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const preference = (w: Workload): number => (w.uid.includes("//Pod/") ? 2 : 0) + (w.tunnelProtocol === "HBONE" ? 1 : 0);

/** Best first; ties by uid, so that arrival order never matters. */
const byPreference = (a: Workload, b: Workload): number =>
  preference(b) - preference(a) || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0);

function addTo<K, T>(map: Map<K, Map<string, T>>, key: K, uid: string, value: T): void {
  const there = map.get(key);
  if (there) there.set(uid, value);
  else map.set(key, new Map([[uid, value]]));
}

function removeFrom<K, T>(map: Map<K, Map<string, T>>, key: K, uid: string): void {
  const there = map.get(key);
  there?.delete(uid);
  if (there?.size === 0) map.delete(key);
}

/**
 * Every workload and service that a proxy knows, with the indexes its decisions need. The result of a series of updates
 * depends only on what was last said about each name, never on the order of arrival: endpoints of a service that is not
 * there yet are kept until it comes.
 * @see dataplane 8.3
 */
export class WorkloadStore {
  readonly #node: string | null;
  readonly #byUid = new Map<string, Workload>();
  readonly #byIp = new Map<string, readonly Workload[]>();
  readonly #local = new Map<string, Map<string, Workload>>();
  readonly #services = new Map<string, Service>();
  readonly #addresses = new AddressIndex();
  /** Service key to its workloads, whether or not the service is known. */
  readonly #endpoints = new Map<string, Map<string, Workload>>();
  /** SPIFFE URI to the local workloads that need its certificate. */
  readonly #identities = new Map<string, Map<string, Workload>>();

  /** @param node the node whose workloads are local; null: all are */
  constructor(node: string | null) {
    this.#node = node;
  }

  /** Applies a whole batch in one step: workloads and services first, removals last. */
  apply(update: AddressUpdate): IdentityChange {
    const before = new Set(this.#identities.keys());
    for (const workload of update.workloads) this.#putWorkload(workload);
    for (const service of update.services) this.#putService(service);
    for (const name of update.removed) this.#removeName(name);
    const now = this.#identities;
    return {
      added: [...now.keys()].filter((id) => !before.has(id)),
      removed: [...before].filter((id) => !now.has(id)),
    };
  }

  workload(uid: string): Workload | null {
    return this.#byUid.get(uid) ?? null;
  }

  service(key: string): Service | null {
    return this.#services.get(key) ?? null;
  }

  /** The preferred workload of an address; host-network workloads are not found by it. */
  workloadByIp(network: string, ip: string): Workload | null {
    return this.#byIp.get(networkKey(network, ip))?.[0] ?? null;
  }

  /** The workload of a pod of this node, by what it is, never by its address. */
  localWorkload(pod: LocalPod): Workload | null {
    const there = this.#local.get(`${pod.namespace}/${pod.serviceAccount}`);
    if (!there) return null;
    for (const w of there.values()) if (w.name === pod.name) return w;
    return null;
  }

  /** SPIFFE URIs of the local workloads that speak HBONE. */
  localIdentities(): readonly string[] {
    return [...this.#identities.keys()];
  }

  /** Workload by address, then service by VIP, then service by block. @see dataplane 6.1 */
  findAddress(network: string, ip: string, clientNamespace: string | null): FoundAddress | null {
    const workload = this.workloadByIp(network, ip);
    if (workload !== null) return { t: "workload", workload };
    const service = this.serviceByVip(network, ip, clientNamespace);
    return service === null ? null : { t: "service", service };
  }

  /** The best service of an address: exact VIPs first, then blocks. @see dataplane 6.1 */
  serviceByVip(network: string, ip: string, clientNamespace: string | null): Service | null {
    return (
      bestService(this.#addresses.vip(network, ip), clientNamespace) ??
      bestBlock(this.#addresses.blocks(network, ip), clientNamespace)
    );
  }

  /** The best service of that hostname in any namespace. */
  serviceByHostname(hostname: string, clientNamespace: string | null): Service | null {
    return bestService(this.#addresses.hostname(hostname), clientNamespace);
  }

  /** Service by its key, then the first workload (by uid) with that hostname in that namespace. @see dataplane 6.1 */
  findHostname(namespace: string, hostname: string): FoundAddress | null {
    const service = this.service(serviceKey({ namespace, hostname }));
    if (service !== null) return { t: "service", service };
    if (hostname === "") return null;
    let found: Workload | null = null;
    for (const w of this.#byUid.values())
      if (w.hostname === hostname && w.namespace === namespace && (found === null || w.uid < found.uid)) found = w;
    return found === null ? null : { t: "workload", workload: found };
  }

  /** The workloads that may serve: healthy ones, or all if the service publishes those not ready too. */
  endpoints(service: Service): readonly Workload[] {
    const all = this.#endpoints.get(serviceKey(service));
    if (!all) return [];
    const everyone = service.loadBalancing?.healthPolicy === "ALLOW_ALL";
    return [...all.values()].filter((w) => everyone || w.status === "HEALTHY");
  }

  /** The service that a connection to this port of the workload was most likely meant for; `host` is what the client said. */
  serviceOf(workload: Workload, port: number, host: string | null = null): Service | null {
    let byPort: Service | null = null;
    for (const [key, ports] of workload.services) {
      const service = this.service(key);
      if (service === null) continue;
      if (host !== null && service.hostname === host) return service;
      const served = service.ports.some(
        (p) => (ports.find((e) => e.servicePort === p.servicePort)?.targetPort ?? p.targetPort) === port,
      );
      if (served) byPort ??= service;
    }
    return byPort;
  }

  /** Every workload, by uid. */
  workloads(): readonly Workload[] {
    return [...this.#byUid.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1));
  }

  /** Every service, by key. */
  services(): readonly Service[] {
    return [...this.#services.values()].sort((a, b) => (serviceKey(a) < serviceKey(b) ? -1 : 1));
  }

  /** Endpoints of services that nobody delivered yet: service key to workloads. */
  staged(): ReadonlyMap<string, readonly Workload[]> {
    const unknown = [...this.#endpoints]
      .filter(([key]) => !this.#services.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(unknown.map(([key, there]) => [key, [...there.values()]]));
  }

  #isLocal(w: Workload): boolean {
    return this.#node === null || w.node === this.#node;
  }

  #putWorkload(w: Workload): void {
    this.#removeWorkload(w.uid);
    this.#byUid.set(w.uid, w);
    if (w.networkMode !== "HOST_NETWORK")
      for (const ip of new Set(w.addresses)) {
        const key = networkKey(w.network, ip);
        this.#byIp.set(key, [...(this.#byIp.get(key) ?? []), w].sort(byPreference));
      }
    for (const key of w.services.keys()) addTo(this.#endpoints, key, w.uid, w);
    if (!this.#isLocal(w)) return;
    addTo(this.#local, `${w.namespace}/${w.identity.serviceAccount}`, w.uid, w);
    if (w.tunnelProtocol === "HBONE" || w.nativeTunnel) addTo(this.#identities, formatIdentity(w.identity), w.uid, w);
  }

  #removeWorkload(uid: string): boolean {
    const w = this.#byUid.get(uid);
    if (!w) return false;
    this.#byUid.delete(uid);
    for (const ip of w.addresses) {
      const key = networkKey(w.network, ip);
      const rest = this.#byIp.get(key)?.filter((x) => x !== w) ?? [];
      if (rest.length === 0) this.#byIp.delete(key);
      else this.#byIp.set(key, rest);
    }
    for (const key of w.services.keys()) removeFrom(this.#endpoints, key, uid);
    removeFrom(this.#local, `${w.namespace}/${w.identity.serviceAccount}`, uid);
    removeFrom(this.#identities, formatIdentity(w.identity), uid);
    return true;
  }

  #putService(service: Service): void {
    this.#removeService(serviceKey(service));
    this.#services.set(serviceKey(service), service);
    this.#addresses.add(service);
  }

  #removeService(key: string): void {
    const old = this.#services.get(key);
    if (!old) return;
    this.#services.delete(key);
    this.#addresses.remove(old);
  }

  /** A name is a workload's uid, else a service's key; anything else names nothing. */
  #removeName(name: string): void {
    if (!this.#removeWorkload(name) && name.split("/").length === 2) this.#removeService(name);
  }
}
