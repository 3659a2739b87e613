import { part } from "./byte-queue.ts";
import { DEFAULT_MAX_FRAME, DEFAULT_WINDOW, Flag, MAX_WINDOW } from "./constants.ts";
import { HeadSlab } from "./frame-writer.ts";
import type { SenderSnapshot } from "./snapshot.ts";
import type { StreamState } from "./stream-state.ts";
import type { StreamTable } from "./stream-table.ts";

/** Takes bytes for the carrier, in order. @returns false when it wants to wait (the bytes are taken all the same) */
export type Output = (head: Uint8Array, body: Uint8Array | null) => boolean;

/** At most this much of one stream before the next one that waits for connection window has its turn. */
const TURN_BYTES = 65_536;
/** A writer that goes on after `false` is cut off here. */
export const MAX_QUEUED = 4 * 1024 * 1024;
/** Answers to a peer that does not read what we send. */
const MAX_BLOCKED_CONTROL = 1000;

function addKnown<T>(to: Set<T>, item: T | undefined): void {
  if (item !== undefined) to.add(item);
}

/** The sending half: frames, both levels of flow control, and what waits for window. */
export class Sender {
  maxFrame = DEFAULT_MAX_FRAME;
  #window = DEFAULT_WINDOW;
  /** The carrier asked to wait. */
  #blocked = false;
  #blockedControl = 0;
  readonly #output: Output;
  /** A queued END_STREAM went out. */
  readonly #onEnded: (s: StreamState) => void;
  readonly #slab = new HeadSlab();
  /** Streams with queued bytes, in turn order. */
  readonly #queued = new Set<StreamState>();
  /** Streams whose owners wait for `onRoom`. */
  readonly #waiting = new Set<StreamState>();

  constructor(output: Output, onEnded: (s: StreamState) => void) {
    this.#output = output;
    this.#onEnded = onEnded;
  }

  /** Sends a frame that is not DATA. @returns false when too many wait behind a peer that does not read */
  control(bytes: Uint8Array): boolean {
    if (this.#blocked && ++this.#blockedControl > MAX_BLOCKED_CONTROL) return false;
    if (!this.#output(bytes, null)) this.#blocked = true;
    return true;
  }

  /**
   * Sends or queues payload. What is queued is copied: the views are lent.
   * @returns whether there is room for more; if not, `owner.onRoom` follows
   */
  data(s: StreamState, head: Uint8Array, body: Uint8Array | null): boolean {
    const total = head.length + (body === null ? 0 : body.length);
    if (total === 0) return true;
    if (s.queued === 0 && total <= s.sendWindow && total <= this.#window && total <= this.maxFrame) {
      this.#frame(s, total, head, body);
      if (!this.#blocked) return true;
      this.#waiting.add(s);
      return false;
    }
    this.#part(s, head);
    if (body !== null) this.#part(s, body);
    if (s.queued === 0 && !this.#blocked) return true;
    this.#waiting.add(s);
    return false;
  }

  /** Ends our direction behind what is queued. */
  end(s: StreamState): void {
    s.ending = true;
    if (s.queued === 0) this.#sendEnd(s);
  }

  #sendEnd(s: StreamState): void {
    s.localEnded = true;
    if (!this.#output(this.#slab.data(0, Flag.EndStream, s.id, null), null)) this.#blocked = true;
  }

  #frame(s: StreamState, total: number, head: Uint8Array, body: Uint8Array | null): void {
    s.sendWindow -= total;
    this.#window -= total;
    let took: boolean;
    if (body === null) took = this.#output(this.#slab.data(total, 0, s.id, null), head);
    else if (HeadSlab.joins(head.length)) took = this.#output(this.#slab.data(total, 0, s.id, head), body);
    else {
      this.#output(this.#slab.data(total, 0, s.id, null), head);
      took = this.#output(body, null);
    }
    if (!took) this.#blocked = true;
  }

  /** Sends as much of one view as windows allow and queues a copy of the rest. */
  #part(s: StreamState, bytes: Uint8Array): void {
    let at = 0;
    if (s.queued === 0) at = this.#frames(s, bytes, 0, bytes.length);
    if (at === bytes.length) return;
    s.queue.push(bytes.slice(at));
    s.queued += bytes.length - at;
    this.#queued.add(s);
  }

  /** @returns where it stopped for want of window */
  #frames(s: StreamState, bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const size = Math.min(to - at, s.sendWindow, this.#window, this.maxFrame);
      if (size <= 0) break;
      this.#frame(s, size, at === 0 && size === bytes.length ? bytes : part(bytes, at, at + size), null);
      at += size;
    }
    return at;
  }

