import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import path from "node:path";
import process from "node:process";
import { MeshError } from "@lateen/errors";
import { sleep } from "@lateen/lifecycle";
import { openBoundedLog } from "./bounded-log.ts";
import { type DesiredPod, podKey } from "./desired-pods.ts";
import type { Fabric, PodNetwork } from "./fabric.ts";
import type { NodeAgent } from "./node-agent.ts";
import type { PodStatus } from "./observed-objects.ts";
import type { PlacedPod } from "./placement.ts";
import { type PodFiles, openPodFiles } from "./pod-files.ts";
import { type PodPlace, processesIn, signalAll, spawnInPod } from "./pod-processes.ts";
import type { ContainerPlan } from "./pod-template.ts";
import { watchReadiness } from "./readiness-probe.ts";
import { type ProcessExit, type SupervisedProcess, superviseProcess } from "./supervised-process.ts";
import { type NodePlan, podAddresses } from "./topology.ts";

/** What pods share: the machine as their daemon sees it. */
export interface PodSurroundings {
  readonly fabric: Fabric;
  /** Folder for files of pods. */
  readonly run: string;
  readonly logs: string;
  /** Where containers without a working directory start, and what relative ones are relative to. */
  readonly workingDir: string;
  /** Environment of every container, before its own. */
  readonly env: Readonly<Record<string, string>>;
  hosts(pod: { readonly name: string; readonly namespace: string; readonly ips: readonly string[] }): string;
  resolvConf(namespace: string): string;
  /** Processes that are not the pod's although they visit its network. */
  systemPids(): ReadonlySet<number>;
  /** Hears every change of a pod. */
  onChange(): void;
  nowMs(): number;
}

/** How far a pod is, in words of this program. */
export type PodStage = "network" | "enrolling" | "running" | "stopping" | "gone";

const KILL_AFTER_MS = 500;

/** One pod: its network, its capture, its processes. Nothing of it runs before the mesh has captured it. */
export class PodRuntime {
  readonly pod: DesiredPod;
  readonly node: NodePlan;
  readonly host: number;
  readonly uid = randomUUID();
  readonly #around: PodSurroundings;
  readonly #agent: NodeAgent;
  readonly #stop = new AbortController();
  readonly #containers = new Map<string, SupervisedProcess>();
  readonly #ready = new Set<string>();
  readonly #owned = new AsyncDisposableStack();
  #stage: PodStage = "network";
  #problem: string | null = null;
  #network: PodNetwork | null = null;
  #files: PodFiles | null = null;
  #enrolled = false;
  #deletionTime: string | null = null;
  #stopping: Promise<void> | null = null;
  readonly #started: Promise<void>;

  constructor(o: {
    readonly pod: DesiredPod;
    readonly node: NodePlan;
    readonly host: number;
    readonly agent: NodeAgent;
    readonly around: PodSurroundings;
  }) {
    this.pod = o.pod;
    this.node = o.node;
    this.host = o.host;
    this.#agent = o.agent;
    this.#around = o.around;
    this.#started = this.#start().catch((e: unknown) => this.#failed(e));
  }

  get key(): string {
    return podKey(this.pod);
  }
  get stage(): PodStage {
    return this.#stage;
  }
  /** Why it does not get on, null when it does. */
  get problem(): string | null {
    if (this.#problem !== null) return this.#problem;
    const said = this.#agent.states.get(this.uid);
    return this.#stage === "enrolling" ? (said?.reason ?? this.#agent.problem ?? "waiting for the CNI agent") : null;
  }
  get containers(): readonly SupervisedProcess[] {
    return [...this.#containers.values()];
  }
  get ips(): readonly string[] {
    return this.#network?.addresses ?? [];
  }
  get ready(): boolean {
    return this.#stage === "running" && this.pod.template.containers.every((c) => this.#ready.has(c.name));
  }
  /** Where its processes run; null before its network is there. */
  get place(): PodPlace | null {
    if (this.#network === null || this.#files === null) return null;
    const { fd, id } = this.#network.netns;
    return { netns: fd, netnsId: id, hostname: this.pod.name, mounts: this.#files.mounts };
  }
  get workingDir(): string {
    return this.#around.workingDir;
  }
  /** Environment of its processes, before a container's own. */
  get env(): Readonly<Record<string, string>> {
    return {
      ...this.#around.env,
      POD_NAME: this.pod.name,
      POD_NAMESPACE: this.pod.namespace,
      POD_IP: this.ips[0] ?? "",
      NODE_NAME: this.node.name,
      SERVICE_ACCOUNT: this.pod.template.serviceAccount,
    };
  }
  get status(): PodStatus {
    return {
      uid: this.uid,
      node: this.node.name,
      ips: this.ips,
      phase: this.#phase(),
      ready: this.ready,
      enrolled: this.#enrolled,
      deletionTime: this.#deletionTime,
    };
  }
  get placed(): PlacedPod {
    return {
      namespace: this.pod.namespace,
      name: this.pod.name,
      node: this.node.name,
      hash: this.pod.hash,
      meshed: this.pod.meshed,
      deployment: this.pod.owner?.deployment ?? null,
      ready: this.ready,
      stopping: this.#stopping !== null,
    };
  }

  /** Resolves once the pod's processes were started (or could not be). */
  get started(): Promise<void> {
    return this.#started;
  }

  #phase(): PodStatus["phase"] {
    if (this.#stage === "network" || this.#stage === "enrolling") return "Pending";
    const states = this.containers.map((c) => c.status);
    if (states.length === 0 || states.some((s) => s.state !== "ended")) return "Running";
    return states.every((s) => s.lastEnd === "exited with code 0") ? "Succeeded" : "Failed";
  }

  async #start(): Promise<void> {
    const { fabric, run } = this.#around;
    this.#network = this.#owned.use(await fabric.addPod(this.node, this.host, podAddresses(this.node, this.host)));
    const about = { name: this.pod.name, namespace: this.pod.namespace, ips: this.ips };
    this.#files = this.#owned.use(
      openPodFiles(path.join(run, "pods", this.uid), {
        hosts: this.#around.hosts(about),
        resolvConf: this.#around.resolvConf(this.pod.namespace),
      }),
    );
    this.#stop.signal.throwIfAborted();
    if (this.pod.meshed) await this.#enrol();
    this.#stop.signal.throwIfAborted();
    this.#stage = "running";
    for (const container of this.pod.template.containers) this.#run(container);
    this.#around.onChange();
  }

  async #enrol(): Promise<void> {
    this.#stage = "enrolling";
    this.#around.onChange();
    await this.#agent.enrol(this.#agentPod(), this.#stop.signal);
    this.#enrolled = true;
  }

  #agentPod(): Parameters<NodeAgent["enrol"]>[0] {
    return {
      uid: this.uid,
      name: this.pod.name,
      namespace: this.pod.namespace,
      serviceAccount: this.pod.template.serviceAccount,
      ips: this.ips,
      netns: `/proc/${process.pid}/fd/${this.#network?.netns.fd ?? -1}`,
      annotations: this.pod.annotations,
    };
  }

