import type { HeaderField, Trust } from "./api.ts";
import { Budget, Budgets } from "./budgets.ts";
import {
  ASSUMED_MAX_STREAMS,
  CLIENT_HEADER_LIST,
  CONNECTION_WINDOW,
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FrameType,
  MAX_FRAME,
  MAX_STREAM_ID,
  PREFACE_TEXT,
  SERVER_HEADER_LIST,
  SERVER_MAX_STREAMS,
  STREAM_WINDOW,
  Setting,
  errorCodeName,
} from "./constants.ts";
import { FrameReader, type FrameSink, Take } from "./frame-reader.ts";
import { type Violation, decodeSettings, headViolation } from "./frame-rules.ts";
import {
  getU32,
  goawayFrame,
  headersFrames,
  pingFrame,
  resetFrame,
  settingsAckFrame,
  settingsFrame,
  windowUpdateFrame,
} from "./frame-writer.ts";
import { HeaderAssembler, dependsOn } from "./header-assembler.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { Keepalive } from "./keepalive.ts";
import { classifyRequest, classifyResponse } from "./message-rules.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { type Output, Sender } from "./sender.ts";
import { EndedStreams, type StreamOwner, StreamState } from "./stream-state.ts";

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
}

const PREFACE: Uint8Array = Uint8Array.from(PREFACE_TEXT, (c) => c.charCodeAt(0));
const KEEPALIVE_PING = Uint8Array.of(0x6c, 0x61, 0x74, 0x65, 0x65, 0x6e, 0, 1);
const DRAIN_PING = Uint8Array.of(0x6c, 0x61, 0x74, 0x65, 0x65, 0x6e, 0, 2);
/** How long a peer may take to say its first word after it connected. */
const FIRST_SETTINGS_MS = 20_000;
/** As many endings are remembered as frames of theirs can reasonably be under way. */
const REMEMBERED_ENDINGS = 512;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

/**
 * HTTP/2 for CONNECT, either role, without I/O: bytes and ticks in, bytes and events out. Strict in what it accepts; every
 * table, buffer and budget is bounded.
 * @see RFC 9113, dataplane contract 5.2 to 5.8, security reference 3.3
 */
export class Machine implements FrameSink {
  readonly role: "client" | "server";
  readonly budgets: Budgets;
  closed = false;
  draining = false;
  /** Streams the peer allows us. */
  maxStreams = ASSUMED_MAX_STREAMS;
  readonly #events: MachineEvents;
  readonly #reader = new FrameReader();
  readonly #sender: Sender;
  readonly #decoder = new HpackDecoder();
  readonly #assembler = new HeaderAssembler();
  readonly #keepalive: Keepalive;
  readonly #streams = new Map<number, StreamState>();
  readonly #ended = new EndedStreams(REMEMBERED_ENDINGS);
  readonly #window = new ReceiveWindow(CONNECTION_WINDOW);
  #prefaceAt: number;
  #peerSettled = false;
  #silentMs = 0;
  #peerInitialWindow = DEFAULT_WINDOW;
  #announceTable: "table-size-zero" | "nothing" = "nothing";
  #nextId = 1;
  #lastPeerId = 0;
  /** Streams above this are not looked at any more (we sent GOAWAY). */
  #acceptUpTo = MAX_STREAM_ID;
  #goawayReceived = false;
  /** Receiver of the DATA frame being read, null while one is thrown away; and how much content it had so far. */
  #dataStream: StreamState | null = null;
  #dataBytes = 0;

  constructor(options: MachineOptions, output: Output, events: MachineEvents) {
    this.role = options.role;
    this.budgets = new Budgets(options.trust);
    this.#keepalive = new Keepalive(options.nowMs);
    this.#events = events;
    this.#sender = new Sender(output);
    this.#sender.onEnded = (s) => this.#finishIfDone(s);
    this.#prefaceAt = options.role === "server" ? 0 : PREFACE.length;
  }

  get active(): number {
    return this.#streams.size;
  }

