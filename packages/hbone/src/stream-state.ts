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

/** Remembers the last streams that ended, so that late frames are told from wrong ones. Bounded. */
export class EndedStreams {
  readonly #endings = new Map<number, Ending>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  add(id: number, ending: Ending): void {
    this.#endings.set(id, ending);
    if (this.#endings.size <= this.#max) return;
    for (const oldest of this.#endings.keys()) {
      this.#endings.delete(oldest);
      return;
    }
  }

  entries(): readonly (readonly [number, Ending])[] {
    return [...this.#endings];
  }

  get(id: number): Ending | null {
    return this.#endings.get(id) ?? null;
  }
}
