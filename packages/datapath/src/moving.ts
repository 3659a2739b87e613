import type { ByteStream } from "@lateen/byte-stream";
import type { Plain } from "@lateen/cbor";
import type { Result } from "@lateen/errors";
import type { Listener, SecureStream, SocketStream } from "./streams.ts";

/** A stream that stands still: its descriptor, and all else that another process needs to go on with it. */
export interface FrozenStream {
  /** Stays the stream's own; it is in no event loop any more, so that it can be passed on. */
  readonly fd: number;
  /** Only `restore` knows what it means. With TLS it holds secrets: it is for the successor alone and for no log. */
  readonly state: Plain;
}

/** A listener of another process. */
export interface LentListener {
  readonly fd: number;
  /** Whether it has IP_TRANSPARENT. */
  readonly transparent: boolean;
  /** As in `SocketOptions`. */
  readonly tenant?: string;
  /**
   * Whether it is somebody else's too, of this process, who goes on accepting: of all that share it so and wait, one is woken for a
   * connection, besides the owner.
   */
  readonly shared?: boolean;
}

/**
 * Moves live connections and listeners between processes. Only a driver that owns its sockets and its TLS records can do this.
 *
 * A stream that is frozen reads, writes and calls back nothing, and neither does what carries it, until it is thawed or forgotten.
 * What is written to it meanwhile waits, but is not in the state that `freeze` gave: whoever passes the state on does not write.
 * A restored stream is frozen until `thaw`.
 * @see data-path reference 4
 */
export interface Mover {
  /**
   * Freezes a socket, or the TLS stream on top of one. Includes bytes received and not handed up, bytes not sent, partial records,
   * ended directions, whether it is paused, and whether `onWritable` is owed.
   * @returns why it cannot be moved now; then nothing has changed
   */
  freeze(stream: ByteStream): Result<FrozenStream, string>;
  /**
   * Freezes a TLS stream that runs inside another stream, without that one: what carries it is to be frozen next, in the same step,
   * for what was written goes into it now. Includes all that `freeze` does, but nothing of the carrier's.
   * @returns why it cannot be moved now; then nothing has changed
   */
  freezeInner(stream: ByteStream): Result<Plain, string>;
  /** Goes on as if nothing had happened. A stream inside another goes on before that one. */
  thaw(stream: ByteStream): void;
  /** Closes our descriptor and says nothing to anybody: another process has the connection now. No callback follows. */
  forget(stream: ByteStream): void;
  /** Two sockets of this process that are connected with each other, to rehearse on. @param tenant as in `SocketOptions` */
  pair(tenant: string): readonly [SocketStream, SocketStream];
  /** A frozen socket. Owns `fd`, and closes it when the state is refused. */
  restoreSocket(state: Plain, fd: number): Result<SocketStream>;
  /** A frozen TLS stream. Owns `fd`, and closes it when the state is refused. */
  restoreSecure(state: Plain, fd: number): Result<SecureStream>;
  /** A frozen TLS stream inside another. Attaches to `carrier`, which stands still too, when it is thawed. */
  restoreInner(state: Plain, carrier: ByteStream): Result<SecureStream>;
  /** A listener's descriptor, to be passed on. It may accept in two processes at a time. */
  descriptor(listener: Listener): number;
  /** Stops accepting, but keeps the descriptor open: whoever it was passed to accepts, and what it leaves waits in the kernel. */
  lend(listener: Listener): void;
  /** Accepts again: whoever the listener was lent to is gone. */
  takeBack(listener: Listener): void;
  /** Whether the listener leaves connections to whoever shares it, for a moment. */
  yieldAccepts(listener: Listener, on: boolean): void;
  /** A listener that was lent. Owns its descriptor; accepts at once. */
  adopt(lent: LentListener, onStream: (stream: SocketStream) => void): Listener;
}
