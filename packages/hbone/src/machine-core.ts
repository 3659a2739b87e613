import type { HboneLimits, HeaderField, Trust } from "./api.ts";
import { Budget, Budgets } from "./budgets.ts";
import {
  ASSUMED_MAX_STREAMS,
  CLIENT_HEADER_LIST,
  CONNECTION_WINDOW,
  DEFAULT_WINDOW,
  ErrorCode,
  FRAME_HEAD_BYTES,
  MAX_FRAME,
  MAX_STREAM_ID,
  SERVER_HEADER_LIST,
  STREAM_WINDOW,
  errorCodeName,
} from "./constants.ts";
import type { Violation } from "./frame-rules.ts";
import { goawayFrame, headersFrames, resetFrame, windowUpdateFrame } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { type Output, Sender } from "./sender.ts";
import type { MachineSnapshot } from "./snapshot.ts";
import type { Ending } from "./ending.ts";
import { ENDED, EndedStreams, type Fate, type StreamState, restoreStream, snapshotStream } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";

/** What the machine tells its driver about the connection. */
export interface MachineEvents {
  /** Server: a well-formed CONNECT. The driver sets `s.owner` before it returns. */
  onRequest(s: StreamState, authority: string, headers: readonly HeaderField[]): void;
  /** Client: the final answer. With a status other than 200 the stream is over right after. */
  onResponse(s: StreamState, status: number, headers: readonly HeaderField[]): void;
  /** The connection is over, every stream was told and GOAWAY was given to the output. `flush` asks to send it before closing. */
  onClosed(code: number, why: string, how: "flush" | "drop"): void;
}

export interface MachineOptions {
  readonly role: "client" | "server";
  readonly trust: Trust;
  readonly nowMs: number;
  readonly limits: HboneLimits;
}

export const DEFAULT_LIMITS: HboneLimits = {
  streamWindow: STREAM_WINDOW,
  connectionWindow: CONNECTION_WINDOW,
  frameBytes: MAX_FRAME,
};

/** As many endings are remembered as frames of theirs can reasonably be under way. */
const REMEMBERED_ENDINGS = 512;

/** State that all kinds of frames share, and how streams and the connection end. */
export class MachineCore {
  readonly role: "client" | "server";
  readonly events: MachineEvents;
  readonly budgets: Budgets;
  readonly sender: Sender;
  readonly streams = new StreamTable();
  readonly ended = new EndedStreams(REMEMBERED_ENDINGS);
  /** Longest header list we take, decoded. */
  readonly headerListLimit: number;
  closed = false;
  draining = false;
  /** Streams the peer allows us. */
  maxStreams = ASSUMED_MAX_STREAMS;
  /** The peer's SETTINGS have come. */
  peerSettled = false;
  peerInitialWindow = DEFAULT_WINDOW;
  announceTable: "table-size-zero" | "nothing" = "nothing";
  nextId = 1;
  lastPeerId = 0;
  /** Streams above this are not looked at any more (we sent GOAWAY). */
  acceptUpTo = MAX_STREAM_ID;
  goawayReceived = false;
  /** What we have announced. */
  limits: HboneLimits;
  readonly #window: ReceiveWindow;

  constructor(options: MachineOptions, output: Output, events: MachineEvents) {
    this.role = options.role;
    this.events = events;
    this.budgets = new Budgets(options.trust);
    this.limits = options.limits;
    this.#window = new ReceiveWindow(options.limits.connectionWindow);
    this.headerListLimit = options.role === "server" ? SERVER_HEADER_LIST : CLIENT_HEADER_LIST;
    this.sender = new Sender(output, (s) => this.finishIfDone(s));
  }

  snapshot(parts: Pick<MachineSnapshot, "keepalive" | "reader" | "data">): MachineSnapshot {
    return {
      role: this.role,
      draining: this.draining,
      maxStreams: this.maxStreams,
      peerInitialWindow: this.peerInitialWindow,
      announceTable: this.announceTable,
      nextId: this.nextId,
      lastPeerId: this.lastPeerId,
      acceptUpTo: this.acceptUpTo,
      goawayReceived: this.goawayReceived,
      limits: { ...this.limits },
      window: this.#window.snapshot(),
      ended: this.ended.entries().map(([id, by]) => ({ id, by })),
      budgets: this.budgets.snapshot(),
      sender: this.sender.snapshot(),
      streams: this.streams.all().map(snapshotStream),
      ...parts,
    };
  }

  restore(from: MachineSnapshot): void {
    this.draining = from.draining;
    this.maxStreams = from.maxStreams;
    this.peerSettled = true; // a connection is not moved before
    this.peerInitialWindow = from.peerInitialWindow;
    this.announceTable = from.announceTable;
    this.nextId = from.nextId;
    this.lastPeerId = from.lastPeerId;
    this.acceptUpTo = from.acceptUpTo;
    this.goawayReceived = from.goawayReceived;
    this.limits = from.limits;
    this.#window.restore(from.window);
    for (const { id, by } of from.ended) this.ended.add(id, by);
    this.budgets.restore(from.budgets);
    for (const s of from.streams) this.streams.add(restoreStream(s, this.limits.streamWindow));
    this.sender.restore(from.sender, this.streams);
  }

