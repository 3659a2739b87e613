import { Code, MeshError } from "@lateen/errors";
import { planServices, type ServicePlan } from "./cluster-ips.ts";
import { undeclaredNames } from "./declared-names.ts";
import { type DesiredPod, desiredPods, podKey } from "./desired-pods.ts";
import type { Fabric } from "./fabric.ts";
import { findService, findServicePort } from "./find-service.ts";
import { hostsFile, resolvConf, selectedPods } from "./hosts-file.ts";
import type { ManifestObject, PlanProblem } from "./manifest-object.ts";
import type { MeshFolders } from "./mesh-folders.ts";
import type { NodeAgent } from "./node-agent.ts";
import { openObservedFolder } from "./observed-folder.ts";
import { observedFiles } from "./observed-objects.ts";
import { planPods } from "./placement.ts";
import { PodRuntime, type PodSurroundings } from "./pod-runtime.ts";
import { type ServingPod, endpointsOf } from "./service-endpoints.ts";
import { type ServiceRouter, createServiceRouter } from "./service-router.ts";
import { type NodePlan, type TopologyPlan, nextHost } from "./topology.ts";

export interface MeshPodsOptions {
  readonly topology: TopologyPlan;
  readonly fabric: Fabric;
  readonly folders: MeshFolders;
  readonly agents: ReadonlyMap<string, NodeAgent>;
  readonly ztunnelUids: ReadonlyMap<string, string>;
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly systemPids: () => ReadonlySet<number>;
  readonly onChange: () => void;
}

/**
 * The pods of a mesh. Level-triggered: whatever changed, the whole of what should be is compared with the whole of what is,
 * and the difference is carried out; so nothing depends on having seen every event.
 */
export class MeshPods {
  readonly #o: MeshPodsOptions;
  readonly #around: PodSurroundings;
  readonly #observed: ReturnType<typeof openObservedFolder>;
  readonly #router: ServiceRouter;
  readonly #pods = new Map<string, PodRuntime>();
  readonly #lastHost = new Map<string, number>();
  /** Pods of `local run`: wanted for as long as their command runs. */
  readonly #commands = new Map<string, DesiredPod>();
  #objects: readonly ManifestObject[] = [];
  #services: readonly ServicePlan[] = [];
  #addresses: ReadonlyMap<string, readonly string[]> = new Map();
  #problems: readonly PlanProblem[] = [];
  #pending: readonly { readonly key: string; readonly why: string }[] = [];
  #writeProblem: string | null = null;
  #routeProblem: string | null = null;
  #scheduled = false;
  #retrying = false;
  #closing = false;

  constructor(o: MeshPodsOptions) {
    this.#o = o;
    this.#observed = openObservedFolder(o.folders.observed);
    this.#router = createServiceRouter(o.topology.nodes.map((n) => o.fabric.node(n.name).fd));
    this.#around = {
      fabric: o.fabric,
      run: o.folders.run,
      logs: o.folders.logs,
      workingDir: o.workingDir,
      env: o.env,
      hosts: (pod) => hostsFile(pod, this.#services, this.#serving()),
      resolvConf,
      systemPids: o.systemPids,
      onChange: () => this.#schedule(),
      nowMs: () => Date.now(),
    };
    this.#schedule();
  }

