import { type Result, fail, ok } from "@lateen/errors";
import { ErrorCode, Flag, FrameType, MAX_WINDOW, Setting } from "./constants.ts";
import type { FrameReader } from "./frame-reader.ts";
import { getU32 } from "./frame-writer.ts";

/** A connection error: its code, and the words for GOAWAY and logs. */
export interface Violation {
  readonly code: number;
  readonly why: string;
}

/** No peer has a reason to send more of SETTINGS or of GOAWAY's debug text. */
const MAX_SETTINGS_BYTES = 6 * 64;
const MAX_GOAWAY_BYTES = 16 * 1024;

const protocol = (why: string): Violation => ({ code: ErrorCode.ProtocolError, why });
const size = (why: string): Violation => ({ code: ErrorCode.FrameSizeError, why });
const calm = (why: string): Violation => ({ code: ErrorCode.EnhanceYourCalm, why });

/** Types that name a stream, and types that name the connection. */
const ON_STREAM: ReadonlySet<number> = new Set([
  FrameType.Data,
  FrameType.Headers,
  FrameType.Priority,
  FrameType.RstStream,
]);
const ON_CONNECTION: ReadonlySet<number> = new Set([FrameType.Settings, FrameType.Ping, FrameType.Goaway]);
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FrameType).map(([name, type]) => [type, name] as const),
);

/** What the head of a frame alone proves wrong, for the whole connection. @see RFC 9113 sections 4.2 and 6 */
export function headViolation(h: FrameReader, maxFrame: number): Violation | null {
  const name = NAMES.get(h.type) ?? "unknown frame";
  if (h.length > maxFrame) return size(`${name} over the frame size limit`);
  if (h.streamId === 0 && ON_STREAM.has(h.type)) return protocol(`${name} on stream 0`);
  if (h.streamId !== 0 && ON_CONNECTION.has(h.type)) return protocol(`${name} on a stream`);
  return lengthViolation(h, name);
}

function lengthViolation(h: FrameReader, name: string): Violation | null {
  const wrong = size(`${name} of wrong length`);
  switch (h.type) {
    case FrameType.RstStream:
    case FrameType.WindowUpdate:
      return h.length === 4 ? null : wrong;
    case FrameType.Ping:
      return h.length === 8 ? null : wrong;
    case FrameType.Goaway:
      if (h.length < 8) return wrong;
      return h.length > MAX_GOAWAY_BYTES ? calm("GOAWAY too large") : null;
    case FrameType.Settings:
      if ((h.flags & Flag.Ack) !== 0 ? h.length > 0 : h.length % 6 !== 0) return wrong;
      return h.length > MAX_SETTINGS_BYTES ? calm("SETTINGS too large") : null;
    default:
      return null;
  }
}

export type SettingValue = readonly [id: number, value: number];

/** Values in the order given, unknown ones left out. @see RFC 9113 section 6.5.2 */
export function decodeSettings(
  payload: Uint8Array,
  role: "client" | "server",
): Result<readonly SettingValue[], Violation> {
  const values: SettingValue[] = [];
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = (payload[at]! << 8) | payload[at + 1]!;
    const value = getU32(payload, at + 2);
    const violation = settingViolation(id, value, role);
    if (violation !== null) return fail(violation);
    values.push([id, value]);
  }
  return ok(values);
}

function settingViolation(id: number, value: number, role: "client" | "server"): Violation | null {
  if (id === Setting.EnablePush && value > (role === "server" ? 1 : 0)) return protocol("bad ENABLE_PUSH");
  if (id === Setting.InitialWindowSize && value > MAX_WINDOW)
    return { code: ErrorCode.FlowControlError, why: "INITIAL_WINDOW_SIZE over the limit" };
  if (id === Setting.MaxFrameSize && (value < 16_384 || value > 16_777_215)) return protocol("bad MAX_FRAME_SIZE");
  return null;
}
