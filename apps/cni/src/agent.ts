import type { Netns, SeqpacketListener } from "@lateen/linux";
import type { InPodOptions } from "@lateen/redirection";
import type { Logger, Registry } from "@lateen/telemetry";
import type { AgentUpdate } from "@lateen/zds";
import type { DesiredPod } from "./desired-pods.ts";
import { type WatchedPod, watchDrift } from "./drift-watch.ts";
import type { EnrolledRecord, RecordEntry } from "./enrolled-record.ts";
import type { IdentityProbe } from "./identity-probe.ts";
import type { Kernel } from "./node-kernel.ts";
import type { PodStatus } from "./pod-plan.ts";
import { PodWorker, type WorkerWorld } from "./pod-worker.ts";
import { RecordKeeper } from "./record-keeper.ts";
import { Ztunnels } from "./ztunnels.ts";

/** What the agent is made of. */
export interface AgentParts {
  readonly kernel: Kernel;
  readonly identity: IdentityProbe;
  readonly record: EnrolledRecord;
  readonly redirection: InPodOptions;
  readonly repairAtStart: boolean;
  readonly closeFd: (fd: number) => void;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly registry: Registry;
  readonly log: Logger;
}

/** Holds the desired set and one worker per pod, and brings them together with the proxies. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #ztunnels: Ztunnels;
  readonly #workers = new Map<string, PodWorker>();
  readonly #stop = new AbortController();
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #world: WorkerWorld;
  readonly #repairs;
  readonly #keeper: RecordKeeper;
  /** Resolves when the desired set is known: before that a snapshot would stop proxies of pods that this agent merely forgot. */
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#keeper = new RecordKeeper(parts.record, () => this.#entries());
    const { kernel, identity, random, log, registry, closeFd, nowMs } = parts;
    this.#ztunnels = new Ztunnels({
      snapshot: () => this.#snapshot(),
      answered: (uid, why) => this.#workers.get(uid)?.answered(why),
      changed: (what) => this.#ztunnelsChanged(what === "lost"),
      closeFd,
      nowMs,
      log,
    });
    this.#repairs = registry.counter({ name: "nodeagent_rule_repairs", help: "Pods whose rules were found changed" });
    const connected = registry.gauge({ name: "ztunnel_connected", help: "Connections of proxies" }).with({});
    registry.onCollect(() => connected.set(this.#ztunnels.count));
    this.#world = {
      kernel,
      identity,
      random,
      log,
      signal: this.#stop.signal,
      add: ({ uid, name, namespace, serviceAccount }, netns) =>
        this.#ztunnels.add(uid, { name, namespace, serviceAccount }, netns),
      del: (uid) => this.#ztunnels.del(uid),
      ztunnels: () => this.#ztunnels.count,
      claimedBy: (netnsId, uid) => this.#claimedBy(netnsId, uid),
      changed: (worker) => this.#changed(worker.uid),
      forgotten: (worker) => {
        if (this.#workers.get(worker.uid) === worker) this.#workers.delete(worker.uid);
        this.#changed(worker.uid);
      },
    };
  }

  get ztunnels(): number {
    return this.#ztunnels.count;
  }

  /** Serves proxies once the desired set is known, and looks for drift, until `close`. */
  async run(listener: SeqpacketListener): Promise<void> {
    const { signal } = this.#stop;
    await this.#synced.promise;
    const watching = watchDrift(
      { pods: this.#workers, random: this.#parts.random, found: (pod, drift) => this.#repaired(pod, drift) },
      signal,
    );
    if (!signal.aborted) await this.#ztunnels.run(listener, signal);
    await watching;
  }

  /** Takes the whole desired set. Idempotent; returns before anything is done. */
  setDesired(pods: readonly DesiredPod[]): void {
    if (!this.#isSynced) this.#adoptFormer(new Set(pods.map((p) => p.uid)));
    const wanted = new Set(pods.map((p) => p.uid));
    for (const worker of [...this.#workers.values()]) if (!wanted.has(worker.uid)) worker.leave();
    for (const pod of pods) {
      const known = this.#workers.get(pod.uid);
      if (known !== undefined) known.want(pod, this.#parts.redirection);
      else this.#start(pod).kick();
    }
    this.#isSynced = true;
    this.#synced.resolve();
  }

  #start(pod: DesiredPod): PodWorker {
    const worker = new PodWorker(this.#world, pod, this.#parts.redirection);
    this.#workers.set(pod.uid, worker);
    return worker;
  }

  /** Pods that a former agent enrolled and that nobody wants any more lose their rules. */
  #adoptFormer(wanted: ReadonlySet<string>): void {
    const { record, kernel, repairAtStart, log } = this.#parts;
    for (const entry of repairAtStart ? record.read() : []) {
      if (wanted.has(entry.uid) || this.#idAt(entry.netns) !== entry.netnsId) continue;
      log.info("pod left the mesh while no agent ran", { uid: entry.uid, pod: `${entry.namespace}/${entry.name}` });
      const pod: DesiredPod = { ...entry, ips: [], annotations: {} };
      this.#start(pod).cleanUp({ netns: kernel.open(entry.netns), options: entry.options });
    }
  }

  #idAt(path: string): string | null {
    try {
      return this.#parts.kernel.idAt(path);
    } catch {
      return null; // the process behind the path is gone, or not ours to look at: nothing can be removed there
    }
  }

  #claimedBy(netnsId: string, uid: string): string | null {
    for (const worker of this.#workers.values())
      if (worker.uid !== uid && worker.netnsId === netnsId) return `pod ${worker.pod.namespace}/${worker.pod.name}`;
    return null;
  }

  #snapshot(): readonly AgentUpdate<Netns>[] {
    return [...this.#workers.values()].flatMap((w) => w.snapshot() ?? []);
  }

  #ztunnelsChanged(newestLost: boolean): void {
    const gone = newestLost || this.#ztunnels.count === 0;
    for (const worker of this.#workers.values()) worker.ztunnelsChanged(gone ? "untold" : "told");
  }

  #changed(uid: string): void {
    for (const watcher of [...(this.#watchers.get(uid) ?? [])]) watcher();
    this.#keeper.changed();
  }

  /** Pods that have our rules. */
  #entries(): readonly RecordEntry[] {
    return [...this.#workers.values()].flatMap((w): RecordEntry[] => {
      const { uid, name, namespace, serviceAccount, netns } = w.pod;
      if (w.netnsId === null || w.observed.rules === null) return [];
      const options = { ...w.options, virtualInterfaces: [...w.options.virtualInterfaces] };
      return [{ uid, name, namespace, serviceAccount, netns, netnsId: w.netnsId, options }];
    });
  }

  #repaired({ uid }: WatchedPod, drift: readonly string[]): void {
    this.#repairs.with({}).inc();
    this.#parts.log.warn("repairing pod", { uid, drift: drift.slice(0, 5).join("; ") });
  }

  /** States of all pods. */
  list(): readonly PodStatus[] {
    return [...this.#workers.values()].map((w) => w.status);
  }

  /** State of one pod; null when the agent does not know it, or no longer. */
  status(uid: string): PodStatus | null {
    return this.#workers.get(uid)?.status ?? null;
  }

  /**
   * Waits until a pod's state is as `holds` wants it.
   * @returns the state then, or at the moment the signal aborted
   */
  waitFor(uid: string, holds: (s: PodStatus | null) => boolean, signal: AbortSignal): Promise<PodStatus | null> {
    return new Promise((resolve) => {
      const watchers = this.#watchers.get(uid) ?? new Set();
      const end = (): void => {
        watchers.delete(look);
        if (watchers.size === 0) this.#watchers.delete(uid);
        signal.removeEventListener("abort", end);
        resolve(this.status(uid));
      };
      const look = (): void => {
        if (holds(this.status(uid))) end();
      };
      if (signal.aborted) return end();
      signal.addEventListener("abort", end, { once: true });
      this.#watchers.set(uid, watchers.add(look));
      look();
    });
  }

  /** Stops. Rules stay in the pods, so that a successor finds them as they are. */
  async close(): Promise<void> {
    this.#stop.abort(new Error("the agent stops"));
    this.#synced.resolve();
    await this.#keeper.close(); // a worker that is closed does not hold its pod any more
    for (const worker of this.#workers.values()) worker.close();
  }
}
