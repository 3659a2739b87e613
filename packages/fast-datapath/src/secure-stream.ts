import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { Plain } from "@lateen/cbor";
import type { FrozenStream, SecureStream } from "@lateen/datapath";
import { type Result, fail, ok } from "@lateen/errors";
import type { Memory } from "@lateen/linux";
import { Opened, type OutputBlock, type TlsRecords } from "@lateen/tls-records";
import { FastSocket } from "./fast-socket.ts";
import type { Flushable, Loop, RawReader } from "./loop.ts";
import { RestTimer } from "./rest-timer.ts";
import { MOVED, type RecordsState, type SecureState } from "./stream-state.ts";

/** Fewer bytes are copied into their record wherever they lie: only what may fill one is sealed from its place. */
const PLACED_BYTES = 2048;

/** A stream of TLS records on top of another stream. One shape for life. */
export class FastSecureStream implements SecureStream, StreamHandler, RawReader, Flushable {
  readonly peerChainDer: readonly Uint8Array[];
  readonly #loop: Loop;
  readonly #carrier: ByteStream;
  /** The carrier, if it is a socket of this loop: then records are opened where they were received. */
  readonly #socket: FastSocket | null;
  readonly #records: TlsRecords<Memory>;
  readonly #rest: RestTimer;
  #handler: StreamHandler | null = null;
  #paused = false;
  #readEnded = false;
  #ending = false;
  #aborted = false;
  #frozen = false;
  /** It hears its carrier; a restored one inside another stream does not before it goes on. */
  #attached = true;
  /** The carrier asked to wait. */
  #full = false;
  /** And so did we: `onWritable` is owed. */
  #blocked = false;
  /** Why we tore down the carrier, when its own reason says less. */
  #failure: CloseReason | null = null;
  #closed: CloseReason | null = null;
  /** Where records of this batch are sealed; null when nothing was written since the last flush. */
  #block: OutputBlock<Memory> | null = null;

  // The four things that a finished handshake leaves.
  constructor(loop: Loop, carrier: ByteStream, records: TlsRecords<Memory>, peerChainDer: readonly Uint8Array[]) {
    this.#loop = loop;
    this.#carrier = carrier;
    this.#socket = carrier instanceof FastSocket ? carrier : null;
    this.#records = records;
    this.#rest = new RestTimer(loop, records);
    this.peerChainDer = peerChainDer;
  }

  /** Takes the carrier over, which stands still until what came behind the handshake was handed up. */
  begin(): void {
    this.#carrier.pause();
    if (this.#socket === null) this.#carrier.attach(this);
    else this.#socket.attachRaw(this);
    this.#wakeReader();
  }

  // ---- moving to another process

  /** A stream of another process over a restored socket; both stand still until `thaw`. */
  static restore(loop: Loop, socket: FastSocket, records: TlsRecords<Memory>, from: SecureState): FastSecureStream {
    const stream = new FastSecureStream(loop, socket, records, from.peerChainDer);
    stream.#restore(from);
    socket.headroom = from.readEnded ? 0 : records.keptBytes;
    socket.attachRaw(stream);
    return stream;
  }

  /** As `restore`, for one inside another stream: nothing is taken from that before `thaw`. */
  static restoreInner(
    loop: Loop,
    carrier: ByteStream,
    records: TlsRecords<Memory>,
    from: RecordsState,
  ): FastSecureStream {
    const stream = new FastSecureStream(loop, carrier, records, from.peerChainDer);
    stream.#restore(from);
    stream.#attached = false;
    return stream;
  }

  #restore(from: RecordsState): void {
    this.#frozen = true;
    this.#paused = from.paused;
    this.#readEnded = from.readEnded;
    this.#ending = from.ending;
    this.#full = from.full;
    this.#blocked = from.blocked;
  }

