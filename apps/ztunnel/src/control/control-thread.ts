import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import process from "node:process";
import { formatIdentity } from "@lateen/identity";
import { createBackoff, createReadiness } from "@lateen/lifecycle";
import { connectSeqpacket, netnsId } from "@lateen/linux";
import type { ProxiedPod } from "@lateen/zds";
import { CAPABILITIES_KEY, Capability } from "@lateen/xds";
import { type Levels, type Logging, mergeFamilies } from "@lateen/telemetry";
import { type Node, createNode, structFromJson } from "@lateen/xds-types";
import type { Config } from "../config.ts";
import type { StaticMesh } from "../static-config.ts";
import type { WriteLines } from "../line-writer.ts";
import { dataPathDriver } from "../data-path-driver.ts";
import { configDump } from "./config-dump.ts";
import { DataThreads, type ThreadDeath } from "./data-threads.ts";
import type { StateFormat } from "../handover/state-format.ts";
import { HandOver } from "./hand-over.ts";
import { Identities } from "./identities.ts";
import { ModelFeed } from "./model-feed.ts";
import { ownMetrics } from "./own-metrics.ts";
import { PodManager } from "./pod-manager.ts";
import type { AdminSources } from "./routes.ts";
import { XdsClient } from "./xds-client.ts";

export interface ControlOptions {
  readonly config: Config;
  readonly logging: Logging;
  readonly levels: Levels;
  /** Writes finished lines of the log. */
  readonly writeLine: WriteLines;
  readonly threads: number;
  readonly version: string;
  /** Workloads, services and policies that no control plane delivers, null for none. */
  readonly staticMesh: StaticMesh | null;
  /** Opens what this process listens on, once a predecessor has let go of it, or closes it for a successor. */
  readonly processListeners: (mode: "open" | "close") => void;
  /** Formats of handed-over states, and the module that the data threads have them from; null for this program's own. */
  readonly stateFormat: StateFormat;
  readonly stateFormatModule: string | null;
  /** Something ends the proxy from inside: a request (null), or a fault. Called at most once per cause. */
  readonly onEnd: (fault: string | null) => void;
  /** Is to end the process at once, without draining. */
  readonly onThreadDeath: ThreadDeath;
}

/** What the CNI agent asks before it calls a pod enrolled. */
export interface PodState {
  readonly state: "Up" | "Pending";
  /** `Available`, `Initializing`, `Unknown` (the control plane has not named the pod yet) or `Unavailable: why`. */
  readonly identity: string;
}

/** How long a pod's listeners stay with the predecessor while its certificate is fetched here. */
const CERTIFICATE_WAIT_MS = 2_000;
const TICKET_SECRET_BYTES = 32;

/** Pauses between attempts to reach the CNI agent (dataplane 3.3). */
const agentBackoff = (): ReturnType<typeof createBackoff> =>
  createBackoff({ baseMs: 10, maxMs: 15_000, factor: 2, jitter: 0.2, random: Math.random });

/** Everything that is not a byte of a connection: pods, model, certificates, metrics, and the data threads that use them. */
export class ControlThread implements AsyncDisposable {
  readonly metrics;
  readonly readiness;
  readonly #o: ControlOptions;
  readonly #stopping = new AbortController();
  readonly #threads: DataThreads;
  readonly #identities: Identities;
  readonly #model: ModelFeed;
  readonly #pods: PodManager;
  readonly #handOver: HandOver;
  /** Null: everything is in the static configuration. */
  readonly #xds: XdsClient | null;
  readonly #stateBlock: Disposable;
  #podsBlock: Disposable | null;
  /** Look again whether a pod is ready: after every change of pods, model or certificates. */
  readonly #podWaiters = new Set<() => void>();

