import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream } from "@lateen/byte-stream";

/** A stream that is a socket. */
export interface SocketStream extends ByteStream {
  /** Where the client wanted to go before the kernel redirected it (SO_ORIGINAL_DST), else the local address. */
  originalDestination(): SocketAddress;
}

export interface Listener {
  readonly address: SocketAddress;
  /** Whether IP_TRANSPARENT was obtained. */
  readonly transparent: boolean;
  /** Stops accepting; accepted streams live on. Idempotent. */
  close(): void;
}

export interface SecureStream extends ByteStream {
  /** The peer's certificates, leaf first, DER. */
  readonly peerChainDer: readonly Uint8Array[];
}