  freeze(): Result<FrozenStream, string> {
    const socket = this.#socket;
    if (socket === null) return fail("it runs inside another stream");
    if (this.#over) return fail("it is closing");
    this.flush();
    const frozen = socket.freeze();
    if (!frozen.ok) return frozen;
    this.#frozen = true;
    const state: SecureState = { socket: frozen.value.state, ...this.#state() };
    return ok({ fd: frozen.value.fd, state });
  }

  /** Only what is above the carrier, into which all that was written goes first. */
  freezeInner(): Result<Plain, string> {
    if (this.#socket !== null) return fail("it runs over a socket");
    if (this.#frozen) return fail("it stands still already");
    this.flush();
    if (this.#over) return fail("it is closing");
    this.#frozen = true;
    return ok(this.#state());
  }

  get #over(): boolean {
    return this.#closed !== null || this.#aborted || this.#failure !== null;
  }

  #state(): RecordsState {
    return {
      records: this.#records.state(),
      peerChainDer: this.peerChainDer,
      paused: this.#paused,
      readEnded: this.#readEnded,
      ending: this.#ending,
      full: this.#full,
      blocked: this.#blocked,
    };
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#socket?.thaw();
    if (!this.#attached) this.#carrier.attach(this);
    this.#attached = true;
    if (this.#records.sealer.updateOwed && this.#block === null && this.#closed === null) this.#takeBlock();
    this.#wakeReader();
  }

  forget(): void {
    this.#handler = null;
    this.#dropBlock();
    this.#socket?.forget();
    this.#ending = true;
    this.#closed = MOVED;
    this.#rest.stop();
    this.#records.free();
  }

  get local(): SocketAddress {
    return this.#carrier.local;
  }

  get remote(): SocketAddress {
    return this.#carrier.remote;
  }

  get buffered(): number {
    const block = this.#block;
    return this.#carrier.buffered + (block === null ? 0 : block.used + block.open);
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    if (this.#closed !== null) this.#report(this.#closed);
    else if (!this.#frozen) this.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#carrier.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#wakeReader();
  }

  /** What was kept comes before what the carrier has. */
  #wakeReader(): void {
    this.#loop.defer(() => {
      if (this.#frozen || this.#paused || this.#aborted || this.#handler === null || this.#closed !== null) return;
      if (this.#records.keptBytes > 0) this.#openKept();
      if (!this.#paused) this.#carrier.resume();
    });
  }

  abort(): void {
    this.#dropBlock();
    this.#ending = true;
    this.#aborted = true;
    this.#carrier.abort();
  }

  fault(): void {
    this.abort();
  }

  // ---- sealing

  write(head: Uint8Array, body?: Uint8Array): boolean {
    if (this.#ending || this.#closed !== null) return true;
    this.#seal(head);
    if (body !== undefined) this.#seal(body);
    if (this.#full) this.#blocked = true;
    return !this.#full;
  }

  #seal(bytes: Uint8Array): void {
    const { sealer } = this.#records;
    const from = bytes.length < PLACED_BYTES ? -1 : this.#loop.placeOf(bytes);
    if (from >= 0) {
      // Just received: sealed from where it lies.
      const to = from + bytes.length;
      for (let at = from; at < to;) {
        const block = this.#block ?? this.#takeBlock();
        at = sealer.writeFrom(block, this.#loop.received, at, to);
        if (at < to) this.#send(block);
      }
      return;
    }
    for (let at = 0; at < bytes.length;) {
      const block = this.#block ?? this.#takeBlock();
      at = sealer.write(block, bytes, at);
      if (at < bytes.length) this.#send(block);
    }
  }

  #takeBlock(): OutputBlock<Memory> {
    this.#loop.dirtySealer(this);
    return (this.#block = this.#loop.takeOutput());
  }

  /** Called by the loop at the end of a batch. */
  flush(): void {
    const block = this.#block;
    if (block === null) return;
    this.#send(block);
    this.#dropBlock();
  }

  #dropBlock(): void {
    if (this.#block !== null) this.#loop.giveOutput(this.#block);
    this.#block = null;
  }

  #send(block: OutputBlock<Memory>): void {
    this.#records.sealer.flush(block);
    const { memory, used } = block;
    block.clear();
    if (used === 0) return;
    this.#rest.touch();
    const socket = this.#socket;
    // Another carrier may keep what it is given, and the block is used again.
    const room =
      socket === null
        ? this.#carrier.write(Uint8Array.prototype.slice.call(memory.bytes, 0, used))
        : socket.writeNow(memory, 0, used);
    if (!room) this.#full = true;
  }

  end(): void {
    if (this.#ending || this.#closed !== null) return;
    this.#ending = true;
    const block = this.#block ?? this.#takeBlock();
    this.#records.sealer.end(block);
    this.flush();
    this.#carrier.end();
    if (this.#readEnded) this.#socket?.finish();
  }

  // ---- opening

  /** From a carrier that is no socket of this loop. */
  onData(bytes: Uint8Array): void {
    if (this.#readEnded || this.#over) return; // a carrier that was moved too may still have had some
    const kept = this.#records.keptBytes;
    this.#loop.withScratch(kept + bytes.length, (memory, at) => {
      this.#records.recall(memory, at);
      memory.bytes.set(bytes, at + kept);
      this.#open(memory, at, at + kept + bytes.length);
    });
  }

  received(at: number, to: number): void {
    if (this.#readEnded || this.#aborted || this.#failure !== null) return;
    const { received } = this.#loop;
    const kept = this.#records.recall(received, at - this.#records.keptBytes);
    this.#open(received, at - kept, to);
  }

  #openKept(): void {
    const kept = this.#records.keptBytes;
    this.#loop.withScratch(kept, (memory, at) => {
      this.#records.recall(memory, at);
      this.#open(memory, at, at + kept);
    });
  }

  /** Opens what is complete and hands it up; keeps the rest. */
  #open(memory: Memory, from: number, to: number): void {
    const records = this.#records;
    const { opener } = records;
    let at = from;
    this.#rest.touch();
    while (!this.#paused && !this.#aborted && this.#handler !== null) {
      const opened = opener.open(memory, at, to);
      at = opener.at;
      if (opened === Opened.Data) {
        this.#handler.onData(new Uint8Array(memory.buffer, memory.offset + opener.from, opener.to - opener.from));
        continue;
      }
      if (opened === Opened.End) this.#peerEnded();
      else if (opened === Opened.Failed) this.#fail(opener.alert, opener.why);
      if (opened !== Opened.Need) return;
      break;
    }
    if (this.#aborted) return;
    records.keep(memory, at, to);
    if (this.#socket !== null) this.#socket.headroom = records.keptBytes;
    if (records.sealer.updateOwed && this.#block === null) this.#takeBlock();
  }

  #peerEnded(): void {
    if (this.#socket !== null) this.#socket.headroom = 0;
    this.#readEnded = true;
    this.#handler?.onEnd();
    if (this.#ending) this.#socket?.finish();
  }

  #fail(alert: number, why: string): void {
    this.#failure ??= { t: "failed", why: `tls error: ${why}` };
    if (alert < 0 || this.#ending) {
      this.abort();
      return;
    }
    this.#ending = true;
    this.#records.sealer.alert(this.#block ?? this.#takeBlock(), alert);
    this.flush();
    if (this.#socket === null) this.#carrier.abort();
    else this.#socket.finish();
  }

  // ---- from the carrier

  /** The end of the carrier without the peer's close_notify is a cut: what came may be half of what was meant. */
  onEnd(): void {
    if (this.#readEnded || this.#failure !== null || this.#closed !== null) return;
    this.#failure = { t: "reset", why: "connection closed without close_notify" };
    this.abort();
  }

  onWritable(): void {
    this.#full = false;
    if (!this.#blocked) return;
    this.#blocked = false;
    if (!this.#ending) this.#handler?.onWritable();
  }

  onClose(reason: CloseReason): void {
    this.#dropBlock();
    this.#ending = true;
    this.#closed = this.#failure ?? reason;
    this.#rest.stop();
    this.#records.free();
    const handler = this.#handler;
    this.#handler = null;
    handler?.onClose(this.#closed);
  }

  #report(reason: CloseReason): void {
    this.#loop.defer(() => {
      const handler = this.#handler;
      this.#handler = null;
      handler?.onClose(reason);
    });
  }
}
