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
  /** Goes on as if nothing had happened. */
  thaw(stream: ByteStream): void;
  /** Closes our descriptor and says nothing to anybody: another process has the connection now. No callback follows. */
  forget(stream: ByteStream): void;
  /** A frozen socket. Owns `fd`, and closes it when the state is refused. */
  restoreSocket(state: Plain, fd: number): Result<SocketStream>;
  /** A frozen TLS stream. Owns `fd`, and closes it when the state is refused. */
  restoreSecure(state: Plain, fd: number): Result<SecureStream>;
  /** Stops accepting, but keeps the descriptor open, so that connections wait in the kernel. @returns the descriptor */
  lend(listener: Listener): number;
  /** Accepts again: whoever the listener was lent to is gone. */
  takeBack(listener: Listener): void;
  /** A listener that was lent. Owns `fd`; accepts at once. @param transparent whether it has IP_TRANSPARENT */
  adopt(
    lent: { readonly fd: number; readonly transparent: boolean },
    onStream: (stream: SocketStream) => void,
  ): Listener;
}
