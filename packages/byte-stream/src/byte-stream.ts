import type { SocketAddress } from "@lateen/addresses";

/** Why a stream is over. `reset` is a connection torn down by the peer, `aborted` one torn down by us. */
export type CloseReason =
  | { readonly t: "ended" }
  | { readonly t: "aborted" }
  | { readonly t: "reset"; readonly why: string }
  | { readonly t: "failed"; readonly why: string };

/** Receives what happens on one stream. All calls come from the stream's own loop, never from inside one of its methods. */
export interface StreamHandler {
  /**
   * Bytes arrived, in order. The view is valid during this call only: keep a copy, or hand it to another stream's `write`.
   */
  onData(bytes: Uint8Array): void;
  /** The peer ended its direction (FIN or close_notify); ours lives on until `end`. */
  onEnd(): void;
  /** After a `write` returned false: there is room again. */
  onWritable(): void;
  /** Both directions are over. Called exactly once, and last. */
  onClose(reason: CloseReason): void;
}

/**
 * One connection's bytes, whatever carries them (a socket, TLS, an HTTP/2 stream, memory). No promises: a driver may run a
 * loop of its own in which promises never settle.
 */
export interface ByteStream {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Bytes taken by `write` and not yet handed to what is below. */
  readonly buffered: number;
  /** Starts delivery. Nothing is read before; called once, or again to replace the handler (an upgrade). */
  attach(handler: StreamHandler): void;
  /**
   * Sends `head`, then `body` when given, without joining them. The caller never changes these bytes afterwards; a driver
   * that recycles the buffers it lends through `onData` copies what it could not send at once.
   * @returns false when the stream asks to wait for `onWritable` (the bytes are taken all the same). Ignored after `end`.
   */
  write(head: Uint8Array, body?: Uint8Array): boolean;
  /** Ends our direction after what is buffered (FIN, close_notify). Idempotent. */
  end(): void;
  /** Stops `onData` until `resume`; bytes wait below and the peer feels it. */
  pause(): void;
  resume(): void;
  /** Tears down both directions at once, dropping what is buffered (RST where the carrier has one). Idempotent. */
  abort(): void;
}
