import { STREAM_WINDOW } from "./constants.ts";
import type { Ending } from "./ending.ts";
import { joinBytes } from "./byte-queue.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { StreamSnapshot } from "./snapshot.ts";

/** How a stream ended: with both directions done (`code` null), or reset. */
export interface Fate {
  readonly code: number | null;
  readonly by: "peer" | "us";
  readonly why: string;
}

export const ENDED: Fate = { code: null, by: "peer", why: "ended" };

/** What the machine tells the owner of one stream. `onOver` comes last, exactly once. */
export interface StreamOwner {
  /** @returns true when the bytes are consumed now; else the owner keeps a copy and calls `Machine.consumed` later */
  onData(view: Uint8Array): boolean;
  /** The peer ended its direction. */
  onEnd(): void;
  /** Room to send again. */
  onRoom(): void;
  onOver(fate: Fate): void;
}

/** One stream of a connection. Only the machine and the sender write to it. */
export class StreamState {
  readonly id: number;
  /** The next one in the same part of the table. Only `StreamTable` writes it. */
  nextInTable: StreamState | null = null;
  owner: StreamOwner | null = null;
  /** The CONNECT was answered 200; before that no data may flow. */
  accepted = false;
  /** Not a CONNECT: it was answered 400, and its body is thrown away. */
  answered = false;
  localEnded = false;
  remoteEnded = false;
  /** END_STREAM is to follow the queue. */
  ending = false;
  over = false;
  sendWindow: number;
  readonly receive: ReceiveWindow;
  /** Bytes that wait for window, and where the first of them starts. */
  readonly queue: Uint8Array[] = [];
  queueAt = 0;
  queued = 0;
  /** Bytes of a body that is thrown away (a request that is not CONNECT), and its announced length or -1. */
  bodyBytes = 0;
  bodyLength = -1;

  constructor(id: number, sendWindow: number, receiveWindow: number = STREAM_WINDOW) {
    this.id = id;
    this.receive = new ReceiveWindow(receiveWindow);
    this.sendWindow = sendWindow;
  }
}

/** A stream as it stands, with what it queues in one piece. */
export function snapshotStream(s: StreamState): StreamSnapshot {
  return {
    id: s.id,
    accepted: s.accepted,
    answered: s.answered,
    localEnded: s.localEnded,
    remoteEnded: s.remoteEnded,
    ending: s.ending,
    sendWindow: s.sendWindow,
    receive: s.receive.snapshot(),
    queue: joinBytes(s.queue, s.queueAt),
    bodyBytes: s.bodyBytes,
    bodyLength: s.bodyLength,
  };
}

export function restoreStream(from: StreamSnapshot, receiveWindow: number): StreamState {
  const s = new StreamState(from.id, from.sendWindow, receiveWindow);
  s.accepted = from.accepted;
  s.answered = from.answered;
  s.localEnded = from.localEnded;
  s.remoteEnded = from.remoteEnded;
  s.ending = from.ending;
  s.receive.restore(from.receive);
  if (from.queue.length > 0) s.queue.push(from.queue);
  s.queued = from.queue.length;
  s.bodyBytes = from.bodyBytes;
  s.bodyLength = from.bodyLength;
  return s;
}

/**
 * Remembers the last streams that ended, so that late frames are told from wrong ones. Bounded. Whoever asks does so soon after the
 * end, as a rule, so the latest are looked at first.
 */
export class EndedStreams {
  readonly #ids: number[] = [];
  readonly #endings: Ending[] = [];
  readonly #max: number;
  /** Where the next one goes. */
  #at = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** The last word on a stream is what holds. */
  add(id: number, ending: Ending): void {
    this.#ids[this.#at] = id;
    this.#endings[this.#at] = ending;
    this.#at = (this.#at + 1) % this.#max;
  }

  /** The oldest first. */
  entries(): readonly (readonly [number, Ending])[] {
    const { length } = this.#ids;
    const oldest = length < this.#max ? 0 : this.#at;
    return this.#ids.map((_, i) => {
      const at = (oldest + i) % length;
      return [this.#ids[at]!, this.#endings[at]!] as const; // both have `length`
    });
  }

  get(id: number): Ending | null {
    const ids = this.#ids;
    for (let i = this.#at - 1; i >= 0; i--) if (ids[i] === id) return this.#endings[i] ?? null;
    for (let i = ids.length - 1; i >= this.#at; i--) if (ids[i] === id) return this.#endings[i] ?? null;
    return null;
  }
}
