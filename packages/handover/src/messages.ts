import { type Reader, decodeCbor, encodeCbor, readPlain } from "@lateen/cbor";
import { type Result, fail } from "@lateen/errors";

/** The newest format of states that a program writes and reads, and the oldest. One number covers all that is handed over. */
export interface Versions {
  readonly newest: number;
  readonly oldest: number;
}

/** The newest format that both know, or null. */
export function agreeOn(a: Versions, b: Versions): number | null {
  const version = Math.min(a.newest, b.newest);
  return version >= Math.max(a.oldest, b.oldest) ? version : null;
}

/** What is handed over: all listeners of a pod, or connections that can only move together. */
export type Kind = "listeners" | "connections";

/** Bytes of a state in one message; with the rest of it below 64 KiB, a third of what a socket takes at default buffers. */
export const MAX_PIECE_BYTES = 60 * 1024;
/** Longest message. */
export const MAX_MESSAGE_BYTES = MAX_PIECE_BYTES + 1024;
/** Descriptors in one message; the kernel takes 253. */
export const MAX_PIECE_FDS = 128;
/** A larger state is not handed over: its owner drains it. */
export const MAX_STATE_BYTES = 32 * 1024 * 1024;
/** Descriptors of one offer: a tunnel, and the sockets of all its streams. */
export const MAX_OFFER_FDS = 1024;
/** Offers of connections that may wait for their answer at a time. */
export const MAX_WINDOW = 64;

const MAX_ID = 0xffff_ffff;
const MAX_WHY = 1000;
const MAX_NAME = 300;
const MAX_COUNT = 10_000_000;
const PROTOCOL = "lateen-handover";

/** Successor to predecessor. */
export type TakerMessage =
  /** First. This message and its answer never change. @param program what it calls itself, for logs */
  | { readonly t: "hello"; readonly versions: Versions; readonly role: string; readonly program: string }
  /** Listeners, please. */
  | { readonly t: "list" }
  /** Connections, please, at most so many at a time. */
  | { readonly t: "move"; readonly window: number }
  /** From the moment that this is sent, it is the successor's. */
  | { readonly t: "took"; readonly id: number }
  | { readonly t: "declined"; readonly id: number; readonly why: string }
  | { readonly t: "bye" };

/** Predecessor to successor. */
export type GiverMessage =
  | { readonly t: "welcome"; readonly version: number }
  | { readonly t: "refused"; readonly why: string }
  /** Part of an offer. Pieces of one offer follow one another, and its descriptors come along in order. */
  | {
      readonly t: "piece";
      readonly id: number;
      readonly kind: Kind;
      /** Whose it is, so that a successor can refuse before it reads the state. */
      readonly name: string;
      /** Of the whole offer. */
      readonly bytes: number;
      readonly fds: number;
      readonly part: Uint8Array;
    }
  /** All listeners have been offered. */
  | { readonly t: "listed" }
  /** Nothing more comes; so many connections stay with the predecessor, which lets them finish. */
  | { readonly t: "end"; readonly left: number };

const id = (r: Reader): number => r.at("id").int(1, MAX_ID);
const version = (r: Reader): number => r.int(1, 0xffff);

function readTaker(r: Reader): TakerMessage {
  const t = r.at("t").one(["hello", "list", "move", "took", "declined", "bye"]);
  switch (t) {
    case "hello": {
      r.at("protocol").one([PROTOCOL]);
      const versions = { newest: version(r.at("newest")), oldest: version(r.at("oldest")) };
      return { t, versions, role: r.at("role").text(MAX_NAME), program: r.at("program").text(MAX_NAME) };
    }
    case "move":
      return { t, window: r.at("window").int(1, MAX_WINDOW) };
    case "took":
      return { t, id: id(r) };
    case "declined":
      return { t, id: id(r), why: r.at("why").text(MAX_WHY) };
    case "list":
    case "bye":
      return { t };
  }
}

function readGiver(r: Reader): GiverMessage {
  const t = r.at("t").one(["welcome", "refused", "piece", "listed", "end"]);
  switch (t) {
    case "welcome":
      return { t, version: version(r.at("version")) };
    case "refused":
      return { t, why: r.at("why").text(MAX_WHY) };
    case "piece":
      return {
        t,
        id: id(r),
        kind: r.at("kind").one(["listeners", "connections"]),
        name: r.at("name").text(MAX_NAME),
        bytes: r.at("bytes").int(0, MAX_STATE_BYTES),
        fds: r.at("fds").int(0, MAX_OFFER_FDS),
        part: r.at("part").bytes(MAX_PIECE_BYTES),
      };
    case "listed":
      return { t };
    case "end":
      return { t, left: r.at("left").int(0, MAX_COUNT) };
  }
}

function decode<T>(bytes: Uint8Array, what: string, read: (r: Reader) => T): Result<T> {
  const value = decodeCbor(bytes);
  if (!value.ok) return fail(value.error);
  return readPlain(value.value, what, read);
}

/** @returns BAD_INPUT when the bytes are none of a successor's messages; never throws */
export function decodeTakerMessage(bytes: Uint8Array): Result<TakerMessage> {
  return decode(bytes, "message of a successor", readTaker);
}

/** @returns BAD_INPUT when the bytes are none of a predecessor's messages; never throws. A piece's part aliases `bytes`. */
export function decodeGiverMessage(bytes: Uint8Array): Result<GiverMessage> {
  return decode(bytes, "message of a predecessor", readGiver);
}

export function encodeTakerMessage(m: TakerMessage): Uint8Array {
  if (m.t !== "hello") return encodeCbor(m.t === "declined" ? { ...m, why: m.why.slice(0, MAX_WHY) } : m);
  const { t, versions, role, program } = m;
  return encodeCbor({ t, protocol: PROTOCOL, ...versions, role, program: program.slice(0, MAX_NAME) });
}

export function encodeGiverMessage(m: GiverMessage): Uint8Array {
  return encodeCbor(m.t === "refused" ? { ...m, why: m.why.slice(0, MAX_WHY) } : m);
}
