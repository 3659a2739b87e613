import type { SocketAddress } from "@lateen/addresses";
import type { CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { FrozenStream, SocketStream } from "@lateen/datapath";
import { closeReasonOf } from "@lateen/datapath/internal";
import { type Result, fail, ok } from "@lateen/errors";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  type IoVector,
  type Memory,
  closeStream,
  endStream,
  errnoName,
  localAddress,
  recvInto,
  remoteAddress,
  resetStream,
  sendFrom,
  socketFactory,
} from "@lateen/linux";
import { EAGAIN } from "./errno.ts";
import type { Flushable, Loop, Place, Pollable, RawReader } from "./loop.ts";
import { OutQueue } from "./out-queue.ts";
import { MOVED, type SocketState } from "./stream-state.ts";
import type { Source, Tenant } from "./turns.ts";

const NOWHERE: SocketAddress = { ip: "0.0.0.0", port: 0 };
const NOTHING = new Uint8Array(0);
const ENDED: CloseReason = { t: "ended" };
const ABORTED: CloseReason = { t: "aborted" };
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const OVER = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** A view of at least this many bytes is pointed to; copying a smaller one costs less than asking for its address. */
const POINTED_BYTES = 2048;
/** Copying fewer than these costs less than asking whether they lie in the receive memory. */
const PLACED_BYTES = 256;
/** What is collected in one batch leaves early when it is more than this, so that `write` can tell whether the kernel is full. */
const MAX_COLLECTED = 262_144;
/**
 * More than every stream of a tunnel can write with one batch each, before it hears that it is to wait: a writer beyond this
 * ignores what it was told.
 */
const MAX_WAITING = 64 * 1024 * 1024;

/** A connected TCP socket as a stream: a descriptor, and what waits to be sent. One shape for life. */
export class FastSocket implements SocketStream, Pollable, Source, Flushable {
  readonly tenant: Tenant;
  queued = false;
  next: Source | null = null;
  readonly fd: number;
  /** Room left free before what is received next, for bytes that the layer above kept. */
  headroom = 0;
  readonly #loop: Loop;
  /** Null while it stands still: the descriptor is in no loop then. */
  #place: Place | null;
  #handler: StreamHandler | null = null;
  /** The handler, when it takes bytes where they lie. */
  #raw: RawReader | null = null;
  #local: SocketAddress | null = null;
  #remote: SocketAddress | null;
  /** There may be something to read: an edge came, and no read has found the end of it yet. */
  #readable = false;
  /** The peer is heard to have ended: read until there is nothing, for no further edge will come. */
  #readToEnd = false;
  #paused = false;
  #readEnded = false;
  /** The end of our direction was asked for; it follows what waits. */
  #ending = false;
  #endSent = false;
  /** Both directions are to be over once what waits has gone, whatever the peer still has to say. */
  #finishing = false;
  /** Told to wait: `onWritable` is owed. */
  #blocked = false;
  #closed: CloseReason | null = null;
  /** Collected in this batch, pointed to where it lies. */
  #collected: IoVector | null = null;
  /** The kernel was full; null while nothing waits. */
  #waiting: OutQueue | null = null;

  /**
   * Owns `fd` from here on.
   * @param o.place where the loop has it already, null when it does not yet; `frozen` makes it stand still until `thaw`
   */
  constructor(
    loop: Loop,
    o: { fd: number; tenant: Tenant; remote: SocketAddress | null; place: Place | null | "frozen" },
  ) {
    this.#loop = loop;
    this.fd = o.fd;
    this.tenant = o.tenant;
    this.#remote = o.remote;
    if (o.place === null) this.#place = loop.register(o.fd, this);
    else if (o.place === "frozen") this.#place = null;
    else {
      this.#place = o.place;
      loop.handOver(o.place, this);
    }
  }

  /** A socket of another process, which stands still until `thaw`. */
  static restore(loop: Loop, fd: number, from: SocketState): FastSocket {
    const tenant = loop.turns.hold(from.tenant);
    const socket = new FastSocket(loop, { fd, tenant, remote: from.remote, place: "frozen" });
    socket.#paused = from.paused;
    socket.#readEnded = from.readEnded;
    socket.#ending = from.ending;
    socket.#endSent = from.endSent;
    socket.#blocked = from.blocked;
    if (from.waiting.length > 0) socket.#wait(from.waiting);
    return socket;
  }

  // ---- ByteStream

