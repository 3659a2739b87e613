import { cidrContains, ipToBytes, parseCidr, parseIp } from "@lateen/addresses";
import type { Collection, Fetch, Graph } from "@lateen/collections";
import type { MeshNetworks, Pod, ServiceEntry, WorkloadEntry } from "@lateen/resources";
import type { PortMapping, Workload } from "@lateen/workload-model";
import { entryPorts, podPorts } from "./endpoint-ports.ts";
import { type EntryWorkload, type EntryWorkloadContext, entryWorkload } from "./entry-workload.ts";
import { type Environment, NETWORK_LABEL, meshOf, networkOf } from "./environment.ts";
import type { ModelOptions } from "./model-options.ts";
import { type NetworkGateways, gatewayInto, gatewayWorkloads } from "./network-gateway.ts";
import { type Labels, annotationsOf, keyOf, labelsOf, namespaceOf } from "./objects.ts";
import { podIps, podWorkload } from "./pod-workload.ts";
import { type ServiceInfo, originKey } from "./service-info.ts";
import { type ServiceTarget, type ServiceTargets, serviceTargets } from "./service-targets.ts";
import { type PodReferences, podReferences, sliceWorkloads } from "./slice-endpoints.ts";
import type { MeshSources } from "./sources.ts";
import { type WaypointBinding, bindWaypoint } from "./waypoint-binding.ts";
import { type Waypoint, instanceOf } from "./waypoint.ts";
import { type PolicyIndex, implicitKey, workloadPolicies } from "./workload-policies.ts";

/** What workloads follow from. */
export interface WorkloadInputs {
  readonly sources: MeshSources;
  readonly env: Environment;
  readonly waypoints: Collection<Waypoint>;
  readonly gateways: NetworkGateways;
  /** The services that count, by `namespace/hostname`. */
  readonly services: Collection<ServiceInfo>;
  readonly bindings: Collection<WaypointBinding>;
  readonly policies: PolicyIndex;
}

type Services = ReadonlyMap<string, readonly PortMapping[]>;

/** All workloads of the mesh by uid: pods, entries, endpoints and the gateways of networks. */
export function workloadStage(graph: Graph, from: WorkloadInputs, o: ModelOptions): Collection<Workload> {
  const targets = serviceTargets(graph, from.services);
  const references = podReferences(graph, from.sources, targets, o.domain);
  const maker = new WorkloadMaker(from, { targets, references }, o);
  const { sources, env } = from;
  return graph.union("workloads", [
    graph.deriveMany<Pod, Workload>("pod workloads", sources.Pod, (pod, fetch) => named(maker.ofPod(pod, fetch))),
    graph.deriveMany<WorkloadEntry, Workload>("entry workloads", sources.WorkloadEntry, (entry, fetch) =>
      named(maker.ofEntry(entry, fetch)),
    ),
    graph.deriveMany<ServiceEntry, Workload>("endpoint workloads", sources.ServiceEntry, (entry, fetch) =>
      maker.ofEndpoints(entry, fetch).map((w) => [w.uid, w]),
    ),
    sliceWorkloads(graph, sources, targets, { env, o }),
    gatewayWorkloads(graph, from.gateways, env, o),
  ]);
}

const named = (w: Workload | undefined): [string, Workload][] => (w === undefined ? [] : [[w.uid, w]]);

/** Whom a workload is looked at as: by its labels, in its namespace. */
interface Subject {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

class WorkloadMaker {
  readonly #from: WorkloadInputs;
  readonly #targets: ServiceTargets;
  readonly #references: PodReferences;
  readonly #o: ModelOptions;

  constructor(
    from: WorkloadInputs,
    index: { readonly targets: ServiceTargets; readonly references: PodReferences },
    o: ModelOptions,
  ) {
    this.#from = from;
    this.#targets = index.targets;
    this.#references = index.references;
    this.#o = o;
  }

