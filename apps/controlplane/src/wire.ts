import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Routes, jsonReply, serveHttp } from "@lateen/admin-http";
import {
  type Authority,
  type Caller,
  type Proof,
  authenticateCaller,
  caService,
  localTokenVerifier,
  openAuthority,
  replaceFile,
} from "@lateen/ca";
import { Code, MeshError, type Result, fail } from "@lateen/errors";
import { createScope, systemClock } from "@lateen/lifecycle";
import { type Snapshot, formatProblem, watchManifests } from "@lateen/manifests";
import type { Logger, Logging } from "@lateen/telemetry";
import type { Config } from "./config.ts";
import { DiscoveryService } from "./discovery-service.ts";
import { bindGrpc, closeGrpc, createGrpcServer } from "./grpc-server.ts";
import { LastGood } from "./last-good.ts";
import { MeshFeed } from "./mesh-feed.ts";
import { podView } from "./pod-view.ts";
import { ResourceCache } from "./resource-cache.ts";
import { serverCredentials } from "./server-certificate.ts";

export interface ControlPlane extends AsyncDisposable {
  /** Where discovery and the authority listen. */
  readonly port: number;
  readonly debugPort: number;
}

const VERSION_LENGTH = 16;
const versionOf = (body: Uint8Array): string =>
  createHash("sha256").update(body).digest("hex").slice(0, VERSION_LENGTH);

/** Who may follow the mesh: the node proxies, by token or by certificate. */
function admitNodeProxy(caller: Result<Caller>, trusted: readonly string[]): Result<Caller> {
  if (!caller.ok) return caller;
  const { namespace, serviceAccount } = caller.value.identity;
  if (trusted.includes(`${namespace}/${serviceAccount}`)) return caller;
  return fail(new MeshError(Code.Denied, `${namespace}/${serviceAccount} is not an account of node proxies`));
}

/** Opens the authority and publishes its roots where the proxies look for them. */
async function authorityOf(config: Config, log: Logger): Promise<Authority> {
  const authority = await openAuthority({
    dir: join(config.STATE_DIR, "ca"),
    trustDomain: config.TRUST_DOMAIN,
    nowMs: Date.now,
    defaultTtlSec: config.DEFAULT_WORKLOAD_CERT_TTL / 1_000,
    maxTtlSec: config.MAX_WORKLOAD_CERT_TTL / 1_000,
  });
  for (const problem of authority.problems) log.warn(problem);
  const path = join(config.STATE_DIR, "root-cert.pem");
  const published = await readFile(path, "utf8").catch(() => null); // none yet, or unreadable: then writing says why
  if (published !== authority.rootsPem) await replaceFile(path, authority.rootsPem, 0o644);
  return authority;
}

/** What people look at when they wonder what the control plane makes of their objects. */
function debugRoutes(feed: MeshFeed, discovery: DiscoveryService): Routes {
  return {
    "GET /debug/problems": () => jsonReply(feed.problems.map((p) => ({ ...p, text: formatProblem(p) }))),
    "GET /debug/clients": () => jsonReply(discovery.clients()),
    "GET /debug/collections": () => jsonReply(Object.fromEntries(feed.graph.describe())),
    "GET /debug/policies": () =>
      jsonReply(
        Object.fromEntries(
          feed.model.policyEffects
            .entries()
            .map(([key, { status, message, httpAttributes, omittedRules }]) => [
              key,
              { status, message, httpAttributes, omittedRules },
            ]),
        ),
      ),
  };
}

/**
 * Starts the control plane: folders in, xDS and certificates out.
 * @throws MeshError when the state folder, the key file or an address cannot be used
 */
export async function startControlPlane(config: Config, logging: Logging): Promise<ControlPlane> {
  await using scope = createScope();
  const stop = new AbortController();
  scope.defer(() => stop.abort());
  const caLog = logging.logger("ca");
  const authority = await authorityOf(config, caLog);
  const authenticate = authentication(config);
  const cache = new ResourceCache(versionOf);
  const feed = new MeshFeed(cache, modelOptions(config), logging.logger("config"));
  const lastGood = scope.own(new LastGood(join(config.STATE_DIR, "last-good.json"), logging.logger("config")));
  const onChange = (snapshot: Snapshot): void => {
    feed.take(snapshot);
    lastGood.keep(snapshot);
  };
  scope.own(
    await watchManifests({
      dirs: config.CONFIG_DIRS,
      lastGood: await lastGood.load(),
      signal: stop.signal,
      onChange,
    }),
  );
  const trustedNodeAccounts = config.CA_TRUSTED_NODE_ACCOUNTS;
  const server = createGrpcServer();
  scope.defer(() => closeGrpc(server));
  const discovery = scope.own(
    new DiscoveryService(
      cache,
      (proof) => admitNodeProxy(authenticate(proof), trustedNodeAccounts),
      logging.logger("discovery"),
    ),
  );
  const ca = caService({
    authority,
    authenticate,
    pods: (cluster) => (cluster === config.CLUSTER_ID ? podView(feed.pods) : null),
    trustedNodeAccounts,
    log: caLog,
  });
  const tls = await serverCredentials(authority, config, { signal: stop.signal, clock: systemClock, log: caLog });
  server.addService(discovery.definition, discovery.handlers);
  server.addService(ca.definition, ca.implementation);
  const port = await bindGrpc(server, config.DISCOVERY_ADDRESS, tls);
  // Served last: who finds it ready finds everything.
  scope.own(await serveHttp(config.READINESS_ADDRESS, { "GET /ready": () => ({ status: 200, body: "ready\n" }) }));
  const debug = scope.own(await serveHttp(config.DEBUG_ADDRESS, debugRoutes(feed, discovery)));
  const folders = config.CONFIG_DIRS.join(":");
  logging.logger("controlplane").info("started", { discovery: config.DISCOVERY_ADDRESS, folders });
  const owned = scope.move();
  return { port, debugPort: debug.port, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

const modelOptions = (config: Config): ConstructorParameters<typeof MeshFeed>[1] => ({
  clusterId: config.CLUSTER_ID,
  trustDomain: config.TRUST_DOMAIN,
  domain: config.CLUSTER_DOMAIN,
  network: "",
  rootNamespace: config.ROOT_NAMESPACE,
  dryRun: config.AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY,
  httpOnlyDeny: config.LATEEN_HTTP_ONLY_DENY,
});

/** @throws MeshError BAD_INPUT when the key file cannot be read */
function authentication(config: Config): (proof: Proof) => Result<Caller> {
  let publicKeyPem: string;
  try {
    publicKeyPem = readFileSync(config.TOKEN_KEY_FILE, "utf8");
  } catch (cause) {
    throw new MeshError(
      Code.BadInput,
      `Cannot read the key of callers' tokens: ${config.TOKEN_KEY_FILE}: ${String(cause)}`,
      {},
      cause,
    );
  }
  const verifyToken = localTokenVerifier({ publicKeyPem, audience: config.TOKEN_AUDIENCE, nowMs: Date.now });
  return (proof) => authenticateCaller(proof, { trustDomain: config.TRUST_DOMAIN, verifyToken });
}
