import { availableParallelism, hostname } from "node:os";
import type { ServerCredentials, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { serveHttp } from "@lateen/admin-http";
import { createScope, systemClock } from "@lateen/lifecycle";
import type { Logging, Registry } from "@lateen/telemetry";
import type { Config } from "./config.ts";
import type { DebugRules } from "./debug/debug-access.ts";
import { debugOverXds } from "./debug/debug-over-xds.ts";
import type { DebugSources } from "./debug/debug-pages.ts";
import { debugRoutes } from "./debug/debug-routes.ts";
import { type ClientAccounts, authorizeClient } from "./discovery/authorization.ts";
import { type DiscoveryLimits, DiscoveryService } from "./discovery/discovery-service.ts";
import { type GrpcListener, createGrpcServer, listenGrpc } from "./discovery/grpc-server.ts";
import type { ResourceStore } from "./discovery/resource-store.ts";
import { ServedTypes } from "./discovery/served-types.ts";
import { createXdsMetrics } from "./discovery/xds-metrics.ts";
import type { MeshFeed } from "./mesh-feed.ts";
import { podsOfAccounts } from "./pod-view.ts";
import { RotationKeeper } from "./rotation/rotation-keeper.ts";
import { ownVersion, registerProcessMetrics } from "./process-metrics.ts";
import type { World } from "./world.ts";

export interface ServeClientsOptions {
  readonly config: Config;
  readonly world: World;
  readonly feed: MeshFeed;
  readonly store: ResourceStore;
  readonly authenticate: DebugRules["authenticate"];
  readonly credentials: ServerCredentials;
  /** Further services of the same port. */
  readonly services: readonly {
    readonly definition: ServiceDefinition;
    readonly handlers: UntypedServiceImplementation;
  }[];
}

export interface ServedClients extends AsyncDisposable {
  readonly port: number;
  readonly debugPort: number;
  readonly debug: DebugSources;
}

/** Connections at a time, and new ones of one address. */
const CONNECTIONS = { connections: 20_000, perSecond: 50, burst: 200 };

/**
 * Serves who follows the mesh, by gRPC, and who looks into it, by HTTP.
 * @throws MeshError when an address cannot be had
 */
export async function serveClients(
  o: ServeClientsOptions,
  registry: Registry,
  logging: Logging,
): Promise<ServedClients> {
  await using scope = createScope();
  const { config, world, feed, store, authenticate, credentials } = o;
  const log = logging.logger("discovery");
  const limits = discoveryLimits(config);
  const rules = debugRules(config, authenticate);
  let listener: GrpcListener | null = null;
  const discovery = new DiscoveryService({
    ...{ store, limits, authenticate, log, clock: systemClock, random: Math.random },
    types: new ServedTypes(store, feed.lookup),
    authorize: (caller, node) => authorizeClient(caller, node, accountsOf(feed, config.CA_TRUSTED_NODE_ACCOUNTS)),
    metrics: createXdsMetrics(registry),
    debug: (...question) => debugOverXds(debug, rules.namespaces)(...question),
    identifier: identifierOf(config),
    cut: (peer) => listener?.cut(peer),
  });
  scope.own(discovery);
  const debug: DebugSources = { feed, discovery, world, rotation: scope.own(rotationKeeper(o, discovery, logging)) };
  const server = createGrpcServer(limits.ageMs);
  for (const { definition, handlers } of [discovery, ...o.services]) server.addService(definition, handlers);
  const address = config.DISCOVERY_ADDRESS;
  listener = scope.own(
    await listenGrpc(server, { address, credentials, limits: CONNECTIONS, clock: systemClock, log }),
  );
  // Once more, so that streams are ended before the listener is.
  scope.own(discovery);
  const pages = scope.own(await serveHttp(config.DEBUG_ADDRESS, debugRoutes(debug, rules, registry)));
  scope.own(registerProcessMetrics(registry, { feed, discovery, listener, nowMs: systemClock.nowMs }));
  const { port } = listener;
  const owned = scope.move();
  return { port, debugPort: pages.port, debug, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

function rotationKeeper(
  { world, feed, config }: Pick<ServeClientsOptions, "world" | "feed" | "config">,
  discovery: DiscoveryService,
  logging: Logging,
): RotationKeeper {
  return new RotationKeeper({
    ...{ authority: world.authority, world: world.rotation, clock: systemClock, log: logging.logger("ca") },
    streams: () => discovery.streams,
    proxies: () => podsOfAccounts(feed.pods, config.CA_TRUSTED_NODE_ACCOUNTS),
  });
}

function discoveryLimits(config: Config): DiscoveryLimits {
  const age = config.KEEPALIVE_MAX_SERVER_CONNECTION_AGE;
  return {
    streams: 10_000,
    // Istio's own measure (control-plane 1.3).
    newStreamsPerSecond: config.PILOT_MAX_REQUESTS_PER_SECOND || Math.min(15 + 5 * availableParallelism(), 100),
    namesPerClient: 100_000,
    names: 1_000_000,
    unreadBytes: 256 << 20,
    firstRequestMs: 30_000,
    sendMs: config.PILOT_XDS_SEND_TIMEOUT,
    answerMs: config.LATEEN_XDS_ANSWER_TIMEOUT,
    ageMs: age === 0 ? null : age,
    graceMs: 10_000,
  };
}

function debugRules(config: Config, authenticate: DebugRules["authenticate"]): DebugRules {
  const namespaces = [config.POD_NAMESPACE, config.ROOT_NAMESPACE, ...config.DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES];
  return { authenticate, namespaces };
}

/** As clients of Istio read it: a JSON text. */
function identifierOf(config: Config): string {
  const id = config.POD_NAME === "" ? hostname() : config.POD_NAME;
  return JSON.stringify({ Component: "istiod", ID: id, Info: { version: ownVersion() } });
}

function accountsOf(feed: MeshFeed, trusted: readonly string[]): ClientAccounts {
  return {
    isNodeProxy: (account) => trusted.includes(account),
    isWaypoint: (account) => {
      const [namespace = ""] = account.split("/");
      return feed.model.waypoints
        .values()
        .some((w) => w.namespace === namespace && w.serviceAccounts.some((name) => `${namespace}/${name}` === account));
    },
  };
}
