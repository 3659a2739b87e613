import { type Reader, readPlain } from "@lateen/cbor";
import type { Result } from "@lateen/errors";
import type { MessageCut } from "./post-handshake.ts";
import { SUITES } from "./suites.ts";

export type Role = "client" | "server";

/** Keys of one direction, from which sealing or opening goes on. */
export type TrafficState = {
  readonly secret: Uint8Array;
  /** Of the next record. */
  readonly sequence: number;
};

/** A connection's records as plain data: enough for another process to go on with them. Holds secrets. */
export type TlsRecordsState = {
  readonly version: 1;
  readonly role: Role;
  readonly suite: number;
  readonly read: TrafficState;
  readonly write: TrafficState;
  /** Received and not yet opened. */
  readonly kept: Uint8Array;
  readonly message: MessageCut;
  readonly useless: number;
  readonly updateOwed: boolean;
  readonly readEnded: boolean;
  readonly writeEnded: boolean;
};

/** A driver that pauses may keep what it received in one go. */
const MAX_KEPT = 1024 * 1024;
const MAX_SECRET = 64;

/** Reads what a state became on its way between two processes. @returns BAD_INPUT with everything that is wrong with it */
export function readRecordsState(value: unknown): Result<TlsRecordsState> {
  return readPlain(value, "state of TLS records", (r) => {
    r.at("version").int(1, 1);
    const suite = r.at("suite").int(0, 0xffff);
    const secretBytes = SUITES.find((s) => s.id === suite)?.hashBytes ?? -1;
    if (secretBytes < 0) r.at("suite").problem("is not a suite that is spoken here");
    return {
      version: 1,
      role: r.at("role").one(["client", "server"]),
      suite,
      read: traffic(r.at("read"), secretBytes),
      write: traffic(r.at("write"), secretBytes),
      kept: r.at("kept").bytes(MAX_KEPT),
      message: message(r.at("message")),
      useless: r.at("useless").int(0, 0xffff),
      updateOwed: r.at("updateOwed").flag(),
      readEnded: r.at("readEnded").flag(),
      writeEnded: r.at("writeEnded").flag(),
    };
  });
}

function traffic(r: Reader, secretBytes: number): TrafficState {
  const secret = r.at("secret").bytes(MAX_SECRET);
  if (secret.length !== secretBytes) r.at("secret").problem("does not have the length of the suite");
  return { secret, sequence: r.at("sequence").int(0, Number.MAX_SAFE_INTEGER) };
}

function message(r: Reader): MessageCut {
  return {
    seen: r.at("seen").int(0, 4),
    header: r.at("header").int(0, 0xffff_ffff),
    left: r.at("left").int(0, 0xff_ffff),
  };
}
