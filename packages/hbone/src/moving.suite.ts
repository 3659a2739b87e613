import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import { decodeCbor, encodeCbor } from "@lateen/cbor";
import type { Cancel, ConnectRequest, HboneClient, HboneConnection, HboneStream } from "./api.ts";
import { type RestoredHboneClient, hboneClient, restoreHboneClient } from "./client.ts";
import { sameBytes } from "./control-frames.ts";
import { type RestoredHboneServer, hboneServer, restoreHboneServer } from "./server.ts";
import { type HboneSnapshot, readHboneSnapshot } from "./snapshot.ts";

const NOWHERE = { ip: "127.0.0.1", port: 1 };
const HIGH_WATER = 100_000;
const PATTERN = Uint8Array.from({ length: 1 << 16 }, (_, i) => (i * 7 + (i >>> 8) * 13) & 0xff);

function patternFrom(at: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = PATTERN[(at + i) & 0xffff]!;
  return out;
}

/** One end of a carrier that delivers exactly as much as it is told to, when it is told to. */
export class WireEnd implements ByteStream {
  readonly local = NOWHERE;
  readonly remote = NOWHERE;
  buffered = 0;
  ending = false;
  endTold = false;
  aborted = false;
  #blocked = false;
  #handler: StreamHandler | null = null;
  #out: Uint8Array[] = [];

  attach(handler: StreamHandler): void {
    this.#handler = handler;
  }
  write(head: Uint8Array, body?: Uint8Array): boolean {
    for (const part of body === undefined ? [head] : [head, body]) {
      if (part.length > 0) this.#out.push(part.slice());
      this.buffered += part.length;
    }
    this.#blocked ||= this.buffered > HIGH_WATER;
    return !this.#blocked;
  }
  end(): void {
    this.ending = true;
  }
  pause(): void {}
  resume(): void {}
  abort(): void {
    this.aborted = true;
  }

  /** Hands at most this much to the other end. @returns whether anything happened */
  deliver(to: WireEnd, max: number): boolean {
    const first = this.#out[0];
    if (first !== undefined) {
      const chunk = first.subarray(0, max);
      if (chunk.length === first.length) this.#out.shift();
      else this.#out[0] = first.subarray(max);
      this.buffered -= chunk.length;
      to.#handler?.onData(chunk.slice());
    } else if (this.ending && !this.endTold) {
      this.endTold = true;
      to.#handler?.onEnd();
    } else return false;
    if (this.#blocked && this.buffered < HIGH_WATER / 2) {
      this.#blocked = false;
      this.#handler?.onWritable();
    }
    return true;
  }
}

/** What one process sees of a carrier: once the process has given it away, nothing passes any more, in either direction. */
class Lease implements ByteStream, StreamHandler {
  readonly local = NOWHERE;
  readonly remote = NOWHERE;
  alive = true;
  readonly #wire: WireEnd;
  #handler: StreamHandler | null = null;
  constructor(wire: WireEnd) {
    this.#wire = wire;
  }
  get buffered(): number {
    return this.#wire.buffered;
  }
  attach(handler: StreamHandler): void {
    this.#handler = handler;
    this.#wire.attach(this);
  }
  write(head: Uint8Array, body?: Uint8Array): boolean {
    return this.alive ? this.#wire.write(head, body) : true;
  }
  end(): void {
    if (this.alive) this.#wire.end();
  }
  pause(): void {}
  resume(): void {}
  abort(): void {
    if (this.alive) this.#wire.abort();
  }
  onData(bytes: Uint8Array): void {
    this.#handler?.onData(bytes);
  }
  onEnd(): void {
    this.#handler?.onEnd();
  }
  onWritable(): void {
    this.#handler?.onWritable();
  }
  onClose(reason: CloseReason): void {
    this.#handler?.onClose(reason);
  }
}

