import { Code, MeshError } from "@lateen/errors";
import { type Backoff, createBackoff } from "@lateen/lifecycle";
import type { Netns } from "@lateen/linux";
import { type InPodOptions, podOptions } from "@lateen/redirection";
import type { Logger } from "@lateen/telemetry";
import type { AgentUpdate } from "@lateen/zds";
import type { DesiredPod } from "./desired-pods.ts";
import type { IdentityProbe } from "./identity-probe.ts";
import type { Kernel } from "./node-kernel.ts";
import { PodNamespace } from "./pod-namespace.ts";
import {
  type Conditions,
  type Observed,
  type PodStatus,
  type StateInputs,
  type Step,
  type Wanted,
  nextStep,
  noConditions,
  nothingObserved,
  podState,
} from "./pod-plan.ts";
import type { Outcome } from "./ztunnel-connection.ts";

/** What a worker needs of the agent. */
export interface WorkerWorld {
  readonly kernel: Kernel;
  readonly identity: IdentityProbe;
  readonly add: (pod: DesiredPod, netns: Netns) => Promise<Outcome>;
  readonly del: (uid: string) => Promise<void>;
  readonly ztunnels: () => number;
  /** Whether another pod holds this namespace. @returns its name, or null */
  readonly claimedBy: (netnsId: string, uid: string) => string | null;
  readonly changed: (worker: PodWorker) => void;
  readonly forgotten: (worker: PodWorker) => void;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What a former agent left for a pod. */
export interface LeftBehind {
  readonly netns: Netns;
  readonly options: InPodOptions;
}

const VERIFY_DEADLINE_MS = 2_000;
const RETRY = { baseMs: 25, maxMs: 5_000 };

/** Something that time or another party will set right. */
class NotYet extends Error {}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Brings one pod to what is wanted of it, one step at a time, and again whenever something changes. */
export class PodWorker {
  readonly uid: string;
  readonly #world: WorkerWorld;
  readonly #backoff: Backoff;
  readonly #namespace: PodNamespace;
  #pod: DesiredPod;
  #options: InPodOptions;
  #wanted: Wanted | null;
  #observed: Observed = nothingObserved;
  #enrolledOnce = false;
  #failure: StateInputs["failure"] = null;
  #gone = false;
  #running = false;
  #again = false;
  #retry: NodeJS.Timeout | null = null;

  constructor(world: WorkerWorld, pod: DesiredPod, node: InPodOptions) {
    this.uid = pod.uid;
    this.#world = world;
    this.#backoff = createBackoff({ ...RETRY, random: world.random });
    this.#namespace = new PodNamespace(world.kernel);
    this.#pod = pod;
    this.#options = this.#optionsOf(pod, node);
    this.#wanted = this.#wantedOf(pod);
  }

  get pod(): DesiredPod {
    return this.#pod;
  }
  get options(): InPodOptions {
    return this.#namespace.applied ?? this.#options;
  }
  get netnsId(): string | null {
    return this.#namespace.netns?.id ?? null;
  }
  get observed(): Observed {
    return this.#observed;
  }

