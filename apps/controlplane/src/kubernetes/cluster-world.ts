import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { type Authority, openAuthority } from "@lateen/ca";
import { Code, MeshError } from "@lateen/errors";
import {
  type ApiClient,
  type ClusterAccess,
  type KubeMetrics,
  createApiClient,
  createKubeMetrics,
  createTokenReviewer,
  kubeconfigAccess,
  podAccess,
} from "@lateen/kube";
import { createBackoff, retry } from "@lateen/lifecycle";
import type { Logger, Logging, Registry } from "@lateen/telemetry";
import { FOLLOWED_KINDS } from "@lateen/translation";
import { authorityLimits } from "../authority-limits.ts";
import type { Config } from "../config.ts";
import type { RotationWorld } from "../rotation/rotation-keeper.ts";
import type { World } from "../world.ts";
import { type KubeSource, kubeSource } from "./kube-source.ts";
import { followMeshSettings, settingsOf } from "./mesh-settings.ts";
import { followTags } from "./revision-tags.ts";
import { rotationReports } from "./rotation-reports.ts";
import { SecretStore } from "./secret-store.ts";
import { watchSecrets } from "./watch-secrets.ts";
import { type Writers, type WritersOptions, startWriters } from "./writers.ts";

/**
 * A mesh on a cluster: its API server for objects and tokens, Secrets for keys; conditions, roots and bundles are written back.
 * Waits for an API server that is away.
 * @throws MeshError BAD_INPUT when there is no access to a cluster, or its Secrets hold what cannot be used; the signal's reason
 */
