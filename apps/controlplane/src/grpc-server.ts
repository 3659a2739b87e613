import { Server, type ServerCredentials } from "@grpc/grpc-js";
import { Code, MeshError } from "@lateen/errors";

/** A client that comes back names every resource it has: about 60 bytes for each. */
const MAX_REQUEST_BYTES = 32 << 20;
/** After this long the streams that are left are cut. */
const CLOSE_MS = 1_000;

/** A server whose clients may be gone without a word. */
export function createGrpcServer(): Server {
  return new Server({
    "grpc.max_receive_message_length": MAX_REQUEST_BYTES,
    "grpc.max_concurrent_streams": 100,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
}

/**
 * @returns the port
 * @throws MeshError UNAVAILABLE when the address cannot be had
 */
export function bindGrpc(server: Server, where: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(where, credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else reject(new MeshError(Code.Unavailable, `Cannot listen on ${where}: ${cause.message}`, {}, cause));
    });
  });
}

/** Ends the server: what is open may finish for a second. */
export function closeGrpc(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), CLOSE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