  get status(): PodStatus {
    const step = nextStep(this.#wanted, this.#observed, this.#world.ztunnels());
    const { conditions } = this.#observed;
    const inputs: StateInputs = {
      wanted: this.#wanted,
      enrolledOnce: this.#enrolledOnce,
      conditions,
      failure: this.#failure,
      step,
    };
    return { uid: this.uid, name: this.#pod.name, namespace: this.#pod.namespace, ...podState(inputs), conditions };
  }

  #optionsOf(pod: DesiredPod, node: InPodOptions): InPodOptions {
    const { options, warnings } = podOptions(pod.annotations, node);
    for (const warning of warnings) this.#world.log.warn(warning, { uid: pod.uid });
    return options;
  }

  #wantedOf(pod: DesiredPod): Wanted {
    return { netnsPath: pod.netns, rules: JSON.stringify(this.#options) };
  }

  /** The pod as it must be. What is behind its path is looked at again: paths of descriptors and processes get new owners. */
  want(pod: DesiredPod, node: InPodOptions): void {
    const { netnsId } = this;
    const isElsewhere = netnsId !== null && this.#idAt(pod.netns) !== netnsId;
    if (this.#wanted !== null && !isElsewhere && JSON.stringify(pod) === JSON.stringify(this.#pod)) return;
    this.#pod = pod;
    this.#options = this.#optionsOf(pod, node);
    this.#wanted = this.#wantedOf(pod);
    if (isElsewhere) this.#observe({ netnsPath: null });
    this.#settle();
  }

  #idAt(path: string): string | null {
    try {
      return this.#world.kernel.idAt(path);
    } catch {
      return null; // not to be looked at, so not to be opened either: that step will say why
    }
  }

  /** The pod must not be enrolled any more. */
  leave(): void {
    this.#wanted = null;
    this.#settle();
  }

  /** Takes over what a former agent left, to remove it. */
  cleanUp(left: LeftBehind): void {
    this.#namespace.hold(left.netns, left.options);
    this.#observed = { ...nothingObserved, netnsPath: this.#pod.netns, rules: "unsure" };
    this.leave();
  }

  /** What a new connection's snapshot says of this pod; null: nothing. The caller owns the handle. */
  snapshot(): AgentUpdate<Netns> | null {
    if (this.#wanted === null) return null;
    // Its rules come first, but a proxy that runs already must not be stopped meanwhile.
    const { netns } = this.#namespace;
    if (netns === null || this.#observed.rules === null) return { t: "keep", uid: this.uid };
    this.#observe({ told: "snapshot" });
    const { name, namespace, serviceAccount } = this.#pod;
    const handle = this.#world.kernel.duplicate(netns);
    return { t: "add", uid: this.uid, info: { name, namespace, serviceAccount }, handle };
  }

  /** The proxy's answer to the snapshot. It tries refused pods again itself, and so do we. */
  answered(why: string): void {
    if (this.#observed.told !== "snapshot") return;
    this.#observe({ told: why === "" ? "yes" : "no" });
    if (why === "") this.kick();
    else this.#failed(new NotYet(`ztunnel: ${why}`));
  }

  /** Proxies came or went. @param left `untold`: it may be that none of those left knows the pod */
  ztunnelsChanged(left: "told" | "untold"): void {
    if (left === "untold")
      this.#observe({ told: "no", conditions: { ...this.#observed.conditions, listenersAnswer: false } });
    this.kick();
  }

  /** Compares kernel and plan, and repairs. @returns what differed */
  checkDrift(): readonly string[] {
    const { netns, applied } = this.#namespace;
    if (netns === null || applied === null || this.#wanted === null || this.#running) return [];
    try {
      const drift = this.#namespace.drift(applied);
      if (drift.length === 0) return this.#checkListeners(netns);
      this.#observe({ rules: null, conditions: { ...this.#observed.conditions, rulesVerified: false } });
      this.#settle();
      return drift;
    } catch (e) {
      this.#failed(e);
      return [];
    }
  }

  #checkListeners(netns: Netns): readonly string[] {
    const { told, conditions } = this.#observed;
    if (told !== "yes" || !conditions.listenersAnswer) return [];
    const silent = this.#world.kernel.silentPorts(netns);
    if (silent.length === 0) return [];
    this.#observe({ told: "no", conditions: { ...conditions, listenersAnswer: false } });
    this.kick();
    return [`the proxy does not listen on ${silent.join(", ")}`];
  }

  /** Stops trying and lets go; rules stay. */
  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#namespace.letGo();
  }

  #observe(change: Partial<Observed>): void {
    this.#observed = { ...this.#observed, ...change };
    this.#world.changed(this);
  }

  /** Forgets former failures and goes on at once. */
  #settle(): void {
    this.#failure = null;
    this.#backoff.reset();
    this.kick();
  }

  /** Goes on, unless a pause after a failure has still to end. */
  kick(): void {
    this.#again = true;
    if (this.#running || this.#world.signal.aborted) return;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#world.signal.aborted) {
        this.#again = false;
        await this.#steps();
      }
      this.#running = false;
    } catch (e) {
      this.#running = false;
      this.#failed(e);
      if (this.#again) this.kick(); // something changed meanwhile, so the failure may be out of date
    }
    this.#world.changed(this);
  }

  async #steps(): Promise<void> {
    for (;;) {
      await turn();
      if (this.#world.signal.aborted || this.#gone) return;
      const step = nextStep(this.#wanted, this.#observed, this.#world.ztunnels());
      if (step.t === "none") {
        this.#failure = null;
        if (step.why === "enrolled") this.#enrolled();
        return;
      }
      await this.#perform(step.t);
      if (this.#gone) return;
    }
  }

  #enrolled(): void {
    this.#backoff.reset();
    if (!this.#enrolledOnce) this.#world.log.info("pod enrolled", { uid: this.uid, pod: this.#label });
    this.#enrolledOnce = true;
    this.#world.changed(this);
  }

  get #label(): string {
    return `${this.#pod.namespace}/${this.#pod.name}`;
  }

  #failed(error: unknown): void {
    if (this.#world.signal.aborted) return;
    const why = error instanceof Error ? error.message : String(error);
    this.#failure = { kind: error instanceof NotYet ? "wait" : "fault", why };
    if (this.#backoff.attempts === 0)
      this.#world.log.warn("pod waits", { uid: this.uid, pod: this.#label, reason: why });
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.kick();
    }, this.#backoff.nextMs());
    this.#world.changed(this);
  }

  #perform(step: Exclude<Step["t"], "none">): void | Promise<void> {
    switch (step) {
      case "open-netns":
        return this.#open();
      case "apply-rules":
        return this.#apply();
      case "tell-ztunnel":
        return this.#tell();
      case "verify":
        return this.#verify();
      case "remove-rules":
        return this.#remove();
      case "untell-ztunnel":
        return this.#untell();
      case "forget":
        return this.#forget();
    }
  }

  #open(): void {
    const path = this.#pod.netns;
    const opened = this.#world.kernel.open(path);
    if (opened.id === this.netnsId) {
      opened[Symbol.dispose]();
      return this.#observe({ netnsPath: path });
    }
    const owner = opened.id === this.#world.kernel.ownId() ? "the node" : this.#world.claimedBy(opened.id, this.uid);
    if (owner !== null) {
      opened[Symbol.dispose]();
      throw new MeshError(Code.BadInput, `Cannot enrol pod: the namespace behind "${path}" belongs to ${owner}`);
    }
    this.#namespace.hold(opened, null);
    this.#enrolledOnce = false;
    this.#observe({ ...nothingObserved, netnsPath: path });
  }

  #apply(): void {
    const options = this.#options;
    this.#namespace.plan(options);
    this.#observe({ rules: "unsure" });
    this.#namespace.apply(options);
    this.#observe({
      rules: JSON.stringify(options),
      conditions: { ...this.#observed.conditions, rulesVerified: false },
    });
  }

