import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import { reapOrphans } from "@lateen/linux";
import type { MeshApi, ObjectName } from "./api-server.ts";
import { serveMeshApi } from "./api-server.ts";
import type { MeshStatus, ZtunnelUpgrade } from "./api-types.ts";
import { serveAttach, signalGroup } from "./attach-server.ts";
import { type BoundedLog, openBoundedLog } from "./bounded-log.ts";
import { runCaptured } from "./captured-command.ts";
import {
  type Component,
  type EntryPoints,
  agentSocket,
  cniComponent,
  controlPlaneComponent,
  rootCertificate,
  startComponent,
  ztunnelComponent,
} from "./components.ts";
import { askControlPlane, controlPlaneProblems } from "./control-plane-problems.ts";
import { type Fabric, openFabric } from "./fabric.ts";
import { findPod } from "./find-pod.ts";
import { type ManifestSource, openManifestSource } from "./manifest-source.ts";
import { type MeshFolders, prepareFolders } from "./mesh-folders.ts";
import { MeshPods } from "./mesh-pods.ts";
import { meshStatus } from "./mesh-status.ts";
import { type NodeAgent, openNodeAgent } from "./node-agent.ts";
import { keepNodeTokens } from "./node-tokens.ts";
import { meshPath } from "./pod-processes.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import { watchReadiness } from "./readiness-probe.ts";
import { type SupervisedProcess, superviseProcess } from "./supervised-process.ts";
import { type NodePlan, type TopologyPlan, planTopology } from "./topology.ts";
import { type ZtunnelPlace, askZtunnel, upgradeZtunnel } from "./ztunnel-admin.ts";

/** What a daemon is told at its start. */
export interface DaemonOptions {
  readonly folders: MeshFolders;
  /** Folder of manifests, watched; null for none. */
  readonly manifests: string | null;
  readonly nodes: number;
  readonly entries: EntryPoints;
  /** Settings of every ztunnel by the names of its environment; what the mesh itself decides cannot be set. */
  readonly ztunnelEnv?: Readonly<Record<string, string>>;
}

const COMPONENT_GRACE_MS = 3_000;
const REAP_MS = 1_000;
const READINESS_PORT = 15_021;

interface Node {
  readonly plan: NodePlan;
  readonly agent: NodeAgent;
  readonly cni: SupervisedProcess;
  ztunnel: SupervisedProcess | null;
  ztunnelReady: boolean;
}

/** A running mesh. Disposing of it takes everything down, pods first. */
export class Daemon implements AsyncDisposable {
  readonly #o: DaemonOptions;
  readonly #topology: TopologyPlan;
  readonly #owned = new AsyncDisposableStack();
  readonly #nodes = new Map<string, Node>();
  readonly #children = new Set<ChildProcess>();
  readonly #ztunnelUids: ReadonlyMap<string, string>;
  readonly #wakers = new Set<() => void>();
  readonly #stopAsked = Promise.withResolvers<void>();
  #fabric: Fabric | null = null;
  #controlPlane: SupervisedProcess | null = null;
  #controlPlaneReady = false;
  #pods: MeshPods | null = null;
  #source: ManifestSource | null = null;
  #closing: Promise<void> | null = null;

  private constructor(o: DaemonOptions, topology: TopologyPlan) {
    this.#o = o;
    this.#topology = topology;
    this.#ztunnelUids = new Map(topology.nodes.map((n) => [n.name, randomUUID()]));
  }

  /**
   * Brings a mesh up: when this resolves its API answers; its parts start, and the status says how far they are.
   * @throws MeshError when the kernel refuses a part, or a folder cannot be written
   */
  static async start(o: DaemonOptions): Promise<Daemon> {
    const topology = planTopology({ nodes: o.nodes });
    if (!topology.ok) throw topology.error;
    prepareFolders(o.folders);
    const daemon = new Daemon(o, topology.value);
    try {
      await daemon.#open();
    } catch (e) {
      await daemon[Symbol.asyncDispose]();
      throw e;
    }
    return daemon;
  }

  /** Resolves when a client asks for the end. */
  get stopAsked(): Promise<void> {
    return this.#stopAsked.promise;
  }