  constructor(o: ControlOptions) {
    const log = o.logging.logger("ztunnel");
    this.#o = o;
    this.metrics = ownMetrics(o.version);
    this.readiness = createReadiness((pending) => log.debug("readiness", { pending: pending.join(", ") || null }));
    this.#podsBlock = this.readiness.block("workload proxy manager");
    this.#threads = this.#startThreads();
    this.#handOver = this.#openHandOver();
    this.#identities = new Identities(o.config, this.#threads, o.logging.logger("identity"), {
      changed: () => this.#lookAgain(),
      bundleSettled: () => this.#xds?.bundleSettled(),
    });
    this.#model = new ModelFeed(o.config.env.NODE_NAME, this.#threads, (change) => this.#identities.follow(change));
    this.#pods = this.#podManager();
    this.#stateBlock = this.readiness.block("state manager");
    this.#xds = o.config.upstream.xdsAddress === null ? null : this.#xdsClient(o.config.upstream.xdsAddress);
  }

  /** A certificate of our own first, so that the stream is mutual TLS from the start; without one the token speaks for us. */
  start(): void {
    const { config, version, logging, threads } = this.#o;
    logging.logger("ztunnel").info("started", { threads, node: config.env.NODE_NAME, version });
    this.#applyStaticMesh();
    const xds = this.#xds;
    if (xds === null) return this.#synced();
    this.#identities.ownCertificate(this.#stopping.signal).then(
      () => xds.start(),
      () => undefined,
    );
  }

  #applyStaticMesh(): void {
    const mesh = this.#o.staticMesh;
    if (mesh === null) return;
    this.#model.authorizations(mesh.policies, []);
    this.#model.addresses({ workloads: mesh.workloads, services: mesh.services, removed: [] });
    const [workloads, services, policies] = [mesh.workloads.length, mesh.services.length, mesh.policies.length];
    this.#o.logging.logger("ztunnel").info("static configuration applied", { workloads, services, policies });
  }

  /** The CNI agent is contacted only once the model is there: no pod is served from an empty one. */
  #synced(): void {
    this.#stateBlock[Symbol.dispose]();
    void this.#pods.run(this.#stopping.signal, agentBackoff());
  }

  /** Looks for a predecessor to take over from. @returns whether there is one */
  takeOver(): Promise<boolean> {
    return this.#handOver.connect(this.#stopping.signal);
  }

  #openHandOver(): HandOver {
    const { config, version, logging, processListeners, onEnd, stateFormat } = this.#o;
    return new HandOver({
      path: config.env.HANDOVER_UDS || null,
      program: `ztunnel ${version}`,
      threads: this.#threads,
      takes: dataPathDriver(config.env.LATEEN_DATA_PATH, process) === "fast",
      patienceMs: config.drainMs,
      log: logging.logger("handover"),
      processListeners,
      onDone: () => onEnd(null),
      format: stateFormat,
      families: async () => mergeFamilies(await this.families()),
    });
  }

  /** Starts a pod, with a predecessor's listeners where it has any. They are ours once a connection can be served at once. */
  async #startPod({ uid, info, netns }: ProxiedPod): Promise<string | null> {
    // Asked for while the pod starts.
    const own = this.#model.workloads.localWorkload(info);
    if (own !== null) this.#identities.pods.want(formatIdentity(own.identity), "warmup");
    const lent = await this.#handOver.listenersOf(uid);
    const error = await this.#threads.startPod({ uid, ...info }, netns.fd, lent);
    this.#handOver.served(uid, error, error === null ? this.#waitForPod(uid, CERTIFICATE_WAIT_MS) : Promise.resolve());
    return error;
  }

  /** Accepts nothing new, lets connections finish until the drain period is over, then ends them. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    await this.#threads.drain(this.#o.config.drainMs);
  }

  /** The process has come to rest: the data threads give back what they only keep in case. */
  restThreads(): void {
    this.#threads.send({ t: "rest" });
  }

  /** Metrics of this thread and of each data thread, and what the processes before this one have counted. */
  async families(): Promise<readonly ReturnType<typeof this.metrics.families>[]> {
    const inherited = await this.#handOver.inherited();
    return [this.metrics.families(), ...(await this.#threads.report()).map((report) => report.traffic), inherited];
  }

  get admin(): AdminSources {
    const { logging, onEnd } = this.#o;
    return {
      dump: () => this.#dump(),
      pod: (uid, waitMs) => this.#waitForPod(uid, waitMs),
      levels: logging.levels,
      setLevels: (levels, mode) => {
        logging.levels.set(levels, mode);
        this.#threads.send({ t: "levels", levels, mode });
      },
      quit: () => onEnd(null),
      takenOver: () => this.#handOver.summary,
      startProfiles: () => this.#threads.startProfiles(),
      stopProfiles: () => this.#threads.stopProfiles(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#handOver[Symbol.dispose]();
    this.#xds?.[Symbol.dispose]();
    this.#identities[Symbol.dispose]();
    await this.#threads[Symbol.asyncDispose]();
  }

  #startThreads(): DataThreads {
    const { config, threads, levels, writeLine, onThreadDeath, stateFormatModule } = this.#o;
    const logFormat = config.env.LOG_FORMAT === "json" ? "json" : "text";
    return new DataThreads(
      { count: threads, driver: dataPathDriver(config.env.LATEEN_DATA_PATH, process) },
      {
        config: config.data,
        logFormat,
        levels,
        stateFormatModule,
        ticketSecret: config.env.LATEEN_TLS_RESUMPTION ? randomBytes(TICKET_SECRET_BYTES) : null,
      },
      {
        wantIdentity: (identity) => this.#identities.pods.want(identity, "realtime"),
        log: (lines) => writeLine(lines.join("\n"), lines.length),
        died: onThreadDeath,
        moving: (index, message) => this.#handOver.moving(index, message),
      },
    );
  }

  #podManager(): PodManager {
    const { config, logging, onEnd } = this.#o;
    return new PodManager(
      {
        connect: async () => connectSeqpacket(config.env.INPOD_UDS),
        netnsId,
        closeFd: closeSync,
        start: (pod) => this.#startPod(pod),
        stop: ({ uid, netns }) => this.#threads.stopPod(uid, netns.fd),
        fatal: (why) => onEnd(`the CNI agent does not speak our protocol: ${why}`),
        log: logging.logger("inpod"),
      },
      () => this.#podsChanged(),
    );
  }

  #lookAgain(): void {
    for (const look of [...this.#podWaiters]) look();
  }

  #podsChanged(): void {
    this.#lookAgain();
    this.metrics.pods(this.#pods.state);
    if (!this.#pods.ready) this.#podsBlock ??= this.readiness.block("workload proxy manager");
    else {
      this.#podsBlock?.[Symbol.dispose]();
      this.#podsBlock = null;
      void this.#handOver.complete();
    }
  }

  #xdsClient(address: string): XdsClient {
    const { config, logging } = this.#o;
    const { env, upstream } = config;
    return new XdsClient(
      xdsNode(config),
      {
        address,
        rootCa: env.XDS_ROOT_CA,
        token: env.AUTH_TOKEN,
        clusterId: upstream.clusterId,
        headers: upstream.xdsHeaders,
        alternativeHostname: env.ALT_XDS_HOSTNAME ?? null,
        clientCertificate: () => this.#identities.currentCertificate(),
      },
      {
        addresses: (update) => {
          this.#model.addresses(update);
          this.#lookAgain();
        },
        authorizations: (upserted, removed) => this.#model.authorizations(upserted, removed),
        trustBundle: (roots) => this.#identities.trust(roots),
        ready: () => this.#synced(),
        terminated: (reason) => this.metrics.xdsEnded(reason),
      },
      logging.logger("xds"),
    );
  }

  async #dump(): Promise<unknown> {
    return configDump({
      config: this.#o.config,
      version: this.#o.version,
      staticMesh: this.#o.staticMesh,
      model: this.#model,
      pods: this.#pods.state,
      certificates: this.#identities.pods.dump(),
      trustBundle: this.#identities.dumpBundle(),
      ...(await this.#threads.overview()),
    });
  }

  /** The pod's state, at the latest after `waitMs`, earlier as soon as it is up with a certificate. */
  #waitForPod(uid: string, waitMs: number): Promise<PodState | null> {
    const { promise, resolve } = Promise.withResolvers<PodState | null>();
    const finish = (state: PodState | null): void => {
      clearTimeout(timer);
      this.#podWaiters.delete(look);
      resolve(state);
    };
    const look = (): void => {
      const state = this.#podState(uid);
      if (state?.state === "Up" && state.identity === "Available") finish(state);
    };
    const timer = setTimeout(() => finish(this.#podState(uid)), waitMs);
    this.#podWaiters.add(look);
    look();
    return promise;
  }

  #podState(uid: string): PodState | null {
    const { running, pending, starting } = this.#pods.state;
    const info = (running.get(uid) ?? pending.get(uid) ?? starting.get(uid)?.pod)?.info;
    if (info === undefined) return null;
    const state = running.has(uid) ? "Up" : "Pending";
    const own = this.#model.workloads.localWorkload(info);
    if (own === null) return { state, identity: "Unknown" };
    // Peers use HBONE only once the pod is called enrolled, so nobody else has asked for its certificate yet.
    const identity = formatIdentity(own.identity);
    this.#identities.pods.want(identity, "warmup");
    const certificate = this.#identities.pods.get(identity);
    if (certificate?.t === "available") return { state, identity: "Available" };
    return { state, identity: certificate?.t === "unavailable" ? `Unavailable: ${certificate.why}` : "Initializing" };
  }
}

/** @see dataplane 8.4 */
function xdsNode({ env, upstream }: Config): Node {
  const { INSTANCE_IP: ip, POD_NAME: name, POD_NAMESPACE: namespace, NODE_NAME } = env;
  const own = { NAME: name, NAMESPACE: namespace, INSTANCE_IPS: ip, NODE_NAME, CLUSTER_ID: upstream.clusterId };
  const metadata = { ...own, [CAPABILITIES_KEY]: Object.values(Capability).join(","), ...upstream.metadata };
  return createNode({
    id: `ztunnel~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: structFromJson(metadata),
  });
}
