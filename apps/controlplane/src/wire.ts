import { createHash } from "node:crypto";
import { type Reply, serveHttp } from "@lateen/admin-http";
import {
  type Authentication,
  type Caller,
  type ClusterNames,
  type Proof,
  authenticateCaller,
  caService,
} from "@lateen/ca";
import { Code, MeshError, type Result, ok } from "@lateen/errors";
import { type Readiness, createReadiness, createScope, systemClock } from "@lateen/lifecycle";
import { createOidcVerifier } from "@lateen/oidc-tokens";
import { type Logging, type Registry, createRegistry } from "@lateen/telemetry";
import { type ModelOptions, behaviourOf, modelOptions } from "@lateen/translation";
import { authorityTiming } from "./authority-limits.ts";
import type { Config } from "./config.ts";
import type { DebugSources } from "./debug/debug-pages.ts";
import { ResourceStore } from "./discovery/resource-store.ts";
import { folderWorld } from "./folder-world.ts";
import { clusterWorld } from "./kubernetes/cluster-world.ts";
import { keepAuthority } from "./keep-authority.ts";
import { MeshFeed } from "./mesh-feed.ts";
import type { ObjectNews, ObjectSource } from "./object-source.ts";
import { podView } from "./pod-view.ts";
import { serveClients } from "./serve-clients.ts";
import { serverCredentials } from "./server-certificate.ts";
import type { OptionalClientCertificate } from "./server-credentials.ts";
import { createValidationMetrics } from "./webhook/validation-metrics.ts";
import { type WebhookServer, serveWebhook } from "./webhook/webhook-server.ts";
import { serveTrustBundle } from "./trust-bundle.ts";
import type { World } from "./world.ts";

export interface ControlPlane extends AsyncDisposable {
  /** Where discovery and the authority listen. */
  readonly port: number;
  readonly debugPort: number;
  readonly readyPort: number;
  /** Where the API server asks about objects; null without a cluster. */
  readonly webhookPort: number | null;
  /** What the debug pages are made of. */
  readonly debug: DebugSources;
}

const VERSION_LENGTH = 16;
const versionOf = (body: Uint8Array): string =>
  createHash("sha256").update(body).digest("hex").slice(0, VERSION_LENGTH);

/** Objects in, resources out; and what is written of them. */
async function follow(world: World, feed: MeshFeed, signal: AbortSignal): Promise<AsyncDisposable> {
  await using scope = createScope();
  let locate: ObjectSource["locate"] = () => null;
  let heard: (news: ObjectNews) => void = () => undefined;
  const source = scope.own(
    await world.openSource((news) => {
      feed.take(news, (kind, key) => locate(kind, key));
      heard(news);
    }, signal),
  );
  locate = (kind, key) => source.locate(kind, key);
  const writers = scope.own(await world.startWriters(feed));
  heard = (news) => writers.heard(news);
  return scope.move();
}

/**
 * Starts the control plane: objects in, xDS and certificates out.
 * @param signal gives up a start that waits for its cluster
 * @throws MeshError when its source, the keys or an address cannot be used; the signal's reason
 */
