import { closeSync } from "node:fs";
import { type Server, Socket, createServer } from "node:net";
import type { ByteStream } from "@lateen/byte-stream";
import { BlockPool } from "./output.ts";
import { type Result, fail, ok } from "@lateen/errors";
import { NodeSocketStream, socketAddress } from "./node-stream.ts";
import type { Cancel, ConnectOptions, DataPath, ListenOptions, SecureOptions, SocketFactory } from "./port.ts";
import type { Listener, SecureStream, SocketStream } from "./streams.ts";
import { secureNode } from "./secure.ts";
import { nodeCredentials } from "./node-credentials.ts";
import { cannotConnect, cannotListen, connectTimeout } from "./socket-errors.ts";

/**
 * Write-buffer mark of our sockets. Large enough that a sender is not stopped and started for every few records.
 * @see bench/relay.ts
 */
const HIGH_WATER_BYTES = 262_144;
const UV_TCP_IPV6ONLY = 1;
const UV_TCP_REUSEPORT = 2;

/** `Server` with the synchronous bind that `listen({ host })` puts behind an asynchronous name look-up. */
type BindableServer = Server & {
  _listen2(ip: string, port: number, family: 4 | 6, backlog: number, fd: undefined, flags: number): void;
  readonly _handle: unknown;
};

class PortableDataPath implements DataPath {
  /** The runtime keeps sockets and TLS state to itself. */
  readonly mover = null;
  readonly #sockets: SocketFactory | null;
  readonly credentials = nodeCredentials;
  readonly #blocks = new BlockPool();

  constructor(sockets: SocketFactory | null) {
    this.#sockets = sockets;
  }

  listen(options: ListenOptions, onStream: (stream: SocketStream) => void): Listener {
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_BYTES,
      ...this.#keepAlive(options),
    });
    let failure: unknown = null;
    server.on("error", (error) => (failure ??= error)); // reported below; later ones (EMFILE on accept) leave it listening
    server.on("connection", (socket: Socket) => onStream(new NodeSocketStream(socket, this.#sockets)));
    const transparent = this.#bind(server, options);
    if ((server as BindableServer)._handle === null) {
      server.close();
      throw cannotListen(options, failure ?? bindProblem(options));
    }
    const bound = server.address();
    const address =
      typeof bound === "object" && bound !== null ? socketAddress(bound.address, bound.port) : options.address;
    return { address, transparent, close: () => void server.close() };
  }

  /** @returns whether IP_TRANSPARENT was obtained */
  #bind(server: Server, options: ListenOptions): boolean {
    if (this.#sockets !== null) {
      const made = this.#sockets.listener(options);
      server.listen({ fd: made.fd, backlog: options.backlog });
      return made.transparent;
    }
    if (options.transparent === "required") throw cannotListen(options, "IP_TRANSPARENT needs a socket factory");
    const v6 = options.address.ip.includes(":");
    const flags = (v6 && !options.dualStack ? UV_TCP_IPV6ONLY : 0) | (options.reusePort ? UV_TCP_REUSEPORT : 0);
    const { ip, port } = options.address;
    (server as BindableServer)._listen2(ip, port, v6 ? 6 : 4, options.backlog, undefined, flags);
    return false;
  }

  connect(options: ConnectOptions, done: (result: Result<SocketStream>) => void): Cancel {
    let socket: Socket;
    try {
      socket = this.#clientSocket(options);
    } catch (error) {
      return this.after(0, () => done(fail(cannotConnect(options, error))));
    }
    let settled = false;
    const settle = (result: Result<SocketStream>): void => {
      if (settled) return;
      settled = true;
      stopTimer();
      socket.removeAllListeners("connect");
      if (!result.ok) socket.destroy();
      done(result);
    };
    const stopTimer = this.after(options.timeoutMs, () => settle(fail(connectTimeout(options))));
    socket.on("error", (error) => settle(fail(cannotConnect(options, error))));
    socket.on("connect", () => settle(ok(new NodeSocketStream(socket, null))));
    socket.pause(); // nothing is read before `attach`
    const { ip: host, port } = options.to;
    socket.connect(
      options.from === null || this.#sockets !== null ? { host, port } : { host, port, localAddress: options.from },
    );
    return () => {
      if (settled) return;
      settled = true;
      stopTimer();
      socket.destroy();
    };
  }

  /** A factory sets all three times itself; the runtime can set one, and would overwrite the others. */
  #keepAlive({ keepAlive }: ListenOptions | ConnectOptions): { keepAlive: boolean; keepAliveInitialDelay: number } {
    const ours = this.#sockets === null && keepAlive !== null;
    return { keepAlive: ours, keepAliveInitialDelay: ours ? keepAlive.idleSec * 1000 : 0 };
  }

  #clientSocket(options: ConnectOptions): Socket {
    const common = {
      allowHalfOpen: true,
      noDelay: true,
      manualStart: true,
      highWaterMark: HIGH_WATER_BYTES,
      ...this.#keepAlive(options),
    };
    if (this.#sockets === null) return new Socket(common);
    const fd = this.#sockets.client(options);
    try {
      return new Socket({ ...common, fd });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  secure(stream: ByteStream, options: SecureOptions, done: (result: Result<SecureStream>) => void): Cancel {
    return secureNode(this.#blocks, stream, options, done);
  }

  after(ms: number, run: () => void): Cancel {
    if (ms <= 0) {
      const soon = setImmediate(run);
      return () => clearImmediate(soon);
    }
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }

  defer(run: () => void): void {
    queueMicrotask(run);
  }

  nowMs(): number {
    return performance.now();
  }
}

/** libuv tells the cause only in a later turn; a second, failing bind is not worth it for the two usual causes. */
function bindProblem(options: ListenOptions): string {
  return options.address.port > 0 && options.address.port < 1024
    ? "address is in use, not available or not permitted"
    : "address is in use or not available";
}

/**
 * The data path on `node:net` and `node:tls`, for any system and for Deno.
 * @param o.sockets makes the sockets where marks, namespaces or spoofed sources are needed; without it those options are ignored
 */
export function portableDataPath(o: { readonly sockets?: SocketFactory } = {}): DataPath {
  return new PortableDataPath(o.sockets ?? null);
}
