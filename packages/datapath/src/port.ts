import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream } from "@lateen/byte-stream";
import type { Result } from "@lateen/errors";
import type { Mover } from "./moving.ts";
import type { Listener, SecureStream, SocketStream } from "./streams.ts";

/** Undoes what it was returned for, if that has not happened yet. Idempotent. */
export type Cancel = () => void;

/** Options of every socket (dataplane 4.2). `netns` is a descriptor of a network namespace, null for the process's own. */
export interface SocketOptions {
  readonly netns: number | null;
  /** fwmark set on the socket; 0 sets none. */
  readonly mark: number;
  /** SO_KEEPALIVE with its three times, null for none. */
  readonly keepAlive: {
    readonly idleSec: number;
    readonly intervalSec: number;
    readonly probes: number;
    /** Give up on sent bytes that nobody acknowledges when keepalive would (TCP_USER_TIMEOUT). */
    readonly userTimeout?: boolean;
  } | null;
  /**
   * Whose socket it is. A driver with a loop of its own gives every tenant the same share of it, however many sockets each keeps
   * busy. Sockets without one share a tenant.
   */
  readonly tenant?: string;
  /**
   * The other ends are in the same network namespace, as an application and the proxy in its pod are: between them is memory, which
   * nobody else waits for. A driver need not pace such a socket, whatever the machine's congestion control does to others.
   */
  readonly sameNamespace?: boolean;
}

export interface ListenOptions extends SocketOptions {
  readonly address: SocketAddress;
  /** Accept both families when `address.ip` is `::`. */
  readonly dualStack: boolean;
  readonly reusePort: boolean;
  /** IP_TRANSPARENT: `required` fails the listener when the kernel refuses it. */
  readonly transparent: "required" | "best-effort" | "off";
  readonly backlog: number;
}

export interface ConnectOptions extends SocketOptions {
  readonly to: SocketAddress;
  /**
   * Source address to appear with (IP_TRANSPARENT and IP_FREEBIND), null for the kernel's choice. When it cannot be had, the error
   * has it as `facts.source`.
   */
  readonly from: string | null;
  /** With `from`: source ports to try, in turn. The kernel chooses when there are none, or all are taken. */
  readonly fromPorts?: readonly number[];
  readonly timeoutMs: number;
}

export interface CredentialsOptions {
  /** PKCS#8 PEM. */
  readonly keyPem: string;
  /** Leaf first, then intermediates, PEM. */
  readonly chainPem: string;
  /** Trust anchors, PEM. */
  readonly rootsPem: readonly string[];
}
/** Key, chain and roots made ready for handshakes; opaque, made by the data path that uses it. */
export interface Credentials {
  readonly opaque: unknown;
}

export interface SecureOptions {
  readonly role: "client" | "server";
  readonly credentials: Credentials;
  /** Offered and required. */
  readonly alpn: string;
  readonly timeoutMs: number;
  /**
   * Judges the peer after its chain verified against the roots, its validity and its extended key usage held.
   * @param chainDer the peer's certificates, leaf first
   * @returns null to accept, else why not
   */
  readonly verifyPeer: (chainDer: readonly Uint8Array[]) => string | null;
  /**
   * A client's: names the peer that is meant and what is expected of it. A driver that resumes sessions does so only between
   * connections of equal keys and the same credentials, and judges the peer's chain and asks `verifyPeer` again each time. Absent:
   * a full handshake. A driver may ignore it.
   */
  readonly resumeKey?: string;
}

/**
 * What a data thread does with sockets, TLS and time. Everything above this port is callbacks on one thread: no promise, timer
 * or stream of the runtime, because a driver may block in a loop of its own.
 */
export interface DataPath {
  /** @throws MeshError UNAVAILABLE when the address cannot be bound */
  listen(options: ListenOptions, onStream: (stream: SocketStream) => void): Listener;
  connect(options: ConnectOptions, done: (result: Result<SocketStream>) => void): Cancel;
  /** @throws MeshError BAD_INPUT when key, chain or roots cannot be used */
  credentials(options: CredentialsOptions): Credentials;
  /** TLS 1.3 over `stream`, which must not be attached yet; owns it from here on and aborts it on failure. */
  secure(stream: ByteStream, options: SecureOptions, done: (result: Result<SecureStream>) => void): Cancel;
  after(ms: number, run: () => void): Cancel;
  /** Runs a function soon: outside the caller, and before the thread waits again. */
  defer(run: () => void): void;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Moves connections to another process; null when this driver cannot. */
  readonly mover: Mover | null;
}

/** Makes bare sockets where the runtime cannot (another namespace, marks, spoofed sources). Implemented by `@lateen/linux`. */
export interface SocketFactory {
  /** @returns a bound, listening, non-blocking descriptor and whether IP_TRANSPARENT was obtained */
  listener(options: ListenOptions): { readonly fd: number; readonly transparent: boolean };
  /** @returns an unconnected, non-blocking descriptor, bound to `from` when that is given */
  client(options: ConnectOptions): number;
  originalDestination(fd: number): SocketAddress | null;
}