  /** @returns false on overflow */
  grantConnection(increment: number): boolean {
    this.#window += increment;
    if (this.#window > MAX_WINDOW) return false;
    this.#flushAll();
    return true;
  }

  /** @returns false on overflow */
  grantStream(s: StreamState, increment: number): boolean {
    s.sendWindow += increment;
    if (s.sendWindow > MAX_WINDOW) return false;
    if (s.queued > 0) this.#flushAll();
    return true;
  }

  /** The carrier has room again: whoever was told to wait may go on. */
  carrierReady(): void {
    this.#blocked = false;
    this.#blockedControl = 0;
    for (const s of this.#waiting) {
      if (this.#blocked) return;
      this.#tellRoom(s);
    }
  }

  /** Sends what the windows allow, in turns. */
  #flushAll(): void {
    for (let progress = true; progress && this.#window > 0;) {
      progress = false;
      for (const s of this.#queued) {
        if (this.#flushTurn(s)) progress = true;
      }
    }
  }

  #flushTurn(s: StreamState): boolean {
    let turn = TURN_BYTES;
    for (let first = s.queue[0]; first !== undefined && turn > 0; first = s.queue[0]) {
      const end = Math.min(first.length, s.queueAt + turn);
      const at = this.#frames(s, first, s.queueAt, end);
      const sent = at - s.queueAt;
      if (sent === 0) break;
      turn -= sent;
      s.queued -= sent;
      s.queueAt = at;
      if (at === first.length) {
        s.queue.shift(); // few entries: writers stop at the first `false`
        s.queueAt = 0;
      }
    }
    if (s.queued === 0) this.#drained(s);
    return turn < TURN_BYTES;
  }

  #drained(s: StreamState): void {
    this.#queued.delete(s);
    if (s.ending && !s.localEnded) {
      this.#sendEnd(s);
      this.#onEnded(s);
    } else if (!this.#blocked) this.#tellRoom(s);
  }

  #tellRoom(s: StreamState): void {
    if (s.queued > 0 || !this.#waiting.delete(s)) return;
    s.owner?.onRoom();
  }

  snapshot(): SenderSnapshot {
    return {
      maxFrame: this.maxFrame,
      window: this.#window,
      blocked: this.#blocked,
      blockedControl: this.#blockedControl,
      turns: Array.from(this.#queued, (s) => s.id),
      waiting: Array.from(this.#waiting, (s) => s.id),
    };
  }

  restore(from: SenderSnapshot, streams: StreamTable): void {
    this.maxFrame = from.maxFrame;
    this.#window = from.window;
    this.#blocked = from.blocked;
    this.#blockedControl = from.blockedControl;
    for (const id of from.turns) addKnown(this.#queued, streams.get(id));
    for (const s of streams.all()) if (s.queued > 0) this.#queued.add(s); // whatever was said of turns, none is forgotten
    for (const id of from.waiting) addKnown(this.#waiting, streams.get(id));
  }

  /** Forgets a stream that is over. */
  drop(s: StreamState): void {
    this.#queued.delete(s);
    this.#waiting.delete(s);
    if (s.queue.length > 0) s.queue.length = 0; // which costs a call into the runtime, even when it was
    s.queued = 0;
  }
}
