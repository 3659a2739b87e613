/** HTTP/2 as the peer of the endpoint under test writes and reads it: made here, so that the product cannot agree with itself. */
export const Type = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  Goaway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;

export const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 32 } as const;
export const NO_FLAGS = 0;

/** Error codes by the names that the suite gives them. @see RFC 9113 section 7 */
export const ERROR_CODES: Readonly<Record<string, number>> = {
  No: 0,
  Protocol: 1,
  Internal: 2,
  FlowControl: 3,
  SettingsTimeout: 4,
  StreamClosed: 5,
  FrameSize: 6,
  RefusedStream: 7,
  Cancel: 8,
  Compression: 9,
};

export const Setting = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  MaxHeaderListSize: 6,
} as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

export type Field = readonly [name: string, value: string];

export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(9 + payload.length);
  out.set([payload.length >>> 16, payload.length >>> 8, payload.length, type, flags, ...u32(streamId)]);
  out.set(payload, 9);
  return out;
}

/** Splits what the endpoint sent into frames. The bytes begin at a frame. */
export function readFrames(bytes: Uint8Array): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const payload = bytes.slice(at + 9, at + 9 + length);
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, streamId: readU32(bytes, at + 5), payload });
    at += 9 + length;
  }
  return frames;
}

/** Values of a SETTINGS payload by identifier. */
export function readSettings(payload: Uint8Array): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  for (let at = 0; at + 6 <= payload.length; at += 6)
    values.set((payload[at]! << 8) | payload[at + 1]!, readU32(payload, at + 2));
  return values;
}

export function settings(...values: readonly (readonly [id: number, value: number])[]): Uint8Array {
  return frame(
    Type.Settings,
    NO_FLAGS,
    0,
    join(...values.map(([id, value]) => join(Uint8Array.of(id >> 8, id), u32(value)))),
  );
}

export const settingsAck = (): Uint8Array => frame(Type.Settings, Flag.Ack, 0, new Uint8Array(0));

/** PRIORITY payload. */
export const priority = (dependsOn: number, weight = 255): Uint8Array => join(u32(dependsOn), Uint8Array.of(weight));

/** An integer of HPACK with these leading bits. @see RFC 7541 section 5.1 */
export function hpackInteger(value: number, prefixBits: number, leading: number): Uint8Array {
  const full = 2 ** prefixBits - 1;
  if (value < full) return Uint8Array.of(leading | value);
  const bytes = [leading | full];
  let rest = value - full;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128));
  return Uint8Array.of(...bytes, rest);
}

/** Fields as literals without indexing, new names, no Huffman code. */
export function headerBlock(fields: readonly Field[]): Uint8Array {
  const string = (text: string): Uint8Array => join(hpackInteger(text.length, 7, 0), ascii(text));
  return join(...fields.map(([name, value]) => join(Uint8Array.of(0), string(name), string(value))));
}