  async #open(): Promise<void> {
    const { folders } = this.#o;
    const fabric = this.#owned.use(await openFabric(this.#topology));
    this.#fabric = fabric;
    this.#owned.use(keepNodeTokens(folders, this.#topology.nodes, this.#ztunnelUids));
    const reaper = setInterval(() => this.#reap(), REAP_MS);
    this.#owned.defer(() => clearInterval(reaper));
    this.#controlPlane = this.#startControlPlane(fabric);
    for (const plan of this.#topology.nodes) this.#nodes.set(plan.name, this.#startNode(fabric, plan));
    const pods = new MeshPods({
      topology: this.#topology,
      fabric,
      folders,
      agents: new Map([...this.#nodes].map(([name, n]) => [name, n.agent])),
      ztunnelUids: this.#ztunnelUids,
      workingDir: this.#o.manifests ?? folders.state,
      env: this.#baseEnv(),
      systemPids: () => this.#systemPids(),
      onChange: () => this.#wake(),
    });
    this.#pods = pods;
    const source = this.#owned.use(
      await openManifestSource({
        folder: this.#o.manifests,
        applied: folders.applied,
        onChange: (objects) => pods.setObjects(objects),
      }),
    );
    this.#source = source;
    pods.setObjects(source.objects);
    this.#owned.use(
      serveAttach({
        path: folders.attachSocket,
        pods,
        find: (name) => this.#find(name),
        onChild: (child) => this.#track(child),
      }),
    );
    this.#owned.use(await serveMeshApi(folders.apiSocket, this.#api()));
  }

  #baseEnv(): Readonly<Record<string, string>> {
    const { env } = process;
    const keep = ["HOME", "LANG", "TZ", "USER", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS"].flatMap((k) =>
      env[k] === undefined ? [] : [[k, env[k]] as const],
    );
    return { PATH: meshPath(env), ...Object.fromEntries(keep) };
  }

