import type { CloseReason } from "@lateen/byte-stream";
import { type Plain, type Reader, readPlain } from "@lateen/cbor";
import type { Result } from "@lateen/errors";
import { type TlsRecordsState, readRecordsState } from "@lateen/tls-records";

// Streams that stand still, as plain data. Field names are a format between versions of one program.

export type SocketState = {
  readonly tenant: string;
  readonly remote: { readonly ip: string; readonly port: number };
  readonly paused: boolean;
  readonly readEnded: boolean;
  readonly ending: boolean;
  readonly endSent: boolean;
  /** `onWritable` is owed. */
  readonly blocked: boolean;
  /** Taken and not sent. */
  readonly waiting: Uint8Array;
};

/** A TLS stream, without what carries it. */
export type RecordsState = {
  readonly records: TlsRecordsState;
  readonly peerChainDer: readonly Uint8Array[];
  readonly paused: boolean;
  readonly readEnded: boolean;
  readonly ending: boolean;
  readonly full: boolean;
  readonly blocked: boolean;
};

/** A TLS stream with the socket that carries it. */
export type SecureState = RecordsState & { readonly socket: SocketState };

/** A stream that waits for room stops at its first `false`; what lies here is one writer's last piece, and a few more. */
const MAX_WAITING = 16 * 1024 * 1024;
const MAX_TEXT = 1024;
const MAX_CHAIN = 16;
const MAX_CERTIFICATE = 64 * 1024;

function socket(r: Reader): SocketState {
  const remote = r.at("remote");
  return {
    tenant: r.at("tenant").text(MAX_TEXT),
    remote: { ip: remote.at("ip").text(MAX_TEXT), port: remote.at("port").int(0, 65_535) },
    paused: r.at("paused").flag(),
    readEnded: r.at("readEnded").flag(),
    ending: r.at("ending").flag(),
    endSent: r.at("endSent").flag(),
    blocked: r.at("blocked").flag(),
    waiting: r.at("waiting").bytes(MAX_WAITING),
  };
}

/** @returns BAD_INPUT with everything that is wrong */
export function readSocketState(value: Plain): Result<SocketState> {
  return readPlain(value, "state of a socket", socket);
}

function secure<T>(value: Plain, more: (r: Reader) => T): Result<RecordsState & T> {
  const given = (value as { readonly records?: Plain } | null)?.records ?? null;
  const records = readRecordsState(given);
  if (!records.ok) return records;
  return readPlain(value, "state of a TLS stream", (r) => ({
    ...more(r),
    records: records.value,
    peerChainDer: r.at("peerChainDer").list(MAX_CHAIN, (c) => c.bytes(MAX_CERTIFICATE).slice()),
    paused: r.at("paused").flag(),
    readEnded: r.at("readEnded").flag(),
    ending: r.at("ending").flag(),
    full: r.at("full").flag(),
    blocked: r.at("blocked").flag(),
  }));
}

/** @returns BAD_INPUT with everything that is wrong */
export function readSecureState(value: Plain): Result<SecureState> {
  return secure(value, (r) => ({ socket: socket(r.at("socket")) }));
}

/** @returns BAD_INPUT with everything that is wrong */
export function readInnerState(value: Plain): Result<RecordsState> {
  return secure(value, () => ({}));
}

/** How a stream ended that another process has now. */
export const MOVED: CloseReason = { t: "aborted" };