  get pods(): readonly PodRuntime[] {
    return [...this.#pods.values()];
  }
  get services(): readonly ServicePlan[] {
    return this.#services;
  }
  get problems(): readonly PlanProblem[] {
    return this.#problems;
  }
  get pending(): readonly { readonly key: string; readonly why: string }[] {
    return this.#pending;
  }
  /** Why what should be could not be carried out: on disk, in the kernel. */
  get failures(): readonly string[] {
    return [this.#writeProblem, this.#routeProblem].filter((p) => p !== null);
  }

  /**
   * A ready pod behind a port of a Service.
   * @throws MeshError NO_ROUTE when there is no such Service, port or pod
   */
  behindService(name: string, port: number): { readonly pod: PodRuntime; readonly port: number } {
    const wanted = findServicePort(findService(this.#services, name), port);
    for (const endpoint of endpointsOf(wanted.service, wanted.port, this.#serving())) {
      const pod = this.#pods.get(podKey(endpoint.pod));
      if (pod !== undefined) return { pod, port: endpoint.port };
    }
    throw new MeshError(Code.NoRoute, `Cannot reach Service "${name}": no pod behind port ${port} is ready`);
  }

  /**
   * A pod that a Service selects, a ready one if there is one.
   * @throws MeshError NO_ROUTE when there is no such Service or pod
   */
  ofService(name: string): PodRuntime {
    const selected = selectedPods(findService(this.#services, name), this.#serving());
    const chosen = selected.find((p) => p.ready) ?? selected[0];
    const pod = chosen === undefined ? undefined : this.#pods.get(podKey(chosen));
    if (pod !== undefined) return pod;
    throw new MeshError(Code.NoRoute, `Cannot find a pod of Service "${name}": it selects none`);
  }

  /** What a pod of `local run` names although no manifest declares it, in words. It runs all the same. */
  undeclared(pod: { readonly namespace: string; readonly serviceAccount: string }): readonly string[] {
    return undeclaredNames(this.#objects, pod);
  }

  pod(key: string): PodRuntime | null {
    return this.#pods.get(key) ?? null;
  }

  /** What should be, from now on. */
  setObjects(objects: readonly ManifestObject[]): void {
    this.#objects = objects;
    this.#schedule();
  }

  /** Wants a pod that no manifest asks for, until `dropCommand`. */
  addCommand(pod: DesiredPod): void {
    this.#commands.set(podKey(pod), pod);
    this.#reconcile();
  }

  dropCommand(pod: DesiredPod): void {
    this.#commands.delete(podKey(pod));
    this.#schedule();
  }

  /** Ends every pod, all at once. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.pods.map((p) => p.stop()));
  }

  /** Many changes in one turn become one comparison. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#reconcile();
    });
  }

  #reconcile(): void {
    for (const [key, pod] of this.#pods) if (pod.stage === "gone") this.#pods.delete(key);
    const { services, problems: serviceProblems } = planServices(this.#objects, this.#addresses);
    this.#services = services;
    this.#addresses = new Map(services.map((s) => [`${s.namespace}/${s.name}`, s.clusterIps]));
    const wanted = desiredPods(this.#objects);
    this.#problems = [...serviceProblems, ...wanted.problems];
    if (!this.#closing) this.#carryOut([...wanted.pods, ...this.#commands.values()]);
    for (const pod of this.#pods.values()) pod.refreshHosts();
    this.#routeProblem = this.#router.update(this.#services, this.#serving());
    this.#writeObserved();
    this.#o.onChange();
  }

  #carryOut(wanted: readonly DesiredPod[]): void {
    const running = this.pods.map((p) => p.placed);
    const changes = planPods(wanted, running, this.#o.topology.nodes);
    const pending = [...changes.pending];
    for (const key of changes.stop) void this.#pods.get(key)?.stop();
    for (const { pod, node } of changes.start) {
      const why = this.#startPod(pod, node);
      if (why !== null) pending.push({ key: podKey(pod), why });
    }
    this.#pending = pending;
  }

  #startPod(pod: DesiredPod, nodeName: string): string | null {
    const node = this.#o.topology.nodes.find((n) => n.name === nodeName);
    const agent = this.#o.agents.get(nodeName);
    if (node === undefined || agent === undefined) return `node ${nodeName} is not there`;
    const host = this.#nextHost(node);
    if (host === null) return `node ${nodeName} has no free address`;
    this.#pods.set(podKey(pod), new PodRuntime({ pod, node, host, agent, around: this.#around }));
    return null;
  }

  #nextHost(node: NodePlan): number | null {
    const inUse = new Set(this.pods.filter((p) => p.node.name === node.name).map((p) => p.host));
    const host = nextHost(inUse, this.#lastHost.get(node.name) ?? 1);
    if (host !== null) this.#lastHost.set(node.name, host);
    return host;
  }

  #serving(): readonly ServingPod[] {
    return this.pods.map((p) => ({
      spec: p.pod.spec,
      name: p.pod.name,
      namespace: p.pod.namespace,
      labels: p.pod.labels,
      ips: p.ips,
      ready: p.ready,
    }));
  }

  #writeObserved(): void {
    const files = observedFiles({
      topology: this.#o.topology,
      ztunnelUids: this.#o.ztunnelUids,
      objects: this.#objects,
      services: this.#services,
      pods: this.pods.map((p) => ({ pod: p.pod, status: p.status })),
    });
    const problem = this.#observed.write(files);
    this.#writeProblem = problem;
    if (problem === null || this.#retrying || this.#closing) return;
    // A disk may be full for a while: what could not be written is tried again, since nothing else would bring it back.
    this.#retrying = true;
    setTimeout(() => {
      this.#retrying = false;
      this.#schedule();
    }, 1_000).unref();
  }
}
