import { type AddressInfo, type Server as NetServer, type Socket, createServer } from "node:net";
import { Server, type ServerCredentials } from "@grpc/grpc-js";
import { Code, MeshError } from "@lateen/errors";
import type { Clock } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import { RateLimit, RateLimits } from "./rate-limit.ts";

/** A client that comes back names every resource it has: about 60 bytes for each. */
const MAX_REQUEST_BYTES = 64 << 20;
/** After this long the streams that are left are cut. */
const CLOSE_MS = 1_000;
const GRACE_MS = 10_000;
/** Said once in so long, however many are turned away. */
const SAY_EVERY_MS = 60_000;

/** @param ageMs after which a connection is asked to go; null: never */
export function createGrpcServer(ageMs: number | null): Server {
  return new Server({
    "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": 100,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    // Later than its streams: these end by themselves, with nothing under way.
    ...(ageMs === null ? {} : { "grpc.max_connection_age_ms": Math.round(ageMs * 1.25) }),
    "grpc.max_connection_age_grace_ms": GRACE_MS,
  });
}

export interface ConnectionLimits {
  /** Connections at a time. */
  readonly connections: number;
  /** New connections of one address. */
  readonly perSecond: number;
  readonly burst: number;
}

/** Where the gRPC server takes connections. */
export interface GrpcListener extends AsyncDisposable {
  readonly port: number;
  /** Connections now, and those that were turned away. */
  readonly connections: number;
  readonly refused: number;
  /** Cuts the connection of `address:port`. */
  cut(peer: string): void;
}

/**
 * Takes connections for a server. Whoever connects too often is turned away before a handshake has cost anything.
 * @throws MeshError BAD_INPUT, UNAVAILABLE when the address cannot be had
 */
export async function listenGrpc(
  server: Server,
  o: {
    readonly address: string;
    readonly credentials: ServerCredentials;
    readonly limits: ConnectionLimits;
    readonly clock: Clock;
    readonly log: Logger;
  },
): Promise<GrpcListener> {
  const { perSecond, burst, connections } = o.limits;
  const limits = new RateLimits(() => new RateLimit(o.clock, { perSecond, burst }));
  const injector = server.createConnectionInjector(o.credentials);
  const open = new Map<string, Socket>();
  let refused = 0;
  let saidMs = -Infinity;
  const refuse = (socket: Socket, address: string): void => {
    refused += 1;
    socket.destroy();
    if (o.clock.nowMs() - saidMs < SAY_EVERY_MS) return;
    saidMs = o.clock.nowMs();
    o.log.warn("turned a connection away: too many", { address, refused, open: open.size });
  };
  const listener = createServer((socket) => {
    const address = socket.remoteAddress ?? "";
    if (open.size >= connections || limits.of(address).take() === null) return refuse(socket, address);
    const peer = `${address}:${socket.remotePort}`;
    open.set(peer, socket);
    socket.on("error", () => undefined); // its close says the same
    socket.once("close", () => open.delete(peer));
    socket.setNoDelay(true);
    injector.injectConnection(socket);
  });
  const port = await listen(listener, o.address);
  return {
    port,
    get connections() {
      return open.size;
    },
    get refused() {
      return refused;
    },
    cut: (peer) => void open.get(peer)?.destroy(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      await closeGrpc(server);
      // What still has to leave may; who has not even finished a handshake is cut.
      const timer = setTimeout(() => {
        for (const socket of open.values()) socket.destroy();
      }, CLOSE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function listen(listener: NetServer, address: string): Promise<number> {
  const at = /^(.*):(\d+)$/.exec(address);
  if (at === null)
    throw new MeshError(Code.BadInput, `Cannot listen on ${JSON.stringify(address)}: it is not host:port`);
  const host = at[1]!.replace(/^\[(.*)\]$/, "$1");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  listener.once("error", reject);
  listener.listen({ host, port: Number(at[2]) }, resolve);
  await promise.catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError(Code.Unavailable, `Cannot listen on ${address}: ${why}`, {}, cause);
  });
  return (listener.address() as AddressInfo).port;
}

/** Ends the server: what is open may finish for a second. */
function closeGrpc(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), CLOSE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
