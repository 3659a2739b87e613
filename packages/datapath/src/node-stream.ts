import type { Socket } from "node:net";
import { type SocketAddress, parseIp } from "@lateen/addresses";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import { closeReasonOf } from "./close-reason.ts";
import { type Output, SocketOutput } from "./output.ts";
import type { SocketFactory } from "./port.ts";
import type { SocketStream } from "./streams.ts";

const NOWHERE: SocketAddress = { ip: "0.0.0.0", port: 0 };

/** `ip` as node:net gives it (maybe v4-mapped, maybe with a zone) in canonical text. */
export function socketAddress(ip: string | undefined, port: number | undefined): SocketAddress {
  if (ip === undefined || port === undefined) return NOWHERE;
  const zone = ip.indexOf("%");
  const parsed = parseIp(zone < 0 ? ip : ip.slice(0, zone));
  return parsed.ok ? { ip: parsed.value, port } : NOWHERE;
}

const ENDED: CloseReason = { t: "ended" };
const ABORTED: CloseReason = { t: "aborted" };

/** The handle's descriptor is not in the types of node:net; it is absent or negative where there is none. */
type WithHandle = { readonly _handle?: { readonly fd?: number } | null };

export interface Ends {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** What differs between a bare socket and TLS. */
export interface Parts {
  readonly output: (socket: Socket, onRoom: () => void) => Output;
  /** Tears down what carries the socket, at once and visibly to the peer. */
  readonly reset: () => void;
  /** How a carrier below that is not a socket ended, if it has. */
  readonly below?: () => CloseReason | null;
}

/** A socket of `node:net` or `node:tls` behind the byte-stream port. Its buffers are never recycled, so views stay valid. */
export class NodeStream implements ByteStream {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** What carries the bytes: a TCP socket, or the TLS socket on top of one. */
  readonly socket: Socket;
  readonly #output: Output;
  readonly #reset: () => void;
  readonly #below: () => CloseReason | null;
  #handler: StreamHandler | null = null;
  #reason: CloseReason | null = null;
  #attached = false;
  #ending = false;
  #closed = false;
  #aborted = false;

  /**
   * @param ends the two addresses; null takes those of `socket`
   */
  constructor(socket: Socket, ends: Ends | null, parts: Parts) {
    this.socket = socket;
    this.#output = parts.output(socket, () => this.#onRoom());
    this.#reset = parts.reset;
    this.#below = parts.below ?? (() => null);
    this.local = ends?.local ?? socketAddress(socket.localAddress, socket.localPort);
    this.remote = ends?.remote ?? socketAddress(socket.remoteAddress, socket.remotePort);
    socket.on("error", (error) => (this.#reason ??= closeReasonOf(error)));
    socket.on("close", () => this.#onClose());
  }

  get buffered(): number {
    return this.#output.bytes;
  }

  /** Lets another owner (TLS) take the socket over: nothing is reported any more. */
  release(): Socket {
    this.socket.removeAllListeners("close");
    return this.socket;
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    if (this.#attached) return;
    this.#attached = true;
    if (this.#closed) {
      setImmediate(() => this.#report());
      return;
    }
    this.socket.on("data", (chunk: Uint8Array) => {
      if (!this.#aborted) this.#handler?.onData(chunk);
    });
    this.socket.on("end", () => {
      if (!this.#aborted) this.#handler?.onEnd();
    });
    this.socket.resume();
  }

  write(head: Uint8Array, body?: Uint8Array): boolean {
    if (this.#ending) return true;
    return this.#output.write(head, body ?? null);
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#output.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    if (this.#attached && !this.#aborted) this.socket.resume();
  }

  abort(): void {
    if (this.#closed || this.#aborted) return;
    this.#aborted = true;
    this.#ending = true;
    this.#reason ??= ABORTED;
    this.socket.pause();
    this.#reset();
  }

  #onRoom(): void {
    if (!this.#aborted) this.#handler?.onWritable();
  }

  #onClose(): void {
    this.#ending = true;
    this.#closed = true;
    this.#report();
  }

  #report(): void {
    const handler = this.#handler;
    if (handler === null) return;
    this.#handler = null;
    handler.onClose(this.#reason ?? this.#below() ?? ENDED);
  }
}

/** A TCP socket. */
export class NodeSocketStream extends NodeStream implements SocketStream {
  readonly #sockets: SocketFactory | null;

  constructor(socket: Socket, sockets: SocketFactory | null) {
    super(socket, null, {
      output: (s, onRoom) => new SocketOutput(s, onRoom),
      reset: () => {
        if (!socket.destroyed) socket.resetAndDestroy();
      },
    });
    this.#sockets = sockets;
  }

  originalDestination(): SocketAddress {
    const fd = (this.socket as WithHandle)._handle?.fd ?? -1;
    return (fd < 0 || this.#sockets === null ? null : this.#sockets.originalDestination(fd)) ?? this.local;
  }
}
