import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";

export interface MemoryPairOptions {
  /** `write` returns false from this many undelivered bytes on. Default 64 KiB. */
  readonly highWaterBytes?: number;
  /** Longest chunk handed to `onData`. Default: as written. */
  readonly maxChunkBytes?: number;
  /** Runs a function later, outside the caller. Default `queueMicrotask`. */
  readonly defer?: (run: () => void) => void;
  readonly first?: SocketAddress;
  readonly second?: SocketAddress;
}

const DEFAULT_FIRST: SocketAddress = { ip: "127.0.0.1", port: 1 };
const DEFAULT_SECOND: SocketAddress = { ip: "127.0.0.1", port: 2 };
/** What a lent buffer holds once `onData` has returned: whoever kept the view sees it at once. */
const SCRIBBLE = 0xdb;

class MemoryStream implements ByteStream {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  buffered = 0;
  peer: MemoryStream | null = null;
  handler: StreamHandler | null = null;
  paused = false;
  ending = false;
  endDelivered = false;
  blocked = false;
  closing: CloseReason | null = null;
  closed = false;
  readonly outbox: Uint8Array[] = [];
  readonly #options: Required<Pick<MemoryPairOptions, "highWaterBytes" | "maxChunkBytes">>;
  readonly #wake: () => void;

  constructor(addresses: readonly [SocketAddress, SocketAddress], options: MemoryPairOptions, wake: () => void) {
    [this.local, this.remote] = addresses;
    this.#options = {
      highWaterBytes: options.highWaterBytes ?? 65_536,
      maxChunkBytes: options.maxChunkBytes ?? Number.MAX_SAFE_INTEGER,
    };
    this.#wake = wake;
  }

  attach(handler: StreamHandler): void {
    this.handler = handler;
    this.#wake();
  }

  write(head: Uint8Array, body?: Uint8Array): boolean {
    if (this.ending || this.closing !== null) return true;
    this.#take(head);
    if (body !== undefined) this.#take(body);
    this.#wake();
    this.blocked ||= this.buffered >= this.#options.highWaterBytes;
    return !this.blocked;
  }

  #take(bytes: Uint8Array): void {
    const step = this.#options.maxChunkBytes;
    for (let at = 0; at < bytes.length; at += step) this.outbox.push(bytes.slice(at, at + step));
    this.buffered += bytes.length;
  }

  end(): void {
    if (this.closing !== null) return;
    this.ending = true;
    this.#wake();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#wake();
  }

  abort(): void {
    this.over({ t: "aborted" });
    this.peer?.over({ t: "reset", why: "peer aborted" });
  }

  over(reason: CloseReason): void {
    if (this.closing !== null) return;
    this.closing = reason;
    this.outbox.length = 0;
    this.buffered = 0;
    this.#wake();
  }

  /** Hands one thing on to the peer. @returns whether anything happened */
  deliver(): boolean {
    const to = this.peer;
    if (to === null || to.handler === null || to.closing !== null) return false;
    const chunk = to.paused ? undefined : this.outbox.shift();
    if (chunk !== undefined) {
      this.buffered -= chunk.length;
      to.handler.onData(chunk);
      chunk.fill(SCRIBBLE);
      return true;
    }
    if (!this.ending || this.endDelivered || this.outbox.length > 0 || to.paused) return false;
    this.endDelivered = true;
    to.handler.onEnd();
    return true;
  }

  /** Tells this end's own handler about room and closure. @returns whether anything happened */
  report(): boolean {
    if (this.handler === null || this.closed) return false;
    if (this.closing === null && this.endDelivered && this.peer?.endDelivered === true) this.closing = { t: "ended" };
    if (this.closing !== null) {
      this.closed = true;
      this.handler.onClose(this.closing);
      return true;
    }
    if (!this.blocked || this.buffered > this.#options.highWaterBytes / 2) return false;
    this.blocked = false;
    this.handler.onWritable();
    return true;
  }
}

/**
 * Two connected streams in memory, for tests and in-process use. Deterministic: everything happens in the functions given to
 * `defer`, alternating between the two directions. Bytes are copied in by `write`; a lent view is overwritten as soon as
 * `onData` returns, so code that keeps one fails its test.
 */
export function memoryPair(options: MemoryPairOptions = {}): readonly [ByteStream, ByteStream] {
  const defer = options.defer ?? queueMicrotask;
  let scheduled = false;
  const run = (): void => {
    scheduled = false;
    // Evaluated one by one, not short-circuited: neither direction starves the other.
    for (let busy = true; busy;) busy = [a.deliver(), b.deliver(), a.report(), b.report()].includes(true);
  };
  const wake = (): void => {
    if (scheduled) return;
    scheduled = true;
    defer(run);
  };
  const first = options.first ?? DEFAULT_FIRST;
  const second = options.second ?? DEFAULT_SECOND;
  const a = new MemoryStream([first, second], options, wake);
  const b = new MemoryStream([second, first], options, wake);
  a.peer = b;
  b.peer = a;
  return [a, b];
}

/** A `defer` whose work runs only when told, for tests without an event loop. */
export class ManualLoop {
  readonly #queue: (() => void)[] = [];

  readonly defer = (run: () => void): void => {
    this.#queue.push(run);
  };

  /**
   * Runs until nothing is left.
   * @throws RangeError after `maxSteps`, so that two ends that feed each other for ever fail instead of hanging
   */
  run(maxSteps = 100_000): void {
    for (let i = 0; i < maxSteps; i++) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      next();
    }
    throw new RangeError(`Cannot settle loop: still busy after ${maxSteps} steps`);
  }
}