  /** Whether `open` can succeed. */
  get ready(): boolean {
    return (
      !this.closed &&
      !this.draining &&
      !this.#goawayReceived &&
      this.#streams.size < this.maxStreams &&
      this.#nextId <= MAX_STREAM_ID
    );
  }

  /** Sends preface and SETTINGS. */
  start(): void {
    const server = this.role === "server";
    if (!server) this.#control(PREFACE);
    this.#control(
      settingsFrame([
        [Setting.HeaderTableSize, 0],
        server ? [Setting.MaxConcurrentStreams, SERVER_MAX_STREAMS] : [Setting.EnablePush, 0],
        [Setting.InitialWindowSize, STREAM_WINDOW],
        [Setting.MaxFrameSize, MAX_FRAME],
        [Setting.MaxHeaderListSize, this.#headerListLimit()],
      ]),
    );
    this.#control(windowUpdateFrame(0, CONNECTION_WINDOW - DEFAULT_WINDOW));
  }

  #headerListLimit(): number {
    return this.role === "server" ? SERVER_HEADER_LIST : CLIENT_HEADER_LIST;
  }

  // ---- input -------------------------------------------------------------------------------------------------------------

  receive(bytes: Uint8Array): void {
    if (this.closed) return;
    let rest = bytes;
    if (this.#prefaceAt < PREFACE.length) {
      const part = rest.subarray(0, PREFACE.length - this.#prefaceAt);
      if (!sameBytes(part, PREFACE.subarray(this.#prefaceAt, this.#prefaceAt + part.length))) {
        this.#violated({ code: ErrorCode.ProtocolError, why: "no HTTP/2 preface" });
        return;
      }
      this.#prefaceAt += part.length;
      rest = rest.subarray(part.length);
    }
    this.#reader.push(rest, this);
  }

  /** The carrier that refused more has room again. */
  carrierReady(): void {
    if (!this.closed) this.#sender.carrierReady();
  }

  /** The carrier is gone: nothing can be sent. */
  carrierLost(why: string): void {
    if (!this.closed) this.#shut(ErrorCode.ConnectError, why, "drop");
  }

  /** Time passes; about once a second. */
  tick(nowMs: number): void {
    if (this.closed) return;
    const stepMs = this.#keepalive.advance(nowMs);
    this.budgets.refill(stepMs);
    if (!this.#peerSettled) {
      this.#silentMs += stepMs;
      if (this.#silentMs >= FIRST_SETTINGS_MS)
        this.#violated({ code: ErrorCode.SettingsTimeout, why: "peer sent no SETTINGS" });
      return;
    }
    const due = this.#keepalive.due();
    if (due === "ping") this.#control(pingFrame(KEEPALIVE_PING, "ping"));
    else if (due === "timeout") {
      this.#control(goawayFrame(this.#lastPeerId, ErrorCode.NoError, "ping timeout"));
      this.#shut(ErrorCode.NoError, "peer does not answer PING", "drop");
    }
  }

  // ---- commands ----------------------------------------------------------------------------------------------------------

  /** Client: opens a stream. The caller checked `ready`. */
  open(fields: readonly HeaderField[], owner: StreamOwner): StreamState {
    const s = new StreamState(this.#nextId, this.#peerInitialWindow);
    this.#nextId += 2;
    s.owner = owner;
    this.#streams.set(s.id, s);
    this.#sendHeaders(s, fields, "open");
    return s;
  }

  /** Server: answers 200; data may flow from here on. */
  accept(s: StreamState, headers: readonly HeaderField[], owner: StreamOwner): void {
    s.owner = owner;
    if (s.over) return;
    s.accepted = true;
    this.#sendHeaders(s, [[":status", "200"], ...headers], "open");
  }

  /** Server: answers with an error and no body. */
  refuse(s: StreamState, status: number, headers: readonly HeaderField[]): void {
    if (s.over) return;
    s.owner = null;
    this.#sendHeaders(s, [[":status", String(status)], ...headers], "end-stream");
    s.localEnded = true;
    if (s.remoteEnded) this.#finishIfDone(s);
    else this.reset(s, ErrorCode.NoError, "refused"); // asks the client to stop without failing it
  }

  /** @returns whether there is room for more; if not `owner.onRoom` follows */
  send(s: StreamState, head: Uint8Array, body: Uint8Array | null): boolean {
    return s.over || s.ending ? true : this.#sender.data(s, head, body);
  }

  end(s: StreamState): void {
    if (s.over || s.ending) return;
    this.#sender.end(s);
    this.#finishIfDone(s);
  }

  reset(s: StreamState, code: number, why: string): void {
    if (s.over) return;
    this.#control(resetFrame(s.id, code));
    this.#over(s, "we-reset", code, "us", why);
  }

  /** Bytes that `owner.onData` kept have been consumed. */
  consumed(s: StreamState, bytes: number): void {
    if (this.closed) return;
    const connection = this.#window.consume(bytes);
    if (connection > 0) this.#control(windowUpdateFrame(0, connection));
    if (s.over || s.remoteEnded) return;
    const stream = s.receive.consume(bytes);
    if (stream > 0) this.#control(windowUpdateFrame(s.id, stream));
  }

  /** Takes no new streams; closes when the present ones are over. */
  drain(): void {
    if (this.closed || this.draining) return;
    this.draining = true;
    if (this.role === "server" && this.#peerSettled) {
      // In two steps, so that requests already under way are not lost. The second follows the answer to the PING.
      this.#control(goawayFrame(MAX_STREAM_ID, ErrorCode.NoError, ""));
      this.#control(pingFrame(DRAIN_PING, "ping"));
    } else this.#closeIfIdle();
  }

  close(code: number, why: string): void {
    if (this.closed) return;
    this.#control(goawayFrame(this.#lastPeerId, code, why));
    this.#shut(code, why, "flush");
  }

  // ---- frames ------------------------------------------------------------------------------------------------------------

  onFrameHead(h: FrameReader): Take {
    if (h.type === FrameType.Data && this.#peerSettled && this.#assembler.streamId === 0 && h.length <= MAX_FRAME)
      return this.#dataHead(h);
    const violation = headViolation(h) ?? this.#orderViolation(h);
    if (violation !== null) return this.#refuseFrame(violation);
    switch (h.type) {
      case FrameType.Headers:
      case FrameType.Continuation: {
        const problem = this.#assembler.headProblem(h);
        return problem === null ? Take.Gather : this.#refuseFrame(problem);
      }
      case FrameType.RstStream:
      case FrameType.Settings:
      case FrameType.Ping:
      case FrameType.Goaway:
      case FrameType.WindowUpdate:
        return Take.Gather;
      case FrameType.Priority:
        return this.#priorityHead(h);
      case FrameType.PushPromise:
        return this.#refuseFrame({ code: ErrorCode.ProtocolError, why: "PUSH_PROMISE" });
      default:
        return this.#spend(Budget.Unknown) ? Take.Skip : Take.Stop;
    }
  }

  onMalformed(code: number, why: string): void {
    this.#violated({ code, why });
  }

  #refuseFrame(violation: Violation): Take {
    this.#violated(violation);
    return Take.Stop;
  }

  #orderViolation(h: FrameReader): Violation | null {
    if (!this.#peerSettled && (h.type !== FrameType.Settings || (h.flags & Flag.Ack) !== 0))
      return { code: ErrorCode.ProtocolError, why: "first frame is not SETTINGS" };
    if (this.#assembler.streamId !== 0 && h.type !== FrameType.Continuation)
      return { code: ErrorCode.ProtocolError, why: "frame inside a header block" };
    return null;
  }

  #priorityHead(h: FrameReader): Take {
    if (!this.#spend(Budget.Priority)) return Take.Stop;
    if (h.length === 5) return Take.Gather;
    this.#streamViolated(h.streamId, { code: ErrorCode.FrameSizeError, why: "PRIORITY of wrong length" });
    return this.closed ? Take.Stop : Take.Skip;
  }

  onFrame(payload: Uint8Array): boolean {
    const h = this.#reader;
    switch (h.type) {
      case FrameType.Headers:
      case FrameType.Continuation:
        this.#headerFrame(h, payload);
        break;
      case FrameType.RstStream:
        this.#resetFrame(h.streamId, getU32(payload, 0));
        break;
      case FrameType.Settings:
        this.#settings(h, payload);
        break;
      case FrameType.Ping:
        this.#ping(h, payload);
        break;
      case FrameType.Goaway:
        this.#goaway(payload);
        break;
      case FrameType.WindowUpdate:
        this.#windowUpdate(h.streamId, getU32(payload, 0) & 0x7fff_ffff);
        break;
      case FrameType.Priority:
        if (dependsOn(payload, 0) === h.streamId)
          this.#streamViolated(h.streamId, { code: ErrorCode.ProtocolError, why: "stream depends on itself" });
        break;
    }
    return !this.closed;
  }

  // ---- DATA --------------------------------------------------------------------------------------------------------------

  #dataHead(h: FrameReader): Take {
    this.#dataStream = null;
    this.#dataBytes = 0;
    if (h.streamId === 0) return this.#refuseFrame({ code: ErrorCode.ProtocolError, why: "DATA on stream 0" });
    if (!this.#window.take(h.length))
      return this.#refuseFrame({ code: ErrorCode.FlowControlError, why: "connection window overrun" });
    const s = this.#streams.get(h.streamId);
    if (s === undefined) this.#lateData(h.streamId);
    else if (s.remoteEnded) this.#streamError(s, ErrorCode.StreamClosed, "DATA after END_STREAM");
    else if (!s.receive.take(h.length)) this.#streamError(s, ErrorCode.FlowControlError, "stream window overrun");
    else if (!s.accepted && !this.#earlyData(s, h)) this.#dataStream = null;
    else this.#dataStream = s;
    return this.closed ? Take.Stop : Take.Data;
  }

  /** DATA for a stream that is not there. */
  #lateData(id: number): void {
    if (this.#isIdle(id)) this.#violated({ code: ErrorCode.ProtocolError, why: "DATA on an idle stream" });
    else if (this.#ended.get(id) !== "we-reset" && this.#spend(Budget.Reset)) {
      this.#ended.add(id, "we-reset");
      this.#control(resetFrame(id, ErrorCode.StreamClosed));
    }
  }

  /**
   * DATA before a 200. A server throws away the body of a request that was answered; a client that sends bytes before its
   * CONNECT was accepted is refused, so that no byte can pass a decision that was not made. An empty end is harmless.
   * @returns whether the frame is to be processed
   */
  #earlyData(s: StreamState, h: FrameReader): boolean {
    if (s.answered) return true;
    if (this.role === "client") this.#streamError(s, ErrorCode.ProtocolError, "DATA before the response");
    else if (h.length === 0 && (h.flags & Flag.EndStream) !== 0) return true;
    else if (this.#spend(Budget.Reset)) {
      const owner = s.owner;
      this.refuse(s, 400, []);
      owner?.onOver(ErrorCode.ProtocolError, "peer", "data before CONNECT was accepted");
    }
    return false;
  }

  onDataBytes(view: Uint8Array): boolean {
    const s = this.#dataStream;
    this.#dataBytes += view.length;
    if (s === null || s.over) this.#creditConnection(view.length);
    else if (s.owner === null) {
      s.bodyBytes += view.length;
      this.consumed(s, view.length);
    } else if (s.owner.onData(view)) this.consumed(s, view.length);
    return !this.closed;
  }

  #creditConnection(bytes: number): void {
    const increment = this.#window.consume(bytes);
    if (increment > 0) this.#control(windowUpdateFrame(0, increment));
  }

  onDataDone(): boolean {
    const s = this.#dataStream;
    const h = this.#reader;
    const overhead = h.length - this.#dataBytes; // padding and its length
    if (overhead > 0) {
      if (s === null || s.over) this.#creditConnection(overhead);
      else this.consumed(s, overhead);
    }
    const end = (h.flags & Flag.EndStream) !== 0;
    if (this.#dataBytes === 0 && !end) this.#spend(Budget.EmptyData);
    if (end && s !== null && !s.over) this.#remoteEnd(s);
    return !this.closed;
  }

  #remoteEnd(s: StreamState): void {
    if (s.bodyLength >= 0 && s.bodyBytes !== s.bodyLength) {
      this.#streamError(s, ErrorCode.ProtocolError, "body does not match content-length");
      return;
    }
    s.remoteEnded = true;
    s.owner?.onEnd();
    this.#finishIfDone(s);
  }

  // ---- HEADERS -----------------------------------------------------------------------------------------------------------

  #headerFrame(h: FrameReader, payload: Uint8Array): void {
    const block = this.#assembler.add(h, payload);
    if (block === null) return;
    if (!(block instanceof Uint8Array)) {
      this.#violated(block);
      return;
    }
    const decoded = this.#decoder.decode(block, this.#headerListLimit());
    if (decoded.t === "bad") this.#violated({ code: ErrorCode.CompressionError, why: decoded.why });
    else if (decoded.t === "too-large")
      this.#violated({ code: ErrorCode.EnhanceYourCalm, why: "header list too large" });
    else if (this.role === "server") this.#requestHeaders(h.streamId, decoded.fields);
    else this.#responseHeaders(h.streamId, decoded.fields);
  }

  #requestHeaders(id: number, fields: readonly HeaderField[]): void {
    const s = this.#streams.get(id);
    if (s !== undefined) {
      this.#trailers(s, fields);
      return;
    }
    if (id <= this.#lastPeerId || id % 2 === 0) {
      this.#lateHeaders(id);
      return;
    }
    this.#lastPeerId = id;
    if (id > this.#acceptUpTo) return; // our GOAWAY told the client that this one will not be looked at
    this.#openRequest(id, fields);
  }

  #openRequest(id: number, fields: readonly HeaderField[]): void {
    const s = new StreamState(id, this.#peerInitialWindow);
    s.remoteEnded = this.#assembler.endStream;
    if (this.#streams.size >= SERVER_MAX_STREAMS) {
      this.#streamError(s, ErrorCode.RefusedStream, "too many streams");
      return;
    }
    this.#streams.set(id, s);
    const request = this.#assembler.selfDependent ? null : classifyRequest(fields);
    if (request?.t === "connect") this.#events.onRequest(s, request.authority, request.headers);
    else if (request?.t !== "other")
      this.#streamError(s, ErrorCode.ProtocolError, request?.why ?? "stream depends on itself");
    else if (s.remoteEnded && request.contentLength > 0)
      this.#streamError(s, ErrorCode.ProtocolError, "body does not match content-length");
    else {
      s.bodyLength = request.contentLength;
      this.#sendHeaders(s, [[":status", "400"]], "end-stream");
      s.answered = true;
      s.localEnded = true;
      s.ending = true;
      this.#finishIfDone(s);
    }
  }

  /** A second header block: never part of a CONNECT; the end of another request's body. */
  #trailers(s: StreamState, fields: readonly HeaderField[]): void {
    const wellFormed = s.answered && this.#assembler.endStream && !fields.some(([name]) => name.startsWith(":"));
    if (s.remoteEnded) this.#streamError(s, ErrorCode.StreamClosed, "HEADERS after END_STREAM");
    else if (wellFormed) this.#remoteEnd(s);
    else this.#streamError(s, ErrorCode.ProtocolError, "unexpected HEADERS");
  }

  #responseHeaders(id: number, fields: readonly HeaderField[]): void {
    const s = this.#streams.get(id);
    if (s === undefined) {
      this.#lateHeaders(id);
      return;
    }
    if (s.remoteEnded || s.accepted) {
      const code = s.remoteEnded ? ErrorCode.StreamClosed : ErrorCode.ProtocolError;
      this.#streamError(s, code, "unexpected HEADERS");
      return;
    }
    const response = classifyResponse(fields);
    const end = this.#assembler.endStream;
    if (response.t === "malformed") this.#streamError(s, ErrorCode.ProtocolError, response.why);
    else if (response.t === "informational") {
      if (end) this.#streamError(s, ErrorCode.ProtocolError, "informational response with END_STREAM");
    } else {
      s.accepted = response.status === 200;
      this.#events.onResponse(s, response.status, response.headers);
      this.#afterResponse(s, end);
    }
  }

  #afterResponse(s: StreamState, end: boolean): void {
    if (s.over) return;
    if (end) this.#remoteEnd(s);
    if (s.accepted) return;
    if (end) this.end(s);
    else this.reset(s, ErrorCode.Cancel, "refused by the peer");
  }

  /** HEADERS for a stream that is not there. */
  #lateHeaders(id: number): void {
    const ending = this.#ended.get(id);
    if (ending === "we-reset") return;
    if (ending === "peer-ended") this.#violated({ code: ErrorCode.StreamClosed, why: "HEADERS on a closed stream" });
    else this.#violated({ code: ErrorCode.ProtocolError, why: "HEADERS on a bad stream id" });
  }

  #sendHeaders(s: StreamState, fields: readonly HeaderField[], end: "end-stream" | "open"): void {
    const block = encodeHeaders(fields, this.#announceTable);
    this.#announceTable = "nothing";
    this.#control(headersFrames(s.id, block, end, this.#sender.maxFrame));
  }

  // ---- other frames ------------------------------------------------------------------------------------------------------

  #resetFrame(id: number, code: number): void {
    if (this.#isIdle(id)) {
      this.#violated({ code: ErrorCode.ProtocolError, why: "RST_STREAM on an idle stream" });
      return;
    }
    if (!this.#spend(Budget.Reset)) return;
    const s = this.#streams.get(id);
    if (s !== undefined) this.#over(s, "peer-ended", code, "peer", `stream reset: ${errorCodeName(code)}`);
  }

  #settings(h: FrameReader, payload: Uint8Array): void {
    if (!this.#spend(Budget.Settings)) return;
    if ((h.flags & Flag.Ack) !== 0) {
      this.#decoder.setLimit(0); // the peer now knows that we keep no table
      return;
    }
    const values = decodeSettings(payload, this.role);
    if (!Array.isArray(values)) {
      this.#violated(values as Violation);
      return;
    }
    for (const [id, value] of values) if (!this.#applySetting(id, value)) return;
    this.#peerSettled = true;
    this.#control(settingsAckFrame());
  }

  #applySetting(id: number, value: number): boolean {
    if (id === Setting.HeaderTableSize) this.#announceTable = "table-size-zero";
    else if (id === Setting.MaxConcurrentStreams) this.maxStreams = value;
    else if (id === Setting.MaxFrameSize) this.#sender.maxFrame = Math.min(value, MAX_FRAME);
    else if (id === Setting.InitialWindowSize) {
      const change = value - this.#peerInitialWindow;
      this.#peerInitialWindow = value;
      for (const s of [...this.#streams.values()]) {
        if (this.#sender.grantStream(s, change)) continue;
        this.#violated({ code: ErrorCode.FlowControlError, why: "INITIAL_WINDOW_SIZE overflows a window" });
        return false;
      }
    }
    return true;
  }

  #ping(h: FrameReader, payload: Uint8Array): void {
    if ((h.flags & Flag.Ack) === 0) {
      if (this.#spend(Budget.Ping)) this.#control(pingFrame(payload, "ack"));
    } else if (sameBytes(payload, KEEPALIVE_PING)) this.#keepalive.answered();
    else if (this.draining && sameBytes(payload, DRAIN_PING) && this.#acceptUpTo === MAX_STREAM_ID) {
      this.#acceptUpTo = this.#lastPeerId;
      this.#control(goawayFrame(this.#lastPeerId, ErrorCode.NoError, ""));
      this.#closeIfIdle();
    } else this.#spend(Budget.Ping);
  }

  #goaway(payload: Uint8Array): void {
    this.#goawayReceived = true;
    const last = getU32(payload, 0) & 0x7fff_ffff;
    if (this.role === "client") {
      for (const s of [...this.#streams.values()]) {
        if (s.id > last) this.#over(s, "we-reset", ErrorCode.RefusedStream, "peer", "peer goes away");
      }
    }
    this.#closeIfIdle();
  }

  #windowUpdate(id: number, increment: number): void {
    if (!this.#spend(Budget.WindowUpdate)) return;
    if (id === 0) {
      if (increment === 0) this.#violated({ code: ErrorCode.ProtocolError, why: "WINDOW_UPDATE of 0" });
      else if (!this.#sender.grantConnection(increment))
        this.#violated({ code: ErrorCode.FlowControlError, why: "connection window overflow" });
      return;
    }
    const s = this.#streams.get(id);
    if (s === undefined) {
      if (this.#isIdle(id)) this.#violated({ code: ErrorCode.ProtocolError, why: "WINDOW_UPDATE on an idle stream" });
    } else if (increment === 0) this.#streamError(s, ErrorCode.ProtocolError, "WINDOW_UPDATE of 0");
    else if (!this.#sender.grantStream(s, increment))
      this.#streamError(s, ErrorCode.FlowControlError, "stream window overflow");
  }

  // ---- endings -----------------------------------------------------------------------------------------------------------

  #isIdle(id: number): boolean {
    const ours = (id % 2 === 1) === (this.role === "client");
    return ours ? id >= this.#nextId : id > this.#lastPeerId;
  }

  #finishIfDone(s: StreamState): void {
    if (s.localEnded && s.remoteEnded) this.#over(s, "peer-ended", null, "peer", "ended");
  }

  #over(s: StreamState, ending: "we-reset" | "peer-ended", code: number | null, by: "peer" | "us", why: string): void {
    if (s.over) return;
    s.over = true;
    this.#streams.delete(s.id);
    this.#ended.add(s.id, ending);
    this.#sender.drop(s);
    s.owner?.onOver(code, by, why);
    this.#closeIfIdle();
  }

  /** A stream error that the peer caused. */
  #streamError(s: StreamState, code: number, why: string): void {
    if (this.#spend(Budget.Reset)) this.reset(s, code, why);
  }

  /** A stream error on a stream that may not exist; then the connection is at fault. */
  #streamViolated(id: number, violation: Violation): void {
    const s = this.#streams.get(id);
    if (s === undefined) this.#violated(violation);
    else this.#streamError(s, violation.code, violation.why);
  }

  #violated(violation: Violation): void {
    this.close(violation.code, violation.why);
  }

  /** @returns false when the peer has used up this budget and the connection was closed for it */
  #spend(kind: Budget): boolean {
    const broken = this.budgets.charge(kind);
    if (broken === null) return true;
    this.#violated({ code: ErrorCode.EnhanceYourCalm, why: `too many: ${broken}` });
    return false;
  }

  #control(bytes: Uint8Array): void {
    if (this.closed || this.#sender.control(bytes)) return;
    this.#shut(ErrorCode.EnhanceYourCalm, "peer does not read", "drop");
  }

  #closeIfIdle(): void {
    if (this.closed || this.#streams.size > 0) return;
    const serverDrained =
      this.role === "server" && this.draining && (this.#acceptUpTo !== MAX_STREAM_ID || !this.#peerSettled);
    const clientDrained = this.role === "client" && this.draining;
    if (this.#goawayReceived || serverDrained || clientDrained) this.close(ErrorCode.NoError, "");
  }

  #shut(code: number, why: string, how: "flush" | "drop"): void {
    this.closed = true;
    this.#reader.stop();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const s of streams) {
      s.over = true;
      this.#sender.drop(s);
      s.owner?.onOver(code, "us", why === "" ? errorCodeName(code) : why);
    }
    this.#events.onClosed(code, why, how);
  }
}
