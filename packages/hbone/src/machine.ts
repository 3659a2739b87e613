import type { HeaderField } from "./api.ts";
import { Budget } from "./budgets.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FrameType,
  MAX_STREAM_ID,
  PREFACE_TEXT,
  SERVER_MAX_STREAMS,
  Setting,
} from "./constants.ts";
import { ControlFrames, DRAIN_PING, KEEPALIVE_PING, sameBytes } from "./control-frames.ts";
import { DataFrames } from "./data-frames.ts";
import { FrameReader, type FrameSink, Take } from "./frame-reader.ts";
import { type Violation, headViolation } from "./frame-rules.ts";
import { getU32, goawayFrame, pingFrame, settingsFrame, windowUpdateFrame } from "./frame-writer.ts";
import { dependsOn } from "./header-assembler.ts";
import { HeaderFrames } from "./header-frames.ts";
import { Keepalive } from "./keepalive.ts";
import { MachineCore, type MachineEvents, type MachineOptions } from "./machine-core.ts";
import { MAX_QUEUED, type Output } from "./sender.ts";
import type { MachineSnapshot } from "./snapshot.ts";
import { type StreamOwner, StreamState } from "./stream-state.ts";
import type { StreamTable } from "./stream-table.ts";

const PREFACE: Uint8Array = Uint8Array.from(PREFACE_TEXT, (c) => c.charCodeAt(0));
/** How long a peer may take to say its first word after it connected. */
const FIRST_SETTINGS_MS = 20_000;

/**
 * HTTP/2 for CONNECT, either role, without I/O: bytes and ticks in, bytes and events out. Strict in what it accepts; every
 * table, buffer and budget is bounded.
 * @see RFC 9113, dataplane contract 5.2 to 5.8, security reference 3.3
 */
export class Machine implements FrameSink {
  readonly #core: MachineCore;
  readonly #reader = new FrameReader();
  readonly #keepalive: Keepalive;
  readonly #headers: HeaderFrames;
  readonly #data: DataFrames;
  readonly #control: ControlFrames;
  /** Bytes of the client's preface seen so far. */
  #prefaceAt: number;
  #silentMs = 0;

  constructor(options: MachineOptions, output: Output, events: MachineEvents) {
    this.#core = new MachineCore(options, output, events);
    this.#keepalive = new Keepalive(options.nowMs);
    this.#headers = new HeaderFrames(this.#core);
    this.#data = new DataFrames(this.#core);
    this.#control = new ControlFrames(this.#core, this.#keepalive, () => this.#headers.becomeStateless());
    this.#prefaceAt = options.role === "server" ? 0 : PREFACE.length;
  }

  get closed(): boolean {
    return this.#core.closed;
  }

  get active(): number {
    return this.#core.streams.size;
  }

  get streams(): readonly StreamState[] {
    return this.#core.streams.all();
  }

  get maxStreams(): number {
    return this.#core.maxStreams;
  }

  get budgets(): MachineCore["budgets"] {
    return this.#core.budgets;
  }

  /** Whether `open` can succeed. */
  get ready(): boolean {
    const core = this.#core;
    const going = core.closed || core.draining || core.goawayReceived;
    return !going && core.streams.size < core.maxStreams && core.nextId <= MAX_STREAM_ID;
  }

  /** Sends preface and SETTINGS. */
  start(): void {
    const core = this.#core;
    if (core.role === "client") core.control(PREFACE);
    core.control(
      settingsFrame([
        [Setting.HeaderTableSize, 0],
        core.role === "server" ? [Setting.MaxConcurrentStreams, SERVER_MAX_STREAMS] : [Setting.EnablePush, 0],
        [Setting.InitialWindowSize, core.limits.streamWindow],
        [Setting.MaxFrameSize, core.limits.frameBytes],
        [Setting.MaxHeaderListSize, core.headerListLimit],
      ]),
    );
    const more = core.limits.connectionWindow - DEFAULT_WINDOW;
    if (more > 0) core.control(windowUpdateFrame(0, more));
  }

  // ---- moving to another process