  ofPod(pod: Pod, fetch: Fetch): Workload | undefined {
    const { env, waypoints, gateways } = this.#from;
    const subject = { namespace: namespaceOf(pod), labels: labelsOf(pod), annotations: annotationsOf(pod) };
    const instance = instanceOf(subject, fetch, waypoints);
    const waypoint = instance === undefined ? this.#waypointOf(subject, fetch) : null;
    const served = this.#podServices(pod, fetch);
    const network = this.#networkOf(subject.labels, podIps(pod)?.[0], fetch);
    return podWorkload(pod, {
      clusterId: this.#o.clusterId,
      trustDomain: meshOf(fetch, env).trustDomain,
      network,
      networkGateway: gatewayInto(fetch, gateways, network),
      locality: fetch(env.localities, pod.spec.nodeName ?? "") ?? null,
      waypoint: waypoint?.address ?? null,
      instanceOf: instance,
      services: portsBy(served, (target) => podPorts(target, pod)),
      policyKeys: this.#policies(subject, { waypoint: waypoint?.key, served }, fetch),
      behaviour: this.#o.behaviour,
    });
  }

  ofEntry(entry: WorkloadEntry, fetch: Fetch): Workload | undefined {
    const annotations = annotationsOf(entry);
    // What the entry says of its workload goes before what is said of the object.
    const labels = { ...labelsOf(entry), ...entry.spec.labels };
    const subject = { namespace: namespaceOf(entry), labels, annotations };
    const bound = fetch(this.#from.bindings, `WorkloadEntry/${keyOf(entry)}`)?.waypoint ?? null;
    const served = this.#targets.selecting
      .matching(fetch, subject.namespace, labels)
      .filter((target) => target.origin.kind === "ServiceEntry" || this.#o.servicesSelectEntries);
    const { name } = entry.metadata;
    const workload: EntryWorkload = {
      ...subject,
      uid: `${this.#o.clusterId}/networking.istio.io/WorkloadEntry/${keyOf(entry)}`,
      name,
      spec: entry.spec,
      workloadName: annotations["istio.io/autoRegistrationGroup"] || labels["service.istio.io/workload-name"] || name,
    };
    return entryWorkload(workload, {
      ...this.#entryContext(entry.spec, labels, fetch),
      waypoint: bound?.address ?? null,
      services: portsBy(served, (target) => entryPorts(target, entry.spec.ports ?? {})),
      policyKeys: this.#policies(subject, { waypoint: bound?.key, served }, fetch),
    });
  }

  /** Endpoints written into a ServiceEntry; or its hosts themselves, where DNS is to find them. */
  ofEndpoints(entry: ServiceEntry, fetch: Fetch): readonly Workload[] {
    const { spec } = entry;
    const hosts = this.#ownHosts(entry, fetch);
    const endpoints = spec.endpoints ?? [];
    if (hosts.length === 0) return [];
    if (endpoints.length > 0)
      return endpoints.flatMap((endpoint) => {
        const subject = { namespace: namespaceOf(entry), labels: endpoint.labels ?? {}, annotations: {} };
        const waypoint = this.#waypointOf(subject, fetch);
        return this.#endpoint(entry, { spec: endpoint, hosts, waypoint }, fetch) ?? [];
      });
    const byName = spec.resolution !== "STATIC" && spec.resolution !== "NONE" && spec.workloadSelector === undefined;
    if (!byName || this.#o.behaviour.endpoints === "addresses-only") return [];
    return hosts.flatMap((host) => {
      const address = host.key.slice(host.key.indexOf("/") + 1);
      return this.#endpoint(entry, { spec: { address }, hosts: [host], waypoint: null }, fetch) ?? [];
    });
  }

  #endpoint(
    entry: ServiceEntry,
    at: {
      readonly spec: EntryWorkload["spec"];
      readonly hosts: readonly ServiceTarget[];
      readonly waypoint: WaypointBinding["waypoint"];
    },
    fetch: Fetch,
  ): Workload | undefined {
    const { name } = entry.metadata;
    const subject = { namespace: namespaceOf(entry), labels: labelsOf(entry), annotations: annotationsOf(entry) };
    const uid = `${this.#o.clusterId}/networking.istio.io/ServiceEntry/${keyOf(entry)}/${at.spec.address ?? ""}`;
    const workload: EntryWorkload = { ...subject, uid, name, spec: at.spec, workloadName: name };
    return entryWorkload(workload, {
      ...this.#entryContext(at.spec, at.spec.labels ?? {}, fetch),
      waypoint: at.waypoint?.address ?? null,
      services: portsBy(at.hosts, (target) => entryPorts(target, at.spec.ports ?? {})),
      policyKeys: this.#policies(subject, { waypoint: at.waypoint?.key, served: at.hosts }, fetch),
    });
  }

  /** Hosts of the entry that count: the others have no endpoints either. */
  #ownHosts(entry: ServiceEntry, fetch: Fetch): readonly ServiceTarget[] {
    const namespace = namespaceOf(entry);
    return [...new Set(entry.spec.hosts)].flatMap((host) => {
      const target = fetch(this.#targets.all, `${namespace}/${host}`);
      const own = target?.origin.kind === "ServiceEntry" && target.origin.name === entry.metadata.name;
      return own ? [target] : [];
    });
  }

  #entryContext(
    spec: EntryWorkload["spec"],
    labels: Labels,
    fetch: Fetch,
  ): Pick<EntryWorkloadContext, "clusterId" | "trustDomain" | "network" | "networkGateway" | "behaviour"> {
    const network = spec.network || this.#networkOf(labels, spec.address, fetch);
    return {
      clusterId: this.#o.clusterId,
      trustDomain: meshOf(fetch, this.#from.env).trustDomain,
      network,
      networkGateway: gatewayInto(fetch, this.#from.gateways, network),
      behaviour: this.#o.behaviour,
    };
  }

  #waypointOf(subject: Subject, fetch: Fetch): WaypointBinding["waypoint"] {
    const { waypoints, env } = this.#from;
    return bindWaypoint({ ...subject, traffic: "workload", ownNamespaceOnly: false }, fetch, { waypoints, env })
      .waypoint;
  }

  /** Services that select the pod, then those whose slices name it. */
  #podServices(pod: Pod, fetch: Fetch): readonly ServiceTarget[] {
    const selected = this.#targets.selecting
      .matching(fetch, namespaceOf(pod), labelsOf(pod))
      .filter((target) => target.origin.kind === "Service" || this.#o.entriesSelectPods);
    const named = fetch
      .by(this.#references.ofPod, keyOf(pod))
      .filter((reference) => reference.uid === (pod.metadata.uid ?? ""))
      .flatMap((reference) => fetch(this.#targets.all, reference.service) ?? []);
    return [...selected, ...named];
  }

  /** Of the cluster; an older mesh asked the workload's own label first, and the mesh's networks last (control-plane 2.10). */
  #networkOf(labels: Labels, address: string | undefined, fetch: Fetch): string {
    const { env } = this.#from;
    const ofCluster = networkOf(fetch, env);
    if (this.#o.behaviour.network === "cluster") return ofCluster;
    return labels[NETWORK_LABEL] || ofCluster || networkAt(fetch(env.networks, ""), this.#o.clusterId, address);
  }

  #policies(
    subject: Subject,
    behind: { readonly waypoint: string | undefined; readonly served: readonly ServiceTarget[] },
    fetch: Fetch,
  ): readonly string[] {
    const attached = workloadPolicies(subject, fetch, this.#from.policies);
    if (!this.#o.autoAllowWaypoint) return attached;
    const keys = behind.served.flatMap(({ origin }) => {
      const binding = fetch(this.#from.bindings, originKey(origin));
      return [binding?.waypoint?.key, binding?.canary?.key];
    });
    const waypoints = [...new Set([behind.waypoint, ...keys])].flatMap((key) =>
      key === undefined ? [] : (fetch(this.#from.waypoints, key) ?? []),
    );
    return [...attached, ...waypoints.flatMap((w) => implicitKey(w) ?? [])];
  }
}

function portsBy(targets: readonly ServiceTarget[], ports: (t: ServiceTarget) => readonly PortMapping[]): Services {
  const sorted = [...targets].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return new Map(sorted.map((target) => [target.key, ports(target)]));
}

function networkAt(networks: MeshNetworks | undefined, clusterId: string, address: string | undefined): string {
  const ip = parseIp(address ?? "");
  for (const [name, { endpoints }] of Object.entries(networks?.networks ?? {}))
    for (const { fromRegistry, fromCidr } of endpoints) {
      if (fromRegistry === clusterId) return name;
      const cidr = fromCidr === undefined ? null : parseCidr(fromCidr);
      if (cidr?.ok && ip.ok && cidrContains(cidr.value, ipToBytes(ip.value))) return name;
    }
  return "";
}
