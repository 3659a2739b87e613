import type { ByteStream, CloseReason } from "@lateen/byte-stream";
import type { MeshError, Result } from "@lateen/errors";
import type { HboneSnapshot } from "./snapshot.ts";
import type { HeaderField, Trust } from "./terms.ts";

export type { HeaderField, Trust };

/** Undoes what it was returned for, if that has not happened yet. Idempotent. */
export type Cancel = () => void;

/** What we let the peer send, in bytes. */
export interface HboneLimits {
  /** Unread bytes of one stream; 4 MiB. */
  readonly streamWindow: number;
  /** Unread bytes of all streams, 65,535 or more; 16 MiB. */
  readonly connectionWindow: number;
  /** Payload of one frame, either way, 16,384 or more; 1 MiB. */
  readonly frameBytes: number;
}

export interface HboneOptions {
  readonly trust: Trust;
  /** A connection that was moved here keeps those that it began with. */
  readonly limits?: HboneLimits;
  /** Monotonic milliseconds now; later times come by `tick`. */
  readonly nowMs: number;
  /** Runs a function soon, outside the caller. Default `queueMicrotask`; a blocking loop gives its own. */
  readonly defer?: (run: () => void) => void;
  /** Called once, when the connection is over and every stream has been told. */
  readonly onClosed?: (reason: CloseReason) => void;
}

/** The bytes of one accepted CONNECT. */
export interface HboneStream extends ByteStream {
  readonly id: number;
  readonly connection: HboneConnection;
  /** The peer's header lines, without pseudo-headers: the request's on a server, the response's on a client. */
  readonly headers: readonly HeaderField[];
}

/** What client and server connections have in common. */
export interface HboneConnection {
  /** Streams that are not over. */
  readonly active: number;
  readonly closed: boolean;
  /** Frames that broke a budget but were let pass, because the peer is authenticated. */
  readonly overBudget: number;
  /** Drives keepalive, deadlines and budgets; call about once a second. Late calls are not taken for a silent peer. */
  tick(nowMs: number): void;
  /** The peer has now been authenticated (or not). */
  setTrust(trust: Trust): void;
  /** Takes no new streams and closes once the present ones are over (GOAWAY). Idempotent. */
  drain(): void;
  /**
   * All that another process needs to go on with this connection, as plain data; changes nothing. The carrier must stand still:
   * what it receives or is given from here on is not in it.
   * @returns why it cannot be moved now: it is closing, the peer's settings are not exchanged, a header block is not complete
   */
  snapshot(): Result<HboneSnapshot, string>;
  /** Resets every stream and closes now (GOAWAY NO_ERROR). Idempotent. */
  abort(): void;
}

export interface ConnectTarget {
  /** `ip:port`, `[ip6]:port` or `host:port`. */
  readonly authority: string;
  readonly headers: readonly HeaderField[];
}

export interface HboneClient extends HboneConnection {
  /** Whether `connect` can start a stream now: not closed or draining, and below `maxStreams`. */
  readonly ready: boolean;
  /** Streams the peer allows at once; 100 until it says otherwise. */
  readonly maxStreams: number;
  /**
   * Opens one CONNECT. `done` gets the stream when the peer answered 200; else an error whose `facts.status` is the answer's
   * status (`http status: 401 Unauthorized`), or whose `facts.unprocessed` is 1 when the peer never looked at the request.
   */
  connect(target: ConnectTarget, done: (result: Result<HboneStream>) => void): Cancel;
  /** CONNECTs without an answer: the id of each, and its target as it was given. */
  waiting(): readonly { readonly id: number; readonly target: ConnectTarget }[];
}

/** A CONNECT that waits for an answer. Exactly one of `accept` and `refuse` is to be called, now or later. */
export interface ConnectRequest {
  readonly authority: string;
  readonly headers: readonly HeaderField[];
  /** The stream that the connection runs over. */
  readonly carrier: ByteStream;
  readonly connection: HboneConnection;
  /** Set by the receiver: called when the client gave up (or sent data too early) before the answer. */
  onAbandoned: (() => void) | null;
  /** Answers 200. After `onAbandoned` the stream returned closes at once. */
  accept(headers: readonly HeaderField[]): HboneStream;
  /** Answers with an error status and no body. */
  refuse(status: number, headers?: readonly HeaderField[]): void;
}

export type HboneServer = HboneConnection;

export interface HbonePoolOptions {
  /** Opens a tunnel for a key: connects, secures, and wraps it with `hboneClient`. */
  readonly dial: (key: string, done: (result: Result<HboneClient>) => void) => Cancel;
  readonly nowMs: number;
  /** Default 100. */
  readonly maxStreamsPerTunnel?: number;
  /** A tunnel without streams is closed after this. Default 5 minutes. */
  readonly idleMs?: number;
}

/** A tunnel with its place in a pool. */
export interface PooledTunnel {
  readonly key: string;
  readonly tunnel: HboneClient;
  /** Takes requests; a retired one only finishes its streams. */
  readonly shared: boolean;
  /** How long it has had no streams, in milliseconds. */
  readonly idleMs: number;
}

export interface HbonePool {
  /** Tunnels that are open, pooled or retired. */
  readonly tunnels: number;
  /** Opens a CONNECT on a pooled tunnel of this key, or on a new one. `done` may be called before this returns. */
  connect(key: string, target: ConnectTarget, done: (result: Result<HboneStream>) => void): Cancel;
  /** Ticks every tunnel and closes idle ones. */
  tick(nowMs: number): void;
  /** Every open tunnel, retired ones too. */
  entries(): readonly PooledTunnel[];
  /** Takes a tunnel out, to be moved: the pool neither ticks it nor gives it requests, and its streams live on. */
  take(tunnel: HboneClient): void;
  /** Puts a tunnel in that was taken out of this pool or another's. */
  adopt(pooled: PooledTunnel): void;
  /** Refuses new requests and lets every tunnel finish its streams. */
  drain(): void;
  /** Closes everything now. Waiting requests fail with this error. */
  abort(error?: MeshError): void;
}
