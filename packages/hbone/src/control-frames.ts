import { Budget } from "./budgets.ts";
import { ErrorCode, Flag, MAX_STREAM_ID, Setting, errorCodeName } from "./constants.ts";
import type { FrameReader } from "./frame-reader.ts";
import { decodeSettings } from "./frame-rules.ts";
import { getU32, goawayFrame, pingFrame, settingsAckFrame } from "./frame-writer.ts";
import type { Keepalive } from "./keepalive.ts";
import type { MachineCore } from "./machine-core.ts";

/** Payloads of our PINGs, which tell their answers apart. */
export const KEEPALIVE_PING: Uint8Array = Uint8Array.of(0x6c, 0x61, 0x74, 0x65, 0x65, 0x6e, 0, 1);
export const DRAIN_PING: Uint8Array = Uint8Array.of(0x6c, 0x61, 0x74, 0x65, 0x65, 0x6e, 0, 2);

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE. Lengths and stream ids were judged from the head. @see RFC 9113 section 6 */
export class ControlFrames {
  readonly #core: MachineCore;
  readonly #keepalive: Keepalive;
  readonly #onSettingsAck: () => void;

  constructor(core: MachineCore, keepalive: Keepalive, onSettingsAck: () => void) {
    this.#core = core;
    this.#keepalive = keepalive;
    this.#onSettingsAck = onSettingsAck;
  }

  reset(id: number, code: number): void {
    const core = this.#core;
    if (core.isIdle(id)) {
      core.violated({ code: ErrorCode.ProtocolError, why: "RST_STREAM on an idle stream" });
      return;
    }
    if (!core.spend(Budget.Reset)) return;
    const s = core.streams.get(id);
    if (s !== undefined) core.over(s, "peer-reset", { code, by: "peer", why: `stream reset: ${errorCodeName(code)}` });
  }

  settings(h: FrameReader, payload: Uint8Array): void {
    const core = this.#core;
    if (!core.spend(Budget.Settings)) return;
    if ((h.flags & Flag.Ack) !== 0) {
      this.#onSettingsAck();
      return;
    }
    const decoded = decodeSettings(payload, core.role);
    if (!decoded.ok) {
      core.violated(decoded.error);
      return;
    }
    for (const [id, value] of decoded.value) if (!this.#apply(id, value)) return;
    core.peerSettled = true;
    core.control(settingsAckFrame());
  }

  #apply(id: number, value: number): boolean {
    const core = this.#core;
    if (id === Setting.HeaderTableSize) core.announceTable = "table-size-zero";
    else if (id === Setting.MaxConcurrentStreams) core.maxStreams = value;
    else if (id === Setting.MaxFrameSize) core.sender.maxFrame = Math.min(value, core.limits.frameBytes);
    else if (id === Setting.InitialWindowSize) return this.#applyInitialWindow(value);
    return true;
  }

  #applyInitialWindow(value: number): boolean {
    const core = this.#core;
    const change = value - core.peerInitialWindow;
    core.peerInitialWindow = value;
    for (const s of core.streams.all()) {
      if (core.sender.grantStream(s, change)) continue;
      core.violated({ code: ErrorCode.FlowControlError, why: "INITIAL_WINDOW_SIZE overflows a window" });
      return false;
    }
    return true;
  }

  ping(h: FrameReader, payload: Uint8Array): void {
    const core = this.#core;
    if ((h.flags & Flag.Ack) === 0) {
      if (core.spend(Budget.Ping)) core.control(pingFrame(payload, "ack"));
    } else if (sameBytes(payload, KEEPALIVE_PING)) this.#keepalive.answered();
    else if (core.draining && core.acceptUpTo === MAX_STREAM_ID && sameBytes(payload, DRAIN_PING)) {
      core.acceptUpTo = core.lastPeerId;
      core.control(goawayFrame(core.lastPeerId, ErrorCode.NoError, ""));
      core.closeIfIdle();
    } else core.spend(Budget.Ping);
  }

  goaway(payload: Uint8Array): void {
    const core = this.#core;
    core.goawayReceived = true;
    const last = getU32(payload, 0) & 0x7fff_ffff;
    if (core.role === "client") {
      for (const s of core.streams.all()) {
        if (s.id > last) core.over(s, "we-reset", { code: ErrorCode.RefusedStream, by: "peer", why: "peer goes away" });
      }
    }
    core.closeIfIdle();
  }

  windowUpdate(id: number, increment: number): void {
    const core = this.#core;
    if (!core.spend(Budget.WindowUpdate)) return;
    if (id === 0) {
      if (increment === 0) core.violated({ code: ErrorCode.ProtocolError, why: "WINDOW_UPDATE of 0" });
      else if (!core.sender.grantConnection(increment))
        core.violated({ code: ErrorCode.FlowControlError, why: "connection window overflow" });
      return;
    }
    const s = core.streams.get(id);
    if (s === undefined) {
      if (core.isIdle(id)) core.violated({ code: ErrorCode.ProtocolError, why: "WINDOW_UPDATE on an idle stream" });
    } else if (increment === 0) core.streamError(s, ErrorCode.ProtocolError, "WINDOW_UPDATE of 0");
    else if (!core.sender.grantStream(s, increment))
      core.streamError(s, ErrorCode.FlowControlError, "stream window overflow");
  }
}
