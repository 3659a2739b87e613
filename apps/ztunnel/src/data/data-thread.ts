import type { DataPath } from "@lateen/datapath";
import { PolicyStore, decide } from "@lateen/policy";
import { type Logging, createLogging } from "@lateen/telemetry";
import { type Workload, WorkloadStore, buildBaggage } from "@lateen/workload-model";
import type {
  CredentialsPem,
  FromThread,
  Load,
  OwnListeners,
  PodListener,
  ThreadStart,
  ToThread,
  Yields,
} from "../messages.ts";
import type { StateFormat } from "../handover/state-format.ts";
import { CredentialCache } from "./credential-cache.ts";
import { guardedDataPath } from "./guarded-data-path.ts";
import { LineBatch } from "./line-batch.ts";
import { LineBudget } from "./line-budget.ts";
import { LiveConnections } from "./live-connections.ts";
import { LoadMeter } from "./load-meter.ts";
import { Rehearsal } from "./moving/rehearsal.ts";
import { type MovesWorld, ThreadMoves } from "./moving/thread-moves.ts";
import { PodProxy } from "./pod-proxy.ts";
import type { ThreadContext } from "./thread-context.ts";
import { Traffic } from "./traffic.ts";

/** What a data thread is given by the world. */
export interface ThreadWorld {
  readonly path: DataPath;
  readonly random: () => number;
  readonly randomHex: (bytes: number) => string;
  readonly nowMicros: () => number;
  readonly post: (message: FromThread) => void;
  /** The machine's monotonic clock in milliseconds, the same in every process. */
  readonly clockMs: () => number;
  readonly closeFd: (fd: number) => void;
  readonly duplicateFd: (fd: number) => number;
  /** CPU time of this thread so far. */
  readonly cpuMs: () => number;
  /** How long it has had work and no processor so far. */
  readonly waitedMs: () => number;
  /** Bytes that it has received so far. */
  readonly receivedBytes: () => number;
  /** Gives back memory that is only kept in case. */
  readonly rest: () => void;
  /** Watches a descriptor in the path's own loop; null where it has none. */
  readonly watch: MovesWorld["watch"];
  readonly stateFormat: StateFormat;
}

/** Workloads are replaced when they change, so that what was built of one is good for as long as it is there. */
function rememberedBaggage(): (workload: Workload) => string {
  const known = new WeakMap<Workload, string>();
  return (workload) => {
    const before = known.get(workload);
    if (before !== undefined) return before;
    const built = buildBaggage(workload);
    known.set(workload, built);
    return built;
  };
}

/** Keepalive, idle tunnels and budgets are looked at this often. */
const TICK_MS = 1_000;
/** A thread with load looks whether it is over so often: one that joined the others for a burst is to leave soon after it. */
const LOOK_MS = 250;
/** How often a draining thread looks whether its connections are over. */
const DRAIN_POLL_MS = 50;

/** A data thread: a snapshot of the model, the pods of this node, and what they carry. Runs on messages alone. */
export class DataThread {
  readonly #world: ThreadWorld;
  readonly #logging: Logging;
  readonly #batch: LineBatch;
  readonly #lines: LineBudget;
  readonly #context: ThreadContext;
  readonly #pods = new Map<string, PodProxy>();
  readonly #moves: ThreadMoves;
  /** Null where nobody could help. */
  readonly #meter: LoadMeter | null;
  /** It will be looked at before the next tick. */
  #looksAgain = false;
  #yields: Yields = "nothing";