  /** Why the state cannot be moved now, null when it can. What is in the way is over after a few more bytes of the peer. */
  get immovable(): string | null {
    if (this.#core.closed) return "it is closing";
    if (this.#headers.open) return "a header block is not complete";
    if (!this.#headers.stateless || !this.#core.peerSettled) return "the peer has not taken our settings yet";
    return null;
  }

  /** The whole state, when it is not `immovable`. Changes nothing. */
  snapshot(): MachineSnapshot {
    return this.#core.snapshot({
      keepalive: this.#keepalive.snapshot(),
      reader: this.#reader.snapshot(),
      data: this.#data.snapshot(),
    });
  }

  /** Goes on from a snapshot, instead of `start`. @returns its streams, which have no owners yet */
  restore(from: MachineSnapshot): StreamTable {
    this.#core.restore(from);
    this.#keepalive.restore(from.keepalive);
    this.#headers.becomeStateless();
    this.#reader.restore(from.reader);
    this.#data.restore(from.data);
    this.#prefaceAt = PREFACE.length;
    return this.#core.streams;
  }

  // ---- input

  receive(bytes: Uint8Array): void {
    if (this.#core.closed) return;
    const rest = this.#prefaceAt < PREFACE.length ? this.#skipPreface(bytes) : bytes;
    if (rest !== null) this.#reader.push(rest, this);
  }

  /** @returns what follows the preface, null when it is wrong */
  #skipPreface(bytes: Uint8Array): Uint8Array | null {
    const part = bytes.subarray(0, PREFACE.length - this.#prefaceAt);
    if (!sameBytes(part, PREFACE.subarray(this.#prefaceAt, this.#prefaceAt + part.length))) {
      this.#core.violated({ code: ErrorCode.ProtocolError, why: "no HTTP/2 preface" });
      return null;
    }
    this.#prefaceAt += part.length;
    return bytes.subarray(part.length);
  }

  /** The carrier that refused more has room again. */
  carrierReady(): void {
    if (!this.#core.closed) this.#core.sender.carrierReady();
  }

  /** The carrier is gone, or ended by the peer: no stream can go on. */
  carrierLost(why: string, how: "flush" | "drop"): void {
    this.#core.shut(ErrorCode.ConnectError, why, how);
  }

  /** Time passes; about once a second. */
  tick(nowMs: number): void {
    const core = this.#core;
    if (core.closed) return;
    const stepMs = this.#keepalive.advance(nowMs);
    core.budgets.refill(stepMs);
    if (!core.peerSettled) {
      this.#silentMs += stepMs;
      if (this.#silentMs >= FIRST_SETTINGS_MS)
        core.violated({ code: ErrorCode.SettingsTimeout, why: "peer sent no SETTINGS" });
      return;
    }
    const due = this.#keepalive.due();
    if (due === "ping") core.control(pingFrame(KEEPALIVE_PING, "ping"));
    else if (due === "timeout") {
      core.control(goawayFrame(core.lastPeerId, ErrorCode.NoError, "ping timeout"));
      core.shut(ErrorCode.NoError, "peer does not answer PING", "drop");
    }
  }

  // ---- commands

  /** Client: opens a stream. The caller checked `ready`. */
  open(fields: readonly HeaderField[], owner: StreamOwner): StreamState {
    const core = this.#core;
    const s = new StreamState(core.nextId, core.peerInitialWindow, core.limits.streamWindow);
    core.nextId += 2;
    s.owner = owner;
    core.streams.add(s);
    core.sendHeaders(s, fields, "open");
    return s;
  }

  /** Server: answers 200; data may flow from here on. */
  accept(s: StreamState, headers: readonly HeaderField[], owner: StreamOwner): void {
    s.owner = owner;
    if (s.over) return;
    s.accepted = true;
    this.#core.sendHeaders(s, [[":status", "200"], ...headers], "open");
  }

  /** Server: answers with an error and no body. */
  refuse(s: StreamState, status: number, headers: readonly HeaderField[]): void {
    this.#core.refuse(s, status, headers);
  }

  /**
   * Sends `head`, then `body`. What must wait for window is copied.
   * @returns whether there is room for more; if not, `owner.onRoom` follows
   */
  send(s: StreamState, head: Uint8Array, body: Uint8Array | null): boolean {
    if (s.over || s.ending) return true;
    if (s.queued > MAX_QUEUED) {
      this.#core.reset(s, ErrorCode.InternalError, "writer ignores back-pressure");
      return true;
    }
    return this.#core.sender.data(s, head, body);
  }

  end(s: StreamState): void {
    if (s.over || s.ending) return;
    this.#core.sender.end(s);
    this.#core.finishIfDone(s);
  }

  reset(s: StreamState, code: number, why: string): void {
    this.#core.reset(s, code, why);
  }

  /** Bytes that `owner.onData` kept have been consumed. */
  consumed(s: StreamState, bytes: number): void {
    this.#core.consumed(s, bytes);
  }

  /** Takes no new streams; closes when the present ones are over. */
  drain(): void {
    const core = this.#core;
    if (core.closed || core.draining) return;
    core.draining = true;
    if (core.role === "server" && core.peerSettled) {
      // In two steps, so that requests already under way are not lost. The second follows the answer to the PING.
      core.control(goawayFrame(MAX_STREAM_ID, ErrorCode.NoError, ""));
      core.control(pingFrame(DRAIN_PING, "ping"));
    } else core.closeIfIdle();
  }

  close(code: number, why: string): void {
    this.#core.close(code, why);
  }

  // ---- frames

  onFrameHead(h: FrameReader): Take {
    const core = this.#core;
    const plain = core.peerSettled && !this.#headers.open;
    if (plain && h.type === FrameType.Data && h.streamId !== 0 && h.length <= core.limits.frameBytes)
      return this.#data.head(h);
    const violation = headViolation(h, core.limits.frameBytes) ?? this.#orderViolation(h);
    if (violation !== null) return this.#refuseFrame(violation);
    switch (h.type) {
      case FrameType.Headers:
      case FrameType.Continuation: {
        const problem = this.#headers.headViolation(h);
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
        return core.spend(Budget.Unknown) ? Take.Skip : Take.Stop;
    }
  }

  #orderViolation(h: FrameReader): Violation | null {
    if (!this.#core.peerSettled && (h.type !== FrameType.Settings || (h.flags & Flag.Ack) !== 0))
      return { code: ErrorCode.ProtocolError, why: "first frame is not SETTINGS" };
    if (this.#headers.open && h.type !== FrameType.Continuation)
      return { code: ErrorCode.ProtocolError, why: "frame inside a header block" };
    return null;
  }

  #priorityHead(h: FrameReader): Take {
    if (!this.#core.spend(Budget.Priority)) return Take.Stop;
    if (h.length === 5) return Take.Gather;
    this.#priorityFault(h.streamId, { code: ErrorCode.FrameSizeError, why: "PRIORITY of wrong length" });
    return this.#core.closed ? Take.Stop : Take.Skip;
  }

  /** A fault of the stream; of the connection when there is no such stream. */
  #priorityFault(id: number, violation: Violation): void {
    const s = this.#core.streams.get(id);
    if (s === undefined) this.#core.violated(violation);
    else this.#core.streamError(s, violation.code, violation.why);
  }

  #refuseFrame(violation: Violation): Take {
    this.#core.violated(violation);
    return Take.Stop;
  }

  onDataBytes(view: Uint8Array): boolean {
    return this.#data.bytes(view);
  }

  onDataDone(): boolean {
    return this.#data.done(this.#reader);
  }

  onFrame(payload: Uint8Array): boolean {
    const h = this.#reader;
    switch (h.type) {
      case FrameType.Headers:
      case FrameType.Continuation:
        this.#headers.frame(h, payload);
        break;
      case FrameType.RstStream:
        this.#control.reset(h.streamId, getU32(payload, 0));
        break;
      case FrameType.Settings:
        this.#control.settings(h, payload);
        break;
      case FrameType.Ping:
        this.#control.ping(h, payload);
        break;
      case FrameType.Goaway:
        this.#control.goaway(payload);
        break;
      case FrameType.WindowUpdate:
        this.#control.windowUpdate(h.streamId, getU32(payload, 0) & 0x7fff_ffff);
        break;
      case FrameType.Priority:
        if (dependsOn(payload, 0) === h.streamId)
          this.#priorityFault(h.streamId, { code: ErrorCode.ProtocolError, why: "stream depends on itself" });
        break;
    }
    return !this.#core.closed;
  }

  onMalformed(code: number, why: string): void {
    this.#core.violated({ code, why });
  }
}