  #failed(e: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#problem = MeshError.is(e) || e instanceof Error ? e.message : String(e);
    this.#around.onChange();
  }

  #run(container: ContainerPlan): void {
    const [file, ...args] = container.argv;
    if (file === undefined) {
      this.#ready.add(container.name);
      return;
    }
    const log = this.#owned.use(openBoundedLog(this.logPath(container.name)));
    const supervised = superviseProcess({
      name: container.name,
      start: () => this.#spawn(container, [file, ...args]),
      log,
      again: (exit) => restarts(this.pod.template.restartPolicy, exit),
      onChange: () => this.#containerChanged(container),
      graceMs: this.pod.template.gracePeriodMs,
    });
    this.#containers.set(container.name, supervised);
    this.#owned.use(supervised);
    this.#containerChanged(container);
  }

  logPath(container: string): string {
    return path.join(this.#around.logs, `${this.pod.namespace}_${this.pod.name}_${container}.log`);
  }

  #spawn(container: ContainerPlan, argv: readonly [string, ...string[]]): ChildProcess {
    const place = this.place;
    if (place === null) throw new Error("the pod has no network");
    return spawnInPod(place, {
      argv,
      env: { ...this.env, ...container.env },
      cwd: path.resolve(this.#around.workingDir, container.workingDir ?? "."),
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  #probing = new Map<string, Disposable>();

  /** A container is ready while it runs and its probe, if it has one, answers. */
  #containerChanged(container: ContainerPlan): void {
    const runs = this.#containers.get(container.name)?.status.state === "running";
    this.#probing.get(container.name)?.[Symbol.dispose]();
    this.#probing.delete(container.name);
    const set = (ready: boolean): void => {
      if (this.#ready.has(container.name) === ready) return;
      if (ready) this.#ready.add(container.name);
      else this.#ready.delete(container.name);
      this.#around.onChange();
    };
    if (!runs || container.readiness === null || this.#network === null) set(runs);
    else {
      set(false);
      const netns = this.#network.netns.fd;
      this.#probing.set(container.name, watchReadiness(container.readiness, { netns, ip: this.ips[0] ?? "" }, set));
    }
    this.#around.onChange();
  }

  /** Replaces its hosts file, when there is one. */
  refreshHosts(): void {
    this.#files?.writeHosts(this.#around.hosts({ name: this.pod.name, namespace: this.pod.namespace, ips: this.ips }));
  }

  /** Ends the pod: endpoints first, then processes with their grace, then capture, then network. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#end());
  }

  async #end(): Promise<void> {
    this.#deletionTime = new Date(this.#around.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    this.#stop.abort(new Error("the pod is stopping"));
    await this.#started;
    this.#stage = "stopping";
    this.#around.onChange();
    for (const probe of this.#probing.values()) probe[Symbol.dispose]();
    await Promise.all(this.containers.map((c) => c[Symbol.asyncDispose]()));
    await this.#endStrays();
    if (this.pod.meshed) await this.#agent.remove(this.uid);
    await this.#owned.disposeAsync();
    this.#network = null;
    this.#stage = "gone";
    this.#around.onChange();
  }

  /** Processes that left their container's group, and commands run by `exec`. */
  async #endStrays(): Promise<void> {
    const id = this.#network?.netns.id;
    if (id === undefined) return;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const endMs = performance.now() + KILL_AFTER_MS;
      for (;;) {
        const strays = processesIn(id, this.#around.systemPids());
        if (strays.length === 0) return;
        signalAll(strays, signal);
        if (performance.now() > endMs) break;
        await sleep(20);
      }
    }
  }
}

function restarts(policy: DesiredPod["template"]["restartPolicy"], exit: ProcessExit): boolean {
  return policy === "Always" || (policy === "OnFailure" && exit.code !== 0);
}
