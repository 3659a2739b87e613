import { closeSync } from "node:fs";
import { formatIdentity } from "@lateen/identity";
import { createBackoff, createReadiness, createScope } from "@lateen/lifecycle";
import { connectSeqpacket, netnsId } from "@lateen/linux";
import { type Levels, type Logging, createRegistry } from "@lateen/telemetry";
import { createNode, structFromJson, type Node } from "@lateen/xds-types";
import type { Config } from "./config.ts";
import { configDump } from "./control/config-dump.ts";
import { DataThreads } from "./control/data-threads.ts";
import { serveHttp } from "./control/http-servers.ts";
import { Identities } from "./control/identities.ts";
import { ModelFeed } from "./control/model-feed.ts";
import { PodManager } from "./control/pod-manager.ts";
import { adminRoutes, metricsRoutes, readinessRoutes } from "./control/routes.ts";
import { XdsClient } from "./control/xds-client.ts";

export interface Surroundings {
  readonly logging: Logging;
  readonly levels: Levels;
  /** Writes one finished line of the log. */
  readonly writeLine: (line: string) => void;
  readonly threads: number;
  readonly version: string;
}

/** A running node proxy. */
export interface Ztunnel extends AsyncDisposable {
  /** Settles when something ends the proxy from inside: a quit request, or a fault with its text. */
  readonly ended: Promise<{ readonly fault: string | null }>;
  /** Accepts nothing new, lets connections finish until the drain period is over, then ends them. */
  drain(): Promise<void>;
}