  /** The rules are read back while the proxy makes its listeners. */
  async #tell(): Promise<void> {
    const netns = this.#namespace.opened();
    const answer = this.#world.add(this.#pod, this.#world.kernel.duplicate(netns));
    const conditions: Conditions = {
      ...noConditions,
      rulesVerified: this.#namespace.drift(this.#options).length === 0,
    };
    const { result, why } = await answer;
    if (this.#namespace.netns !== netns) return;
    if (result === "done") return this.#observe({ told: "yes", conditions });
    throw new NotYet(result === "refused" ? `ztunnel: ${why}` : why);
  }

  async #verify(): Promise<void> {
    const netns = this.#namespace.opened();
    const identity = this.#world.identity(this.#pod, VERIFY_DEADLINE_MS, this.#world.signal);
    const before = this.#observed.conditions;
    const drift = before.rulesVerified ? [] : this.#namespace.drift(this.#options);
    const silent = this.#world.kernel.silentPorts(netns);
    const noIdentity = await identity;
    if (this.#namespace.netns !== netns) return;
    const conditions: Conditions = {
      rulesVerified: drift.length === 0,
      listenersAnswer: silent.length === 0,
      identityIssued: noIdentity === null,
    };
    this.#observe({ conditions });
    if (drift.length > 0) this.#observe({ rules: null });
    if (drift.length > 0) throw new MeshError(Code.Unavailable, `The rules read back differ: ${drift[0]}`);
    if (silent.length > 0) throw new NotYet(`the proxy does not listen on ${silent.join(", ")}`);
    if (noIdentity !== null) throw new NotYet(noIdentity);
  }

  #remove(): void {
    this.#namespace.remove(this.#options);
    this.#enrolledOnce = false;
    this.#observe({ rules: null, conditions: noConditions });
  }

  async #untell(): Promise<void> {
    await this.#world.del(this.uid);
    this.#observe({ told: "no" });
  }

  #forget(): void {
    this.close();
    this.#gone = true;
    this.#world.log.info("pod left the mesh", { uid: this.uid, pod: this.#label });
    this.#world.forgotten(this);
  }
}