export async function clusterWorld(
  config: Config,
  o: { readonly logging: Logging; readonly signal: AbortSignal; readonly registry: Registry },
): Promise<World> {
  const { logging, signal } = o;
  const access = await accessOf(config);
  const client = createApiClient(access, { userAgent: "lateen-controlplane" });
  signal.addEventListener("abort", () => client[Symbol.dispose](), { once: true });
  const log = logging.logger("kube");
  const metrics = createKubeMetrics(o.registry);
  try {
    let source: KubeSource | null = null;
    let writers: Writers | null = null;
    const own = { client, log, metrics, namespace: config.POD_NAMESPACE, revision: config.REVISION };
    const mesh = followMeshSettings({ ...own, onChange: (settings) => source?.meshChanged(settings) });
    const tags = followTags({ ...own, onChange: (names) => source?.tagsChanged(names) });
    for (const followed of [mesh, tags])
      signal.addEventListener("abort", () => followed[Symbol.dispose](), { once: true });
    await Promise.all([mesh.synced({ signal }), tags.synced({ signal })]);
    const settings = settingsOf(mesh);
    const trustDomain = settings?.config.trustDomain ?? config.TRUST_DOMAIN;
    const authority = await clusterAuthority(config, { client, trustDomain, logging, signal });
    const rotation = rotationWorld(config, {
      client,
      signal,
      log,
      metrics,
      leads: () => writers?.election.leads ?? false,
    });
    return {
      authority,
      rotation,
      watchKeys: (changed) => watchSecrets({ client, namespace: config.POD_NAMESPACE, changed, log, metrics }),
      publishRoots() {
        writers?.rootsChanged();
        return Promise.resolve();
      },
      trustDomain,
      trustDomainAliases: settings?.config.trustDomainAliases ?? [],
      verifyToken: createTokenReviewer({
        client,
        audiences: config.TOKEN_AUDIENCES,
        nowMs: Date.now,
        digest: (token) => createHash("sha256").update(token).digest("base64"),
      }),
      async openSource(onNews, stop) {
        const onPending = (kinds: readonly string[]): void => log.debug("waiting", { kinds: kinds.join(" ") });
        const follow = { client, kinds: FOLLOWED_KINDS, log, metrics };
        source = await kubeSource({
          ...follow,
          onNews,
          signal: stop,
          mesh: settingsOf(mesh),
          tags: tags.names(),
          unreadable: config.LATEEN_UNREADABLE_POLICY,
          onPending,
        });
        return source;
      },
      async startWriters(feed) {
        if (source === null) throw new MeshError(Code.Bug, "Cannot write: nothing is followed yet");
        const from = { client, source, feed, logging, metrics };
        const now = { rootsPem: () => authority.rootsPem, mesh: () => settingsOf(mesh) };
        writers = await startWriters({ ...writerOptions(config), ...from, ...now });
        return writers;
      },
      describe: () => describe(client, source, writers),
      [Symbol.asyncDispose]() {
        rotation[Symbol.dispose]();
        mesh[Symbol.dispose]();
        tags[Symbol.dispose]();
        client[Symbol.dispose]();
        return Promise.resolve();
      },
    };
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

/** How this replica takes part in a rotation of the root. */
function rotationWorld(
  config: Config,
  o: {
    readonly client: ApiClient;
    readonly signal: AbortSignal;
    readonly log: Logger;
    readonly metrics: KubeMetrics;
    readonly leads: () => boolean;
  },
): RotationWorld & Disposable {
  const { identity } = writerOptions(config);
  const reports = rotationReports({ ...o, namespace: config.POD_NAMESPACE, identity });
  o.signal.addEventListener("abort", () => reports[Symbol.dispose](), { once: true });
  return { ...reports, leads: o.leads, settleMs: config.LATEEN_CA_ROTATION_SETTLE };
}

const writerOptions = (
  config: Config,
): Pick<
  WritersOptions,
  "namespace" | "revision" | "identity" | "services" | "validating" | "gateways" | "addressPools" | "timing"
> => ({
  namespace: config.POD_NAMESPACE,
  revision: config.REVISION,
  identity: config.POD_NAME === "" ? hostname() : config.POD_NAME,
  services: ["istiod", "lateen-controlplane", ...(config.REVISION === "default" ? [] : [`istiod-${config.REVISION}`])],
  validating: config.VALIDATION_WEBHOOK_CONFIG_NAME !== "",
  gateways: {
    deploys: config.PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER,
    makesClasses: config.PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER,
    tellsStatus: config.PILOT_ENABLE_GATEWAY_API_STATUS,
    controllerName: config.PILOT_GATEWAY_API_CONTROLLER_NAME,
    defaultClass: config.PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME,
    multiNetwork: config.AMBIENT_ENABLE_MULTI_NETWORK,
    copyMetadata: config.PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS,
    image: config.LATEEN_WAYPOINT_IMAGE,
    clusterId: config.CLUSTER_ID,
    trustDomain: config.TRUST_DOMAIN,
    domain: config.CLUSTER_DOMAIN,
  },
  addressPools: config.PILOT_ENABLE_IP_AUTOALLOCATE
    ? [config.PILOT_IP_AUTOALLOCATE_IPV4_PREFIX, config.PILOT_IP_AUTOALLOCATE_IPV6_PREFIX]
    : [],
  timing: { leaseMs: config.LEADER_LEASE, renewDeadlineMs: config.LEADER_LEASE / 2, retryMs: config.LEADER_LEASE / 4 },
});

function describe(client: ApiClient, source: KubeSource | null, writers: Writers | null): unknown {
  const kinds = FOLLOWED_KINDS.map((kind) => [kind, source?.follower.of(kind).describe() ?? null]);
  const leader = writers === null ? null : { leads: writers.election.leads, holder: writers.election.holder };
  return { source: "kubernetes", server: client.server, kinds: Object.fromEntries(kinds) as unknown, leader };
}

async function accessOf(config: Config): Promise<ClusterAccess> {
  if (config.KUBECONFIG !== "") return kubeconfigAccess(config.KUBECONFIG, config.KUBE_CONTEXT);
  const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = config;
  const access = await podAccess(
    { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT },
    { nowMs: () => performance.now() },
  );
  if (access !== null) return access;
  throw new MeshError(
    Code.BadInput,
    "Cannot reach a cluster: this is no pod with a service account, and KUBECONFIG is empty",
  );
}

/** Replicas may start together: whoever is second with the Secret takes what the first wrote. */
async function clusterAuthority(
  config: Config,
  o: {
    readonly client: ApiClient;
    readonly trustDomain: string;
    readonly logging: Logging;
    readonly signal: AbortSignal;
  },
): Promise<Authority> {
  const log = o.logging.logger("ca");
  const open = (): Promise<Authority> =>
    openAuthority({
      keys: () => SecretStore.open(o.client, config.POD_NAMESPACE),
      trustDomain: o.trustDomain,
      ...authorityLimits(config),
    });
  const authority = await retry(open, {
    backoff: createBackoff({ baseMs: 200, maxMs: 10_000, random: Math.random }),
    signal: o.signal,
    isFinal: (error) => !MeshError.is(error, Code.Unavailable) && !MeshError.is(error, Code.Timeout),
    onRetry: (error, pauseMs) =>
      log.warn("cannot open the authority yet", { error: String(error), pauseMs: Math.round(pauseMs) }),
  });
  for (const problem of authority.problems) log.warn(problem);
  return authority;
}