function xdsNode({ env }: Config): Node {
  const { INSTANCE_IP: ip, POD_NAME: name, POD_NAMESPACE: namespace } = env;
  return createNode({
    id: `ztunnel~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: structFromJson({
      NAME: name,
      NAMESPACE: namespace,
      INSTANCE_IPS: ip,
      NODE_NAME: env.NODE_NAME,
      CLUSTER_ID: env.CLUSTER_ID,
    }),
  });
}

/** Pauses between attempts to reach the CNI agent (dataplane 3.3). */
const agentBackoff = (): ReturnType<typeof createBackoff> =>
  createBackoff({ baseMs: 10, maxMs: 15_000, factor: 2, jitter: 0.2, random: Math.random });

/**
 * Starts the proxy (dataplane 4.1). The CNI agent is contacted only once the control plane has delivered both types, so that no
 * pod is served from an empty model.
 * @throws MeshError when an address cannot be bound
 */
export async function startZtunnel(config: Config, s: Surroundings): Promise<Ztunnel> {
  await using scope = createScope();
  const log = s.logging.logger("ztunnel");
  const { env } = config;
  const stopping = new AbortController();
  scope.defer(() => stopping.abort());
  const { promise: ended, resolve: end } = Promise.withResolvers<{ readonly fault: string | null }>();
  const readiness = createReadiness((pending) =>
    log.info(pending.length === 0 ? "ready" : "not ready", { pending: pending.join(", ") || null }),
  );
  const synced = readiness.block("state manager");
  let podsBlock: Disposable | null = readiness.block("workload proxy manager");

  const threads = scope.own(
    new DataThreads(
      s.threads,
      { config: config.data, logFormat: env.LOG_FORMAT === "json" ? "json" : "text", levels: s.levels },
      {
        wantIdentity: (identity) => identities.pods.want(identity, "realtime"),
        log: s.writeLine,
        died: (why) => end({ fault: why }),
      },
    ),
  );
  const identities = scope.own(new Identities(config, threads, s.logging.logger("identity")));
  const model = new ModelFeed(env.NODE_NAME, threads, (change) => identities.follow(change));
  const registry = createRegistry();
  registry
    .gauge({ name: "istio_build", help: "Build of this component", labels: ["component", "tag"] })
    .with({ component: "ztunnel", tag: s.version })
    .set(1);
  const terminations = registry.counter({
    name: "istio_xds_connection_terminations",
    help: "Ended streams to the control plane",
    labels: ["reason"],
  });
  const active = registry
    .gauge({ name: "workload_manager_active_proxy_count", help: "Pods with a running proxy" })
    .with({});
  const pending = registry
    .gauge({ name: "workload_manager_pending_proxy_count", help: "Pods whose proxy cannot start yet" })
    .with({});

  const pods = new PodManager(
    {
      connect: async () => connectSeqpacket(env.INPOD_UDS),
      netnsId,
      closeFd: closeSync,
      start: ({ uid, info, netns }) => threads.startPod({ t: "start-pod", pod: { uid, ...info }, netns: netns.fd }),
      stop: ({ uid }) => threads.send({ t: "stop-pod", uid }),
      fatal: (why) => end({ fault: `the CNI agent does not speak our protocol: ${why}` }),
      log: s.logging.logger("inpod"),
    },
    () => {
      active.set(pods.state.running.size);
      pending.set(pods.state.pending.size);
      if (pods.ready) {
        podsBlock?.[Symbol.dispose]();
        podsBlock = null;
      } else podsBlock ??= readiness.block("workload proxy manager");
    },
  );
  const xds = scope.own(
    new XdsClient(
      xdsNode(config),
      {
        address: env.XDS_ADDRESS,
        rootCaFile: env.XDS_ROOT_CA,
        tokenFile: env.AUTH_TOKEN,
        clusterId: env.CLUSTER_ID,
        alternativeHostname: env.ALT_XDS_HOSTNAME ?? null,
        clientCertificate: () => identities.currentCertificate(),
      },
      {
        addresses: (update) => model.addresses(update),
        authorizations: (upserted, removed) => model.authorizations(upserted, removed),
        ready: () => {
          synced[Symbol.dispose]();
          void pods.run(stopping.signal, agentBackoff());
        },
        terminated: (reason) => terminations.with({ reason }).inc(),
      },
      s.logging.logger("xds"),
    ),
  );

  scope.own(await serveHttp(env.READINESS_ADDRESS, readinessRoutes(readiness)));
  scope.own(
    await serveHttp(
      env.ADMIN_ADDRESS,
      adminRoutes({
        dump: async () =>
          configDump({
            config,
            version: s.version,
            model,
            pods: pods.state,
            certificates: identities.pods.dump(),
            reports: await threads.report(),
          }),
        pod: (uid) => podState(uid, pods, model, identities),
        levels: s.logging.levels,
        setLevels: (levels, mode) => {
          s.logging.levels.set(levels, mode);
          threads.send({ t: "levels", levels, mode });
        },
        quit: () => end({ fault: null }),
      }),
    ),
  );
  scope.own(
    await serveHttp(
      env.STATS_ADDRESS,
      metricsRoutes(async () => [registry.families(), ...(await threads.report()).map((report) => report.traffic)]),
    ),
  );
  // A certificate of our own first, so that the stream is mutual TLS from the start; without one the token speaks for us.
  void identities.ownCertificate(stopping.signal).then(
    () => xds.start(),
    () => undefined,
  );
  log.info("started", { threads: s.threads, node: env.NODE_NAME, version: s.version });
  const owned = scope.move();
  return {
    ended,
    async drain() {
      stopping.abort();
      await threads.drain(config.drainMs);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** What the CNI agent asks before it calls a pod enrolled. */
function podState(
  uid: string,
  pods: PodManager,
  model: ModelFeed,
  identities: Identities,
): { readonly state: string; readonly identity: string } | null {
  const running = pods.state.running.get(uid);
  const info = (running ?? pods.state.pending.get(uid) ?? pods.state.starting.get(uid)?.pod)?.info;
  if (info === undefined) return null;
  const own = model.workloads.localWorkload(info);
  const id = own === null ? null : formatIdentity(own.identity);
  if (id !== null) identities.pods.want(id, "warmup");
  const certificate = id === null ? null : identities.pods.get(id);
  const identity =
    certificate === null
      ? "Unknown"
      : certificate.t === "available"
        ? "Available"
        : certificate.t === "unavailable"
          ? `Unavailable: ${certificate.why}`
          : "Initializing";
  return { state: running === undefined ? "Pending" : "Up", identity };
}
