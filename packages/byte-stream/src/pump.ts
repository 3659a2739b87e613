import type { ByteStream, CloseReason, StreamHandler } from "./byte-stream.ts";

/** What went through one direction. One shape for life: metrics read it while the pump writes it. */
export class Flow {
  bytes = 0;
  chunks = 0;
}

export interface PumpFlows {
  /** Bytes read from `a` and written to `b`. */
  readonly toB: Flow;
  /** Bytes read from `b` and written to `a`. */
  readonly toA: Flow;
}

/** How far one stream of a relay is, as plain data. */
export type PumpSide = {
  /** Its peer has ended, and that was passed on. */
  readonly ended: boolean;
  readonly closed: CloseReason | null;
};

/** A relay's whole state: it holds no bytes itself. */
export type PumpSnapshot = { readonly a: PumpSide; readonly b: PumpSide };

/** A relay that runs. */
export interface Pump {
  /** For another process to go on with, together with the states of both streams. */
  snapshot(): PumpSnapshot;
}

/** Called once, when both streams are over. */
export type PumpDone = (a: CloseReason, b: CloseReason) => void;

/** One direction: what is read from `from` goes to the other side's stream. */
class Side implements StreamHandler {
  readonly from: ByteStream;
  readonly to: ByteStream;
  readonly flow: Flow;
  other: Side | null = null;
  closed: CloseReason | null = null;
  ended = false;
  onBothClosed: (() => void) | null = null;

  constructor(from: ByteStream, to: ByteStream, flow: Flow) {
    this.from = from;
    this.to = to;
    this.flow = flow;
  }

  get state(): PumpSide {
    return { ended: this.ended, closed: this.closed };
  }

  restore(from: PumpSide): void {
    this.ended = from.ended;
    this.closed = from.closed;
  }

  onData(bytes: Uint8Array): void {
    if (this.other !== null && this.other.closed !== null) {
      this.from.abort(); // nobody is left to read this: say so, as a kernel does after close()
      return;
    }
    this.flow.bytes += bytes.length;
    this.flow.chunks += 1;
    if (!this.to.write(bytes)) this.from.pause();
  }

  onWritable(): void {
    this.to.resume();
  }

  onEnd(): void {
    this.ended = true;
    this.to.end();
  }

  onClose(reason: CloseReason): void {
    this.closed = reason;
    if (this.other === null || this.other.closed !== null) {
      this.onBothClosed?.();
      return;
    }
    // Broken after its end: what it sent before is still being flushed, so the other side is not torn down under it.
    if (this.ended) this.to.resume();
    else this.to.abort();
  }
}

/**
 * Relays between two streams until both are over: each direction on its own, an end passed on as an end while the other
 * direction lives, a reset passed on as a reset, back-pressure passed on as it is. Holds no bytes itself. Attaches both.
 * To cut a relay short, abort either stream.
 * @see dataplane contract 4.7
 */
export function pump(a: ByteStream, b: ByteStream, flows: PumpFlows, done: PumpDone): Pump {
  const relay = new Relay(a, b, flows, done);
  relay.start();
  return relay;
}

/**
 * Goes on with a relay where `snapshot` found it. A stream that was closed then is not attached; its place may be taken by one
 * that does nothing.
 */
export function restorePump(
  streams: { readonly a: ByteStream; readonly b: ByteStream },
  from: PumpSnapshot,
  flows: PumpFlows,
  done: PumpDone,
): Pump {
  const relay = new Relay(streams.a, streams.b, flows, done);
  relay.restore(from);
  relay.start();
  return relay;
}

class Relay implements Pump {
  readonly #a: Side;
  readonly #b: Side;

  constructor(a: ByteStream, b: ByteStream, flows: PumpFlows, done: PumpDone) {
    const fromA = new Side(a, b, flows.toB);
    const fromB = new Side(b, a, flows.toA);
    const bothClosed = (): void => {
      if (fromA.closed !== null && fromB.closed !== null) done(fromA.closed, fromB.closed);
    };
    fromA.other = fromB;
    fromB.other = fromA;
    fromA.onBothClosed = bothClosed;
    fromB.onBothClosed = bothClosed;
    this.#a = fromA;
    this.#b = fromB;
  }

  start(): void {
    for (const side of [this.#a, this.#b]) if (side.closed === null) side.from.attach(side);
  }

  restore(from: PumpSnapshot): void {
    this.#a.restore(from.a);
    this.#b.restore(from.b);
  }

  snapshot(): PumpSnapshot {
    return { a: this.#a.state, b: this.#b.state };
  }
}