export async function startControlPlane(
  config: Config,
  logging: Logging,
  signal: AbortSignal = new AbortController().signal,
): Promise<ControlPlane> {
  await using scope = createScope();
  const stop = new AbortController();
  scope.defer(() => stop.abort(new MeshError(Code.Draining, "The control plane is stopping")));
  scope.own(whenAborted(signal, () => stop.abort(signal.reason)));
  const registry = createRegistry();
  const readiness = createReadiness();
  const starting = readiness.block("starting");
  const ready = scope.own(await serveHttp(config.READINESS_ADDRESS, { "GET /ready": () => readinessReply(readiness) }));
  const world = scope.own(
    await (config.source === "kubernetes"
      ? clusterWorld(config, { logging, signal: stop.signal, registry })
      : folderWorld(config, logging)),
  );
  const { authority } = world;
  const verifyToken = tokenVerifier(world, config);
  const clusters: ClusterNames = { local: config.CLUSTER_ID, aliases: config.CLUSTER_ALIASES };
  const authenticate = (proof: Proof): Promise<Result<Caller>> =>
    authenticateCaller(proof, { trustDomain: world.trustDomain, verifyToken, clusters });
  const store = new ResourceStore(versionOf);
  scope.own(serveTrustBundle(authority, store));
  const feed = new MeshFeed(store, optionsOf(config), logging.logger("config"));
  scope.own(await follow(world, feed, stop.signal));
  const trustedNodeAccounts = config.CA_TRUSTED_NODE_ACCOUNTS;
  const log = logging.logger("ca");
  const ca = caService({
    ...{ authority, authenticate, clusters, trustedNodeAccounts, log, trustDomainAliases: world.trustDomainAliases },
    // Other clusters are not read.
    pods: () => podView(feed.pods, feed.podsByNode),
  });
  const own = await serverCredentials(authority, config, { signal: stop.signal, clock: systemClock, log });
  scope.own(keepAuthority(world, { ...authorityTiming(config), own, clock: systemClock, random: Math.random, log }));
  const webhook = await webhookOf(config, own.credentials, registry, logging);
  if (webhook !== null) scope.own(webhook);
  const services = [{ definition: ca.definition, handlers: ca.implementation }];
  const given = { config, world, feed, store, authenticate, credentials: own.credentials, services };
  const clients = scope.own(await serveClients(given, registry, logging));
  // Last: who finds it ready finds everything.
  starting[Symbol.dispose]();
  logging.logger("controlplane").info("started", { discovery: config.DISCOVERY_ADDRESS, source: config.source });
  const owned = scope.move();
  return {
    port: clients.port,
    debugPort: clients.debugPort,
    readyPort: ready.port,
    webhookPort: webhook?.port ?? null,
    debug: clients.debug,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** A folder is read by us alone, so nobody asks. */
async function webhookOf(
  config: Config,
  credentials: OptionalClientCertificate,
  registry: Registry,
  logging: Logging,
): Promise<WebhookServer | null> {
  if (config.source !== "kubernetes") return null;
  const metrics = createValidationMetrics(registry);
  return serveWebhook({ address: config.WEBHOOK_ADDRESS, credentials, metrics, log: logging.logger("validation") });
}

/**
 * Tokens of the world itself, then those of the issuer of JWT_RULE, when there is one (control-plane 1.3). In this order, for that
 * issuer may be the cluster's own, and only the cluster says which pod a token is bound to.
 */
function tokenVerifier(world: World, { JWT_RULE: rule }: Config): Authentication["verifyToken"] {
  if (rule === null) return world.verifyToken;
  const verifyOidc = createOidcVerifier(rule, { nowMs: Date.now });
  return async (token) => {
    const ours = await world.verifyToken(token);
    if (ours.ok) return ours;
    const theirs = await verifyOidc(token);
    if (theirs.ok) return ok({ ...theirs.value, pod: null, node: null });
    return ours.error.code === Code.Unavailable ? ours : theirs;
  };
}

function whenAborted(signal: AbortSignal, run: () => void): Disposable {
  if (signal.aborted) run();
  signal.addEventListener("abort", run, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", run) };
}

function readinessReply(readiness: Readiness): Reply {
  if (readiness.isReady) return { status: 200, body: "ready\n" };
  return { status: 503, body: `waiting for: ${readiness.pending().join(", ")}\n` };
}

/** @throws MeshError BAD_INPUT when the compatibility version is unknown */
function optionsOf(config: Config): ModelOptions {
  const behaviour = behaviourOf(config.COMPATIBILITY_VERSION);
  if (!behaviour.ok) throw behaviour.error;
  return modelOptions({
    clusterId: config.CLUSTER_ID,
    trustDomain: config.TRUST_DOMAIN,
    domain: config.CLUSTER_DOMAIN,
    rootNamespace: config.ROOT_NAMESPACE,
    systemNamespace: config.POD_NAMESPACE,
    network: config.NETWORK,
    revisions: [config.REVISION],
    behaviour: behaviour.value,
    dryRun: config.AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY,
    httpOnlyDeny: config.LATEEN_HTTP_ONLY_DENY,
    autoAllowWaypoint: config.PILOT_AUTO_ALLOW_WAYPOINT_POLICY,
    servicesSelectEntries: config.PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES,
    entriesSelectPods: config.PILOT_ENABLE_SERVICEENTRY_SELECT_PODS,
    ingressWaypoint: config.ENABLE_INGRESS_WAYPOINT_ROUTING,
  });
}