/** One end of one CONNECT across all processes that have it in turn. Counts, checks and remembers. */
export class Party {
  stream: HboneStream | null = null;
  failed = false;
  sent = 0;
  received = 0;
  ended = false;
  ending = false;
  room = true;
  paused = false;
  closed: CloseReason | null = null;
  fault: string | null = null;
  #generation = 0;

  /** Takes up the stream as its present process has it. Calls of former ones are faults. */
  attach(stream: HboneStream): void {
    const generation = ++this.#generation;
    const mine = (): boolean => generation === this.#generation;
    this.stream = stream;
    stream.attach({
      onData: (bytes) => {
        if (!mine()) return;
        if (this.ended || this.paused) this.fault ??= "bytes after the end, or while paused";
        for (let i = 0; i < bytes.length; i++)
          if (bytes[i] !== PATTERN[(this.received + i) & 0xffff]) this.fault ??= `wrong byte at ${this.received + i}`;
        this.received += bytes.length;
      },
      onEnd: () => {
        if (!mine()) return;
        if (this.ended) this.fault ??= "two ends";
        this.ended = true;
      },
      onWritable: () => {
        if (mine()) this.room = true;
      },
      onClose: (reason) => {
        if (!mine()) return;
        if (this.closed !== null) this.fault ??= "closed twice";
        this.closed = reason;
      },
    });
  }

  send(bytes: number): void {
    if (this.stream === null || this.ending || !this.room || this.closed !== null) return;
    const cut = bytes > 10 ? 7 : 0;
    const all = patternFrom(this.sent, bytes);
    this.room = cut === 0 ? this.stream.write(all) : this.stream.write(all.subarray(0, cut), all.subarray(cut));
    this.sent += bytes;
  }

  end(): void {
    if (this.stream === null || this.ending) return;
    this.ending = true;
    this.stream.end();
  }

  abort(): void {
    this.ending = true;
    this.stream?.abort();
  }
}

/** One CONNECT: both of its ends. */
export interface Call {
  readonly near: Party;
  readonly far: Party;
  cancel: Cancel;
  aborted: boolean;
}

/**
 * A client and a server that live in a sequence of processes each: `move` ends one side and goes on from its snapshot, which has
 * been bytes meanwhile.
 */
export class Journey {
  readonly wires = [new WireEnd(), new WireEnd()] as const;
  readonly calls: Call[] = [];
  readonly waiting: { request: ConnectRequest; readonly call: Call }[] = [];
  moves = 0;
  client: HboneClient;
  server: HboneConnection;
  #clientLease: Lease;
  #serverLease: Lease;
  #serverIds = new Map<number, Call>();
  #clientIds = new Map<number, Call>();
  #tasks: { readonly lease: Lease; readonly run: () => void }[] = [];

  constructor() {
    this.#clientLease = new Lease(this.wires[0]);
    this.#serverLease = new Lease(this.wires[1]);
    const options = { trust: "authenticated", nowMs: 0 } as const;
    this.client = hboneClient(this.#clientLease, { ...options, defer: this.#defer(this.#clientLease) });
    this.server = hboneServer(this.#serverLease, { ...options, defer: this.#defer(this.#serverLease) }, (r) =>
      this.#requested(r),
    );
  }

  #defer(lease: Lease): (run: () => void) => void {
    return (run) => void this.#tasks.push({ lease, run });
  }

  /** Deferred work of processes that are gone is gone too. */
  runTasks(): boolean {
    const tasks = this.#tasks.splice(0).filter(({ lease }) => lease.alive);
    for (const { run } of tasks) run();
    return tasks.length > 0;
  }

  /** Delivers up to `bytes` in one direction. */
  deliver(from: 0 | 1, bytes: number): boolean {
    return this.wires[from].deliver(this.wires[1 - from]!, bytes);
  }