  constructor(world: ThreadWorld, start: ThreadStart) {
    const { config } = start;
    this.#world = world;
    this.#batch = new LineBatch(world);
    this.#lines = new LineBudget((line) => this.#batch.add(line));
    this.#logging = createLogging({
      write: (line) => this.#lines.write(line),
      nowMicros: world.nowMicros,
      format: start.logFormat,
      levels: start.levels,
    });
    const path = guardedDataPath(world.path, (fault) => this.fault(fault));
    this.#context = {
      path,
      config,
      workloads: new WorkloadStore(config.node || null),
      policies: new PolicyStore(),
      credentials: new CredentialCache(path, (identity) => world.post({ t: "want-identity", identity })),
      connections: new LiveConnections(),
      traffic: new Traffic(),
      access: this.#logging.logger("access"),
      log: this.#logging.logger("proxy"),
      accepted: () => this.#tellLoad(this.#meter?.accepted() ?? null),
      fault: (fault) => this.fault(fault),
      random: world.random,
      randomHex: world.randomHex,
      baggage: rememberedBaggage(),
    };
    this.#moves = new ThreadMoves(this.#movesWorld(this.#pods, world.post));
    const { connections } = this.#context;
    this.#meter = start.tellsLoad
      ? new LoadMeter({
          cpuMs: world.cpuMs,
          waitedMs: world.waitedMs,
          bytes: world.receivedBytes,
          nowMs: () => path.nowMs(),
          connections: () => connections.size,
        })
      : null;
    this.#tick();
  }

  #tellLoad(load: Load | null): void {
    if (load !== null) this.#world.post({ t: "load", load });
    const meter = this.#meter;
    if (meter === null || meter.load === "easy" || this.#looksAgain) return;
    this.#looksAgain = true;
    this.#world.path.after(LOOK_MS, () => {
      this.#looksAgain = false;
      this.#tellLoad(meter.ticked());
    });
  }

  receive(message: ToThread): void {
    switch (message.t) {
      case "addresses":
        this.#context.workloads.apply(message.update);
        for (const pod of this.#pods.values()) pod.context.workloadsChanged();
        return this.#judgeAgain();
      case "authorizations":
        for (const key of message.removed) this.#context.policies.remove(key);
        for (const policy of message.upserted) this.#context.policies.upsert(policy);
        return this.#judgeAgain();
      case "identity":
        return this.#context.credentials.set(message.identity, message.state);
      case "start-pod":
        return this.#startPod(message);
      case "accept":
        return this.#share(message.pods);
      case "accept-no-more":
        for (const pod of this.#pods.values()) pod.shareNoMore();
        return;
      case "yield":
        this.#yields = message.what;
        for (const pod of this.#pods.values()) pod.yield(this.#yields);
        return;
      case "list-listeners": {
        const pods = Array.from(this.#pods, ([uid, pod]) => ({
          uid,
          netns: pod.context.netns,
          listeners: this.#duplicates(pod.listeners()),
        }));
        return this.#world.post({ t: "listeners", id: message.id, pods });
      }
      case "lend-listeners":
        return this.#pods.get(message.uid)?.lend();
      case "take-back-listeners":
        for (const pod of this.#pods.values()) pod.takeBack();
        return;
      case "rehearse":
        return this.#rehearse(message.credentials);
      case "give":
      case "stop-giving":
      case "take":
        return this.#moves.receive(message);
      case "stop-pod":
        if (this.#pods.get(message.uid)?.context.netns === message.netns) this.#stopPod(message.uid);
        return this.#world.post({ t: "pod-stopped", id: message.id });
      case "levels":
        return this.#logging.levels.set(message.levels, message.mode);
      case "report":
        return this.#world.post({ t: "report", id: message.id, report: this.#report() });
      case "drain":
        return this.#drain(message.graceMs);
      case "rest":
        return this.#world.rest();
    }
  }

  /** A pod that was stopped meanwhile, or started again, has no use for them. */
  #share(pods: readonly OwnListeners[]): void {
    const { closeFd } = this.#world;
    for (const { uid, netns, listeners } of pods) {
      const pod = this.#pods.get(uid);
      if (pod?.context.netns === netns) pod.share(listeners, closeFd);
      else for (const { fd } of listeners) closeFd(fd);
    }
  }

  #movesWorld(pods: MovesWorld["pods"], post: MovesWorld["post"]): MovesWorld {
    const { clockMs, closeFd, duplicateFd, watch, stateFormat: format } = this.#world;
    return { path: this.#context.path, watch, pods, format, post, clockMs, closeFd, duplicateFd };
  }

  #rehearse(credentials: CredentialsPem): void {
    const { path, config } = this.#context;
    const done = (problem: string | null): void => this.#world.post({ t: "rehearsed", problem });
    new Rehearsal({ path, config, moves: (pods, post) => new ThreadMoves(this.#movesWorld(pods, post)) }, done).begin(
      credentials,
    );
  }

  /** For whoever is sent them: ours may be closed before they arrive. */
  #duplicates(listeners: readonly PodListener[]): readonly PodListener[] {
    return listeners.map((l) => ({ ...l, fd: this.#world.duplicateFd(l.fd) }));
  }

  #startPod({ pod, netns, id, listeners }: Extract<ToThread, { t: "start-pod" }>): void {
    let error: string | null = null;
    try {
      this.#stopPod(pod.uid);
      const proxy = new PodProxy(this.#context, pod, netns, listeners);
      proxy.yield(this.#yields);
      this.#pods.set(pod.uid, proxy);
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
    }
    this.#world.post({ t: "pod-started", id, error });
  }

  #stopPod(uid: string): void {
    const pod = this.#pods.get(uid);
    this.#pods.delete(uid);
    pod?.stop();
  }

  /**
   * Judges every carried connection again and ends those that are now refused (dataplane 6.7). With the workload as it is now,
   * so that a newly attached policy reaches connections that are older.
   */
  #judgeAgain(): void {
    for (const pod of this.#pods.values()) {
      const own = pod.context.workload();
      if (own === null) continue;
      const policies = this.#context.policies.applicable(own);
      for (const connection of this.#context.connections.of(pod.context.info.uid))
        if (connection.judged !== null && !decide(policies, connection.judged).allow)
          connection.close({ flag: "DENY", error: "connection closed due to policy change", refusedBy: null });
    }
  }

  #report(): Extract<FromThread, { t: "report" }>["report"] {
    return {
      connections: this.#context.connections.all().map((connection) => connection.view),
      traffic: this.#context.traffic.families(),
    };
  }

  /** A bug of ours that cost one connection: said with its stack, so that it can be found. */
  fault(fault: unknown): void {
    const error = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    this.#logging.logger("proxy").error("connection ended by a fault of the proxy", { error });
  }

  #tick(): void {
    const dropped = this.#lines.tick();
    if (dropped > 0) this.#logging.logger("proxy").warn("log lines dropped", { lines: dropped });
    this.#tellLoad(this.#meter?.ticked() ?? null);
    const nowMs = this.#world.path.nowMs();
    for (const pod of this.#pods.values()) pod.tunnels.tick(nowMs);
    this.#world.path.after(TICK_MS, () => this.#tick());
  }

  #drain(graceMs: number): void {
    for (const pod of this.#pods.values()) pod.drain();
    const deadlineMs = this.#world.path.nowMs() + graceMs;
    const look = (): void => {
      const over = this.#context.connections.all().length === 0;
      if (!over && this.#world.path.nowMs() < deadlineMs) {
        this.#world.path.after(DRAIN_POLL_MS, look);
        return;
      }
      for (const uid of [...this.#pods.keys()]) this.#stopPod(uid);
      this.#batch.flush();
      this.#world.post({ t: "drained" });
    };
    look();
  }
}
