import type { SocketAddress } from "@lateen/addresses";
import type { CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { Seat } from "@lateen/lifecycle";
import type { HboneConnection, HboneStream, HeaderField } from "./api.ts";
import { ByteQueue } from "./byte-queue.ts";
import { ErrorCode } from "./constants.ts";
import type { Machine } from "./machine.ts";
import type { TunnelSnapshot } from "./snapshot.ts";
import { type Fate, type StreamOwner, StreamState } from "./stream-state.ts";

/** What a stream needs of its connection. */
export interface TunnelHost extends HboneConnection {
  readonly machine: Machine;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Calls `settle` soon, outside the caller. */
  later(stream: TunnelStream): void;
  /** A stream begins; it is part of the connection's snapshot until `gone`. */
  begun(stream: TunnelStream): Seat<TunnelStream>;
  /** Its reader knows of its end, or it never had one. */
  gone(seat: Seat<TunnelStream>): void;
}

/**
 * CANCEL is how a peer passes on that its side was torn down. Where ztunnel's reader takes it for an end (dataplane 5.8), ours
 * takes it for a reset: an application must not read a torn-down answer as a complete one.
 * @see dataplane contract 5.8
 */
function closeReason({ code, by, why }: Fate): CloseReason {
  if (code === null) return { t: "ended" };
  if (by === "us") return { t: "failed", why };
  if (code === ErrorCode.StreamClosed) return { t: "reset", why: "broken pipe" };
  const ordinary = code === ErrorCode.NoError || code === ErrorCode.Cancel || code === ErrorCode.ConnectError;
  return { t: ordinary ? "reset" : "failed", why };
}

/** Stands for a stream that the machine has forgotten while its reader was not ready. */
function overStream(from: TunnelSnapshot): StreamState {
  const state = new StreamState(from.id, 0);
  state.over = true;
  state.remoteEnded = from.remoteEnded;
  return state;
}

/** One accepted CONNECT as a byte stream. Lends views straight from the carrier's chunks while its reader keeps up. */
export class TunnelStream implements HboneStream, StreamOwner {
  readonly id: number;
  readonly headers: readonly HeaderField[];
  readonly #host: TunnelHost;
  readonly #state: StreamState;
  readonly #seat: Seat<TunnelStream>;
  #handler: StreamHandler | null = null;
  #paused = false;
  #ending = false;
  #aborted = false;
  /** Received while the reader was not ready; at most one stream window. */
  readonly #inbox = new ByteQueue();
  #endWaits: boolean;
  #over: CloseReason | null = null;
  #told = false;

  constructor(host: TunnelHost, state: StreamState, headers: readonly HeaderField[]) {
    this.id = state.id;
    this.headers = headers;
    this.#host = host;
    this.#state = state;
    this.#endWaits = state.remoteEnded;
    this.#seat = host.begun(this);
  }

  /** @param state the machine's, or null for a stream that is over there */
  static restore(host: TunnelHost, state: StreamState | null, from: TunnelSnapshot): TunnelStream {
    const stream = new TunnelStream(host, state ?? overStream(from), from.headers);
    stream.#paused = from.paused;
    stream.#ending = from.ending;
    stream.#aborted = from.over?.t === "aborted";
    stream.#endWaits = from.endWaits;
    stream.#over = from.over;
    if (from.inbox.length > 0) stream.#inbox.push(from.inbox);
    return stream;
  }

  snapshot(): TunnelSnapshot {
    return {
      id: this.id,
      headers: this.headers,
      paused: this.#paused,
      ending: this.#ending,
      remoteEnded: this.#state.remoteEnded,
      inbox: this.#inbox.snapshot(),
      endWaits: this.#endWaits,
      over: this.#over,
    };
  }

  get connection(): HboneConnection {
    return this.#host;
  }

  get local(): SocketAddress {
    return this.#host.local;
  }

  get remote(): SocketAddress {
    return this.#host.remote;
  }

  get buffered(): number {
    return this.#state.queued;
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    this.#wake();
  }

  write(head: Uint8Array, body?: Uint8Array): boolean {
    if (this.#ending || this.#over !== null) return true;
    return this.#host.machine.send(this.#state, head, body ?? null);
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#host.machine.end(this.#state);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wake();
  }

  abort(): void {
    if (this.#aborted || this.#told) return;
    this.#aborted = true;
    this.#ending = true;
    this.#dropInbox();
    this.#host.machine.reset(this.#state, ErrorCode.Cancel, "aborted");
    this.#over = { t: "aborted" };
    if (this.#handler === null) this.#host.gone(this.#seat);
    this.#wake();
  }

  // ---- StreamOwner

  onData(view: Uint8Array): boolean {
    if (this.#handler !== null && !this.#paused && this.#inbox.bytes === 0) {
      this.#handler.onData(view);
      return true;
    }
    this.#inbox.push(view);
    return false;
  }

  onEnd(): void {
    this.#endWaits = true;
    if (this.#handler !== null && !this.#paused && this.#inbox.bytes === 0) this.#tellEnd();
  }

  onRoom(): void {
    this.#handler?.onWritable();
  }

  onOver(fate: Fate): void {
    const { code, by } = fate;
    this.#ending = true;
    this.#over ??= closeReason(fate);
    if (by === "peer" && code === ErrorCode.NoError) this.#endWaits ||= !this.#state.remoteEnded;
    else if (code !== null && !(by === "peer" && code === ErrorCode.Cancel)) this.#dropInbox();
    this.#wake();
  }

  // ---- delivery from the connection's own loop

  /** Hands on what waits. Called by the connection only. */
  settle(): void {
    while (this.#handler !== null && !this.#paused) {
      const chunk = this.#inbox.shift();
      if (chunk === null) break;
      this.#handler.onData(chunk);
      this.#host.machine.consumed(this.#state, chunk.length);
    }
    if (this.#inbox.bytes > 0) return;
    if (this.#endWaits && !this.#paused) this.#tellEnd();
    if (this.#over !== null && !this.#endWaits) this.#tellClose(this.#over);
  }

  #wake(): void {
    if (this.#handler !== null && !this.#told && (this.#inbox.bytes > 0 || this.#endWaits || this.#over !== null))
      this.#host.later(this);
  }

  #tellEnd(): void {
    this.#endWaits = false;
    this.#handler?.onEnd();
  }

  #tellClose(reason: CloseReason): void {
    if (this.#told || this.#handler === null) return;
    this.#told = true;
    this.#host.gone(this.#seat);
    this.#handler.onClose(reason);
  }

  #dropInbox(): void {
    const bytes = this.#inbox.bytes;
    this.#inbox.clear();
    this.#endWaits = false;
    if (bytes > 0) this.#host.machine.consumed(this.#state, bytes);
  }
}