  /** Nobody asks it of most sockets: once closed, only one that was asked before still knows. */
  get local(): SocketAddress {
    return (this.#local ??= (this.#closed === null ? localAddress(this.fd) : null) ?? NOWHERE);
  }

  get remote(): SocketAddress {
    return (this.#remote ??= (this.#closed === null ? remoteAddress(this.fd) : null) ?? NOWHERE);
  }

  get buffered(): number {
    return (this.#collected?.bytes ?? 0) + (this.#waiting?.bytes ?? 0);
  }

  originalDestination(): SocketAddress {
    return (this.#closed === null ? socketFactory.originalDestination(this.fd) : null) ?? this.local;
  }

  attach(handler: StreamHandler): void {
    this.#raw = null;
    this.#handler = handler;
    if (this.#closed !== null) this.#report(this.#closed);
    else this.#wakeReader();
  }

  write(head: Uint8Array, body?: Uint8Array): boolean {
    if (this.#ending || this.#closed !== null) return true;
    if (head.length > 0) this.#put(head);
    if (body !== undefined && body.length > 0) this.#put(body);
    return this.#mayGoOn();
  }

  end(): void {
    if (this.#ending || this.#closed !== null) return;
    this.#ending = true;
    if (this.#collected === null && this.#waiting === null && this.#place !== null) this.#sendEnd();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wakeReader();
  }

  abort(): void {
    if (this.#closed === null) this.#close(ABORTED, "reset");
  }

  // ---- for layers above, in this package

  /** As `attach`, for a layer that takes bytes where they lie. */
  attachRaw(handler: StreamHandler & RawReader): void {
    this.attach(handler);
    this.#raw = handler;
  }

  /** Sends part of a memory at once; what the kernel does not take is copied. @returns as `write` */
  writeNow(memory: Memory, from: number, to: number): boolean {
    if (this.#ending || this.#closed !== null) return true;
    if (this.#collected !== null && !this.#collected.full) {
      this.#collected.add(memory, from, to - from); // behind what comes before it, in one call
      this.flush();
      return this.#mayGoOn();
    }
    this.flush(); // what was collected comes first
    let at = from;
    if (this.#waiting === null && this.#place !== null) {
      const n = sendFrom(this.fd, memory, from, to - from);
      if (n >= 0) at += n;
      else if (n !== -EAGAIN) this.#fail(-n);
    }
    if (at < to && this.#closed === null) this.#wait(memory.bytes.subarray(at, to));
    return this.#mayGoOn();
  }

  /** Ends our direction and closes, without waiting for the peer's end. */
  finish(): void {
    this.#finishing = true;
    this.end();
    if (this.#endSent && this.#closed === null) this.#close(ENDED, "close");
  }

  // ---- moving to another process

  freeze(): Result<FrozenStream & { readonly state: SocketState }, string> {
    if (this.#place === null) return fail("it stands still already");
    this.flush();
    if (this.#closed !== null || this.#finishing) return fail("it is closing");
    this.#loop.remove(this.fd, this.#place);
    this.#place = null;
    const waiting = this.#waiting?.copy() ?? NOTHING;
    const state: SocketState = {
      tenant: this.tenant.name,
      remote: { ip: this.remote.ip, port: this.remote.port },
      paused: this.#paused,
      readEnded: this.#readEnded,
      ending: this.#ending,
      endSent: this.#endSent,
      blocked: this.#blocked,
      waiting,
    };
    return ok({ fd: this.fd, state });
  }

  thaw(): void {
    if (this.#place !== null || this.#closed !== null) return;
    this.#place = this.#loop.register(this.fd, this); // whatever is to be read or can be sent makes an edge at once
    if (this.#ending && !this.#endSent && this.#waiting === null) this.#sendEnd();
    else if (this.#endSent && this.#readEnded) this.#close(ENDED, "close");
    else if (this.#blocked && this.#waiting === null) this.#owe();
  }

  forget(): void {
    if (this.#closed !== null) return;
    this.#handler = null;
    this.#close(MOVED, "close");
  }

  /** Room was owed when nothing waits any more. */
  #owe(): void {
    this.#loop.defer(() => {
      if (this.#waiting !== null || !this.#blocked || this.#closed !== null) return;
      this.#blocked = false;
      this.#handler?.onWritable();
    });
  }

  // ---- sending

  #put(bytes: Uint8Array): void {
    if (this.#waiting !== null || this.#place === null) {
      this.#wait(bytes);
      return;
    }
    const vector = this.#collected ?? this.#collect();
    if (!vector.full && this.#point(vector, bytes)) {
      if (vector.bytes >= MAX_COLLECTED) this.flush();
      return;
    }
    this.#loop.flush(); // the vector or the memory for small pieces is full
    if (this.#closed !== null) return;
    if (this.#waiting === null && this.#point(this.#collect(), bytes)) return;
    this.#wait(bytes);
  }

  #collect(): IoVector {
    this.#loop.dirtySocket(this);
    return (this.#collected = this.#loop.takeVector());
  }

  #point(vector: IoVector, bytes: Uint8Array): boolean {
    const loop = this.#loop;
    const at = bytes.length < PLACED_BYTES ? -1 : loop.placeOf(bytes);
    if (at >= 0) vector.add(loop.received, at, bytes.length);
    else if (bytes.length >= POINTED_BYTES) vector.addView(bytes);
    else return loop.stage(bytes, vector);
    return true;
  }

  #mayGoOn(): boolean {
    if (this.#waiting === null || this.#closed !== null) return true;
    this.#blocked = true;
    return false;
  }

  /** Sends what was collected. Called by the loop, and early when it is much. */
  flush(): void {
    const vector = this.#collected;
    if (vector === null) return;
    this.#collected = null;
    const sent = vector.send(this.fd);
    if (sent < 0 && sent !== -EAGAIN) this.#fail(-sent);
    else if (sent < vector.bytes) vector.rest(Math.max(0, sent), (piece) => this.#wait(piece));
    this.#loop.giveVector(vector);
    if (this.#ending && this.#waiting === null && this.#closed === null) this.#sendEnd();
  }

  #wait(bytes: Uint8Array): void {
    if (this.#closed !== null) return;
    this.#waiting ??= new OutQueue(this.#loop.blocks);
    if (this.#waiting.bytes + bytes.length > MAX_WAITING)
      this.#close({ t: "failed", why: "writer ignores back-pressure" }, "reset");
    else this.#waiting.push(bytes);
  }

  #sendEnd(): void {
    this.#endSent = true;
    const failed = endStream(this.fd);
    if (failed < 0) this.#fail(-failed);
    else if (this.#readEnded || this.#finishing) this.#close(ENDED, "close");
  }

  /** The kernel has room again. */
  #drain(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const failed = waiting.send(this.fd);
    if (failed < 0) {
      this.#fail(-failed);
      return;
    }
    if (waiting.bytes > 0) return;
    this.#waiting = null;
    if (this.#ending) this.#sendEnd();
    else if (this.#blocked) {
      this.#blocked = false;
      this.#handler?.onWritable();
    }
  }

  // ---- receiving

  ready(events: number): void {
    if ((events & READABLE) !== 0) {
      this.#readable = true;
      if ((events & OVER) !== 0) this.#readToEnd = true;
      this.#wakeReader();
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) !== 0) this.#drain();
  }

  #wakeReader(): void {
    if (
      this.#place !== null &&
      this.#readable &&
      !this.#paused &&
      this.#handler !== null &&
      !this.#readEnded &&
      this.#closed === null
    )
      this.#loop.turns.enqueue(this);
  }

  serve(): number {
    const handler = this.#handler;
    if (
      this.#place === null ||
      !this.#readable ||
      this.#paused ||
      handler === null ||
      this.#readEnded ||
      this.#closed !== null
    )
      return 0;
    const loop = this.#loop;
    const room = loop.room() - this.headroom;
    const at = loop.filled + this.headroom;
    const n = recvInto(this.fd, loop.received, at, room);
    if (n > 0) {
      loop.fill(at + n);
      loop.receivedBytes += n;
      if (n < room && !this.#readToEnd) this.#readable = false; // empty: what comes now makes another edge
      if (this.#raw === null) handler.onData(loop.view(at, n));
      else this.#raw.received(at, at + n);
      this.#wakeReader();
      return n;
    }
    this.#readable = false;
    if (n === 0) this.#peerEnded(handler);
    else if (n !== -EAGAIN) this.#fail(-n);
    return 0;
  }

  #peerEnded(handler: StreamHandler): void {
    this.#readEnded = true;
    handler.onEnd();
    if (this.#endSent && this.#closed === null) this.#close(ENDED, "close");
  }

  // ---- the end

  #fail(errno: number): void {
    if (this.#closed === null) this.#close(closeReasonOf({ code: errnoName(errno) }), "close");
  }

  fault(): void {
    this.abort();
  }

  #close(reason: CloseReason, how: "close" | "reset"): void {
    this.#closed = reason;
    this.#ending = true;
    this.#dropOutput();
    if (this.#place !== null) this.#loop.remove(this.fd, this.#place);
    this.#loop.turns.release(this.tenant);
    if (how === "reset") resetStream(this.fd);
    else closeStream(this.fd);
    if (this.#handler !== null) this.#report(reason);
  }

  #dropOutput(): void {
    if (this.#collected !== null) this.#loop.giveVector(this.#collected);
    this.#collected = null;
    this.#waiting?.clear();
    this.#waiting = null;
  }

  /** Later, because it may be that a method of this stream is running. */
  #report(reason: CloseReason): void {
    this.#loop.defer(() => {
      const handler = this.#handler;
      this.#handler = null;
      handler?.onClose(reason);
    });
  }
}