  open(): void {
    if (!this.client.ready) return;
    const call: Call = { near: new Party(), far: new Party(), cancel: () => {}, aborted: false };
    this.#clientIds.set(2 * this.calls.length + 1, call);
    this.calls.push(call);
    call.cancel = this.client.connect({ authority: `10.0.0.1:${this.calls.length}`, headers: [["x", "y"]] }, (r) => {
      if (r.ok) call.near.attach(r.value);
      else call.near.failed = true;
    });
  }

  #requested(request: ConnectRequest): void {
    const index = Number(request.authority.split(":")[1]) - 1;
    this.waiting.push({ request, call: this.calls[index]! });
    this.#serverIds.set(2 * index + 1, this.calls[index]!);
  }

  /** Answers the oldest request. */
  answer(how: "accept" | "refuse"): void {
    const next = this.waiting.shift();
    if (next === undefined) return;
    if (how === "accept") return next.call.far.attach(next.request.accept([["a", "b"]]));
    next.request.refuse(503);
    next.call.aborted = true;
  }

  /** @returns why it could not be moved */
  move(side: "client" | "server"): string | null {
    const taken = (side === "client" ? this.client : this.server).snapshot();
    if (!taken.ok) return taken.error;
    const snapshot = travelled(taken.value);
    this.moves += 1;
    if (side === "client") this.#moveClient(snapshot);
    else this.#moveServer(snapshot);
    const again = (side === "client" ? this.client : this.server).snapshot();
    if (!again.ok) return again.error;
    return sameBytes(encodeCbor(travelled(again.value)), encodeCbor(snapshot)) ? null : "it is not what it was";
  }

  #moveClient(snapshot: HboneSnapshot): void {
    this.#clientLease.alive = false;
    this.#clientLease = new Lease(this.wires[0]);
    const options = { nowMs: 0, defer: this.#defer(this.#clientLease) };
    const restored: RestoredHboneClient = restoreHboneClient(this.#clientLease, snapshot, options);
    this.client = restored.connection;
    for (const [id, stream] of restored.streams) this.#clientIds.get(id)!.near.attach(stream);
    for (const [id, resume] of restored.openings) {
      const call = this.#clientIds.get(id)!;
      call.cancel = resume({ authority: "", headers: [] }, (r) => {
        if (r.ok) call.near.attach(r.value);
        else call.near.failed = true;
      });
    }
  }

  #moveServer(snapshot: HboneSnapshot): void {
    this.#serverLease.alive = false;
    this.#serverLease = new Lease(this.wires[1]);
    const options = { nowMs: 0, defer: this.#defer(this.#serverLease) };
    const restored: RestoredHboneServer = restoreHboneServer(this.#serverLease, snapshot, options, (r) =>
      this.#requested(r),
    );
    this.server = restored.connection;
    for (const [id, stream] of restored.streams) this.#serverIds.get(id)!.far.attach(stream);
    const before = this.waiting.splice(0);
    for (const request of restored.requests) this.#requested(request);
    // One that was abandoned meanwhile is no longer among them; nobody waits for its answer.
    for (const { call } of before) if (!this.waiting.some((w) => w.call === call)) call.aborted = true;
  }

  /** Lets everything happen that can. */
  settle(): void {
    for (let busy = true; busy;)
      busy = [this.deliver(0, 1 << 20), this.deliver(1, 1 << 20), this.runTasks()].includes(true);
  }

  /** Accepts what waits, lets both sides of every call finish what they have to say, and end. */
  finish(): void {
    this.settle();
    while (this.waiting.length > 0) this.answer("accept");
    const parties = this.calls.flatMap((c) => [c.near, c.far]);
    for (const p of parties) {
      p.paused = false;
      p.stream?.resume();
    }
    this.settle();
    for (const p of parties) p.end();
    this.settle();
  }
}

/** A snapshot after it was bytes. */
export function travelled(snapshot: HboneSnapshot): HboneSnapshot {
  const decoded = decodeCbor(encodeCbor(snapshot));
  if (!decoded.ok) throw decoded.error;
  const read = readHboneSnapshot(decoded.value);
  if (!read.ok) throw read.error;
  return read.value;
}
