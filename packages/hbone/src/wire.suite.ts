import type { HboneLimits, HeaderField } from "./api.ts";
import { FrameType, PREFACE_TEXT } from "./constants.ts";
import { FrameReader, type FrameSink, Take } from "./frame-reader.ts";
import { frame, settingsFrame } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { Machine } from "./machine.ts";
import { DEFAULT_LIMITS, type MachineEvents } from "./machine-core.ts";
import type { Fate, StreamOwner, StreamState } from "./stream-state.ts";

/** A frame as tests read and write it. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const PREFACE: Uint8Array = bytesOf(PREFACE_TEXT);

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Every frame of these bytes, whole; the preface, if there, is passed over. */
export function readFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let data: Uint8Array[] = [];
  const reader = new FrameReader();
  const sink: FrameSink = {
    onFrameHead: (h) => (h.type === FrameType.Data ? Take.Data : Take.Gather),
    onDataBytes: (view) => data.push(view.slice()) > 0,
    onDataDone: () => {
      frames.push({ type: reader.type, flags: reader.flags, streamId: reader.streamId, payload: joinBytes(...data) });
      data = [];
      return true;
    },
    onFrame: (payload) => {
      frames.push({ type: reader.type, flags: reader.flags, streamId: reader.streamId, payload: payload.slice() });
      return true;
    },
    onMalformed: (code, why) => {
      throw new Error(`${code} ${why}`);
    },
  };
  const preface = PREFACE.every((byte, i) => bytes[i] === byte);
  reader.push(preface ? bytes.subarray(PREFACE.length) : bytes, sink);
  return frames;
}

export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** A HEADERS frame with END_HEADERS and these other flags. */
export function headers(streamId: number, fields: readonly HeaderField[], flags = 0): Uint8Array {
  return frame(FrameType.Headers, 0x4 | flags, streamId, encodeHeaders(fields, "nothing"));
}

export const CONNECT: readonly HeaderField[] = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
];
export const connect = (streamId: number): Uint8Array => headers(streamId, CONNECT);
export const data = (streamId: number, bytes: number, flags = 0): Uint8Array =>
  frame(FrameType.Data, flags, streamId, new Uint8Array(bytes));
export const reset = (streamId: number, code = 8): Uint8Array => frame(FrameType.RstStream, 0, streamId, u32(code));
export const windowUpdate = (streamId: number, by: number): Uint8Array =>
  frame(FrameType.WindowUpdate, 0, streamId, u32(by));

/** Records what the owner of a stream is told. */
export class Owner implements StreamOwner {
  bytes = 0;
  chunks = 0;
  ended = false;
  rooms = 0;
  fate: Fate | null = null;
  keeps = false;
  onData(view: Uint8Array): boolean {
    this.bytes += view.length;
    this.chunks += 1;
    return !this.keeps;
  }
  onEnd(): void {
    this.ended = true;
  }
  onRoom(): void {
    this.rooms += 1;
  }
  onOver(fate: Fate): void {
    this.fate = fate;
  }
}

/** One machine with everything it says written down. `answer` decides what a server does with a CONNECT. */
export class Bench implements MachineEvents {
  readonly role: "client" | "server";
  readonly machine: Machine;
  readonly owners = new Map<number, Owner>();
  readonly requests: {
    readonly s: StreamState;
    readonly authority: string;
    readonly headers: readonly HeaderField[];
  }[] = [];
  readonly responses: { readonly s: StreamState; readonly status: number }[] = [];
  closed: { readonly code: number; readonly why: string; readonly how: string } | null = null;
  answer: "accept" | "wait" = "accept";
  /** What the carrier says to each write. */
  room = true;
  #out: Uint8Array[] = [];

  constructor(
    role: "client" | "server",
    trust: "stranger" | "authenticated" = "authenticated",
    limits: HboneLimits = DEFAULT_LIMITS,
  ) {
    this.role = role;
    const output = (head: Uint8Array, body: Uint8Array | null): boolean => {
      this.#out.push(head.slice());
      if (body !== null) this.#out.push(body.slice());
      return this.room;
    };
    this.machine = new Machine({ role, trust, nowMs: 0, limits }, output, this);
    this.machine.start();
  }

  /** Bytes sent since the last call. */
  takeBytes(): Uint8Array {
    const bytes = joinBytes(...this.#out);
    this.#out = [];
    return bytes;
  }

  /** Frames sent since the last call. */
  take(): Frame[] {
    return readFrames(this.takeBytes());
  }

  /** Gives the machine the peer's start: preface (to a server), SETTINGS and the answer to ours. */
  settle(values: readonly (readonly [number, number])[] = []): this {
    const hello = [settingsFrame(values), frame(FrameType.Settings, 1, 0, new Uint8Array(0))];
    this.machine.receive(joinBytes(...(this.role === "server" ? [PREFACE] : []), ...hello));
    this.takeBytes();
    return this;
  }

  owner(id: number): Owner {
    const owner = this.owners.get(id) ?? new Owner();
    this.owners.set(id, owner);
    return owner;
  }

  /** Client: opens a CONNECT and has it accepted. */
  open(): StreamState {
    const owner = new Owner();
    const s = this.machine.open(CONNECT, owner);
    this.owners.set(s.id, owner);
    this.machine.receive(headers(s.id, [[":status", "200"]]));
    this.takeBytes();
    return s;
  }

  onRequest(s: StreamState, authority: string, fields: readonly HeaderField[]): void {
    this.requests.push({ s, authority, headers: fields });
    s.owner = this.owner(s.id);
    if (this.answer === "accept") this.machine.accept(s, [], this.owner(s.id));
  }

  onResponse(s: StreamState, status: number): void {
    this.responses.push({ s, status });
  }

  onClosed(code: number, why: string, how: string): void {
    this.closed = { code, why, how };
  }
}

/** What the machine answered: the connection's end, or resets of streams. */
export function verdict(bench: Bench): string {
  const frames = bench.take();
  if (bench.closed !== null) {
    const goaway = frames.find((f) => f.type === FrameType.Goaway);
    const told = goaway?.payload.subarray(4, 8).join();
    if (told !== u32(bench.closed.code).join()) return `connection ${bench.closed.code}, but GOAWAY says ${told}`;
    return `connection ${bench.closed.code}`;
  }
  const resets = frames
    .filter((f) => f.type === FrameType.RstStream)
    .map((f) => `stream ${f.streamId} ${f.payload[3]}`);
  return resets.join(", ") || "fine";
}

export function afterSettings(role: "client" | "server"): Bench {
  const bench = new Bench(role).settle();
  if (role === "server") bench.machine.receive(connect(1));
  else bench.open();
  bench.take();
  return bench;
}