  #supervise(component: Component): SupervisedProcess {
    const log = this.#owned.use(openBoundedLog(path.join(this.#o.folders.logs, `${component.name}.log`)));
    const env = this.#baseEnv();
    return superviseProcess({
      name: component.name,
      start: () => startComponent(component, env),
      log,
      onChange: () => this.#wake(),
      graceMs: COMPONENT_GRACE_MS,
    });
  }

  #startControlPlane(fabric: Fabric): SupervisedProcess {
    const { entries, folders, manifests } = this.#o;
    fs.rmSync(rootCertificate(folders), { force: true });
    const process_ = this.#owned.use(
      this.#supervise(
        controlPlaneComponent({
          entry: entries.controlPlane,
          netns: fabric.control.fd,
          folders,
          manifests,
          topology: this.#topology,
        }),
      ),
    );
    this.#owned.use(
      watchReadiness(
        { t: "http", port: 8_080, path: "/ready", periodMs: 1_000, initialDelayMs: 0 },
        { netns: fabric.control.fd, ip: "127.0.0.1" },
        (ready) => {
          if (this.#controlPlaneReady !== ready) this.#wake();
          this.#controlPlaneReady = ready;
          // A proxy without the root certificate could only fail: it starts when the control plane has published it.
          if (ready) for (const node of this.#nodes.values()) this.#startZtunnel(fabric, node);
        },
      ),
    );
    return process_;
  }

  #startNode(fabric: Fabric, plan: NodePlan): Node {
    const { entries, folders } = this.#o;
    const netns = fabric.node(plan.name).fd;
    const agent = openNodeAgent({ socket: agentSocket(folders, plan), onChange: () => this.#wake() });
    const cni = this.#owned.use(this.#supervise(cniComponent({ entry: entries.cni, netns, folders, node: plan })));
    this.#owned.use(agent);
    return { plan, agent, cni, ztunnel: null, ztunnelReady: false };
  }

  #startZtunnel(fabric: Fabric, node: Node): void {
    if (node.ztunnel !== null || this.#closing !== null) return;
    const { entries, folders } = this.#o;
    const netns = fabric.node(node.plan.name).fd;
    node.ztunnel = this.#owned.use(
      this.#supervise(
        ztunnelComponent({
          entry: entries.ztunnel,
          netns,
          folders,
          node: node.plan,
          topology: this.#topology,
          settings: this.#o.ztunnelEnv ?? {},
        }),
      ),
    );
    this.#owned.use(
      watchReadiness(
        { t: "http", port: READINESS_PORT, path: "/healthz/ready", periodMs: 1_000, initialDelayMs: 0 },
        { netns, ip: "127.0.0.1" },
        (ready) => {
          if (node.ztunnelReady !== ready) this.#wake();
          node.ztunnelReady = ready;
        },
      ),
    );
  }

  /** Control plane, agents and proxies, as far as they were started. */
  #parts(): readonly SupervisedProcess[] {
    const all = [this.#controlPlane, ...[...this.#nodes.values()].flatMap((n) => [n.cni, n.ztunnel])];
    return all.filter((part) => part !== null);
  }

  #containers(): readonly SupervisedProcess[] {
    return (this.#pods?.pods ?? []).flatMap((p) => p.containers);
  }

  #systemPids(): ReadonlySet<number> {
    return new Set([process.pid, ...this.#parts().flatMap((part) => part.status.pid ?? [])]);
  }

  #track(child: ChildProcess): void {
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    child.once("error", () => this.#children.delete(child));
  }

  /** As the first process of its PID namespace the daemon inherits every orphan of its pods. */
  #reap(): void {
    if (process.pid !== 1) return;
    const containers = this.#containers().flatMap((c) => c.status.pid ?? []);
    const children = [...this.#children].flatMap((c) => c.pid ?? []);
    reapOrphans(new Set([...this.#systemPids(), ...containers, ...children]));
  }

  #find(name: string): PodRuntime {
    const service = /^(?:svc|service|services)\/(.+)$/.exec(name)?.[1];
    if (service !== undefined && this.#pods !== null) return this.#pods.ofService(service);
    const pods = this.#pods?.pods ?? [];
    const found = findPod(
      pods.map((p) => ({ ...p.placed, pod: p })),
      name,
    );
    return found.pod;
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }

  #status(): MeshStatus {
    return meshStatus({
      mesh: this.#o.folders.mesh,
      manifests: this.#o.manifests,
      controlPlane: { status: this.#controlPlane?.status ?? null, ready: this.#controlPlaneReady },
      nodes: [...this.#nodes.values()].map((n) => ({
        plan: n.plan,
        cni: n.cni.status,
        ztunnel: n.ztunnel?.status ?? null,
        ztunnelReady: n.ztunnelReady,
        ztunnels: n.agent.ztunnels,
        problem: n.agent.problem,
      })),
      pods: this.#pods,
      problems: this.#source?.problems ?? [],
      logs: [...this.#parts(), ...this.#containers()].map((process) => process.log),
    });
  }

  /** Both read the same files, so most of what they say is the same. */
  async #withControlPlaneProblems(status: MeshStatus): Promise<MeshStatus> {
    const found = this.#fabric === null ? [] : await controlPlaneProblems(this.#fabric.control.fd);
    return { ...status, problems: [...new Set([...status.problems, ...found])] };
  }

  #api(): MeshApi {
    return {
      status: () => this.#withControlPlaneProblems(this.#status()),
      waitFor: async (what, timeoutMs) => this.#withControlPlaneProblems(await this.#waitFor(what, timeoutMs)),
      apply: (yaml) => this.#applied().apply(yaml),
      delete: (objects) => this.#applied().delete(objects),
      exec: async (asked) => runCaptured(this.#find(asked.pod), asked, (child) => this.#track(child)),
      log: (target) => this.#log(target),
      controlPlane: (method, where) => this.#askControlPlane(method, where),
      upgradeZtunnel: (node) => this.#upgradeZtunnel(node),
      ztunnelAdmin: async (node, method, where) => askZtunnel(this.#ztunnelAt(node), method, where),
      down: () => this.#stopAsked.resolve(),
    };
  }

  #applied(): { apply(yaml: string): readonly string[]; delete(objects: readonly ObjectName[]): readonly string[] } {
    const source = this.#source;
    if (source === null) throw new MeshError(Code.Draining, "Cannot change objects: the mesh is going down");
    return source;
  }

  async #waitFor(what: "ready" | "settled", timeoutMs: number): Promise<MeshStatus> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const status = this.#status();
      const leftMs = endMs - performance.now();
      if (status[what] || leftMs <= 0 || this.#closing !== null) return status;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#wakers.delete(done);
          resolve();
        };
        const timer = setTimeout(done, leftMs);
        this.#wakers.add(done);
      });
    }
  }

  #log(target: string): BoundedLog {
    const found = this.#parts().find((part) => part.status.name === target);
    if (found) return found.log;
    const [name = "", container] = target.split(":");
    const pod = this.#find(name);
    const chosen =
      container === undefined ? pod.containers[0] : pod.containers.find((c) => c.status.name === container);
    if (chosen === undefined)
      throw new MeshError(Code.NoRoute, `Cannot show log of "${target}": ${pod.key} has no such container that runs`);
    return chosen.log;
  }

  async #upgradeZtunnel(name: string): Promise<ZtunnelUpgrade> {
    const running = this.#nodes.get(name)?.ztunnel;
    if (running == null) throw new MeshError(Code.NoRoute, `Cannot upgrade ztunnel of "${name}": none runs there`);
    return upgradeZtunnel(this.#ztunnelAt(name), running);
  }

  async #askControlPlane(method: "GET" | "POST", where: string): Promise<string> {
    if (this.#fabric === null)
      throw new MeshError(Code.Draining, "Cannot ask the control plane: the mesh is going down");
    return askControlPlane(this.#fabric.control.fd, method, where);
  }

  #ztunnelAt(node: string): ZtunnelPlace {
    if (this.#fabric === null) throw new MeshError(Code.Draining, "Cannot ask ztunnel: the mesh is going down");
    return { node, netns: this.#fabric.node(node).fd };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const child of this.#children) signalGroup(child, "SIGHUP");
    await this.#pods?.close();
    await this.#owned.disposeAsync();
  }
}