  /** Whether no HEADERS ever opened this stream. */
  isIdle(id: number): boolean {
    const ours = (id % 2 === 1) === (this.role === "client");
    return ours ? id >= this.nextId : id > this.lastPeerId;
  }

  control(bytes: Uint8Array): void {
    if (this.closed || this.sender.control(bytes)) return;
    this.shut(ErrorCode.EnhanceYourCalm, "peer does not read", "drop");
  }

  sendHeaders(s: StreamState, fields: readonly HeaderField[], end: "end-stream" | "open"): void {
    const block = encodeHeaders(fields, this.announceTable, FRAME_HEAD_BYTES);
    this.announceTable = "nothing";
    this.control(headersFrames(s.id, block, end, this.sender.maxFrame));
  }

  // ---- receive windows

  /** @returns false when the peer overran the connection's window */
  takeConnection(bytes: number): boolean {
    return this.#window.take(bytes);
  }

  creditConnection(bytes: number): void {
    const increment = this.#window.consume(bytes);
    if (increment > 0) this.control(windowUpdateFrame(0, increment));
  }

  /** Received bytes of this stream left our buffers. */
  consumed(s: StreamState, bytes: number): void {
    if (this.closed) return;
    this.creditConnection(bytes);
    if (s.over || s.remoteEnded) return;
    const increment = s.receive.consume(bytes);
    if (increment > 0) this.control(windowUpdateFrame(s.id, increment));
  }

  // ---- ends of streams

  remoteEnd(s: StreamState): void {
    if (s.bodyLength >= 0 && s.bodyBytes !== s.bodyLength) {
      this.streamError(s, ErrorCode.ProtocolError, "body does not match content-length");
      return;
    }
    s.remoteEnded = true;
    s.owner?.onEnd();
    this.finishIfDone(s);
  }

  finishIfDone(s: StreamState): void {
    if (s.localEnded && s.remoteEnded) this.over(s, "complete", ENDED);
  }

  reset(s: StreamState, code: number, why: string): void {
    if (s.over) return;
    this.control(resetFrame(s.id, code));
    this.over(s, "we-reset", { code, by: "us", why });
  }

  over(s: StreamState, ending: Ending, fate: Fate): void {
    if (s.over) return;
    s.over = true;
    this.streams.remove(s);
    this.ended.add(s.id, ending);
    this.sender.drop(s);
    s.owner?.onOver(fate);
    this.closeIfIdle();
  }

  /** Server: answers with an error and no body. */
  refuse(s: StreamState, status: number, headers: readonly HeaderField[]): void {
    if (s.over) return;
    s.owner = null;
    this.sendHeaders(s, [[":status", String(status)], ...headers], "end-stream");
    s.localEnded = true;
    if (s.remoteEnded) this.finishIfDone(s);
    else this.reset(s, ErrorCode.NoError, "refused"); // asks the client to stop without failing it
  }

  // ---- faults of the peer

  /** A stream error that the peer caused. */
  streamError(s: StreamState, code: number, why: string): void {
    if (this.spend(Budget.Reset)) this.reset(s, code, why);
  }

  /** A connection error. */
  violated(violation: Violation): void {
    this.close(violation.code, violation.why);
  }

  /** @returns false when the peer has used up this budget and the connection was closed for it */
  spend(kind: Budget): boolean {
    const broken = this.budgets.charge(kind);
    if (broken === null) return true;
    this.violated({ code: ErrorCode.EnhanceYourCalm, why: `too many: ${broken}` });
    return false;
  }

  // ---- end of the connection

  close(code: number, why: string): void {
    if (this.closed) return;
    this.control(goawayFrame(this.lastPeerId, code, why));
    this.shut(code, why, "flush");
  }

  /** Closes when nothing is left to do for a side that goes away. */
  closeIfIdle(): void {
    if (this.closed || this.streams.size > 0) return;
    const told = this.role === "client" || this.acceptUpTo !== MAX_STREAM_ID || !this.peerSettled;
    if (this.goawayReceived || (this.draining && told)) this.close(ErrorCode.NoError, "");
  }

  shut(code: number, why: string, how: "flush" | "drop"): void {
    if (this.closed) return;
    this.closed = true;
    const streams = this.streams.all();
    this.streams.clear();
    for (const s of streams) {
      s.over = true;
      this.sender.drop(s);
      s.owner?.onOver({ code, by: "us", why: why === "" ? errorCodeName(code) : why });
    }
    this.events.onClosed(code, why, how);
  }
}
