import type { CloseReason } from "@lateen/byte-stream";
import { type Plain, type Reader, readPlain } from "@lateen/cbor";
import type { Result } from "@lateen/errors";
import type { HeaderField, Trust } from "./terms.ts";
import { DEFAULT_MAX_FRAME, MAX_MAX_FRAME, MAX_STREAM_ID, MAX_WINDOW, SERVER_MAX_STREAMS } from "./constants.ts";
import { ENDINGS, type Ending } from "./ending.ts";

// The state of a live connection as plain data. Field names are a wire format between versions of one program: a field is never
// given another meaning, and a reader asks for nothing that the version before did not write.

export type WindowSnapshot = { readonly open: number; readonly consumed: number };
export type KeepaliveSnapshot = { readonly waitedMs: number; readonly awaiting: boolean };
export type BudgetsSnapshot = { readonly trust: Trust; readonly over: number; readonly spent: readonly number[] };
export type DataSnapshot = { readonly streamId: number; readonly bytes: number };

export type ReaderSnapshot = {
  readonly mode: number;
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly left: number;
  readonly padding: number;
  /** Of a frame's head, or of a payload that is wanted whole. */
  readonly held: Uint8Array;
};

export type SenderSnapshot = {
  readonly maxFrame: number;
  readonly window: number;
  readonly blocked: boolean;
  readonly blockedControl: number;
  readonly turns: readonly number[];
  readonly waiting: readonly number[];
};

export type StreamSnapshot = {
  readonly id: number;
  readonly accepted: boolean;
  readonly answered: boolean;
  readonly localEnded: boolean;
  readonly remoteEnded: boolean;
  readonly ending: boolean;
  readonly sendWindow: number;
  readonly receive: WindowSnapshot;
  readonly queue: Uint8Array;
  readonly bodyBytes: number;
  readonly bodyLength: number;
};

export type MachineSnapshot = {
  readonly role: "client" | "server";
  readonly draining: boolean;
  readonly maxStreams: number;
  readonly peerInitialWindow: number;
  readonly announceTable: "table-size-zero" | "nothing";
  readonly nextId: number;
  readonly lastPeerId: number;
  readonly acceptUpTo: number;
  readonly goawayReceived: boolean;
  readonly limits: {
    readonly streamWindow: number;
    readonly connectionWindow: number;
    readonly frameBytes: number;
  };
  readonly window: WindowSnapshot;
  readonly ended: readonly { readonly id: number; readonly by: Ending }[];
  readonly budgets: BudgetsSnapshot;
  readonly keepalive: KeepaliveSnapshot;
  readonly reader: ReaderSnapshot;
  readonly data: DataSnapshot;
  readonly sender: SenderSnapshot;
  readonly streams: readonly StreamSnapshot[];
};

/** What the driver knows of an accepted CONNECT. */
export type TunnelSnapshot = {
  readonly id: number;
  readonly headers: readonly HeaderField[];
  readonly paused: boolean;
  readonly ending: boolean;
  readonly remoteEnded: boolean;
  /** Received and not handed on. */
  readonly inbox: Uint8Array;
  readonly endWaits: boolean;
  /** It is over, and its reader has not been told. */
  readonly over: CloseReason | null;
};

/** A CONNECT without its answer. */
export type RequestSnapshot = {
  readonly id: number;
  readonly authority: string;
  readonly headers: readonly HeaderField[];
};

/** A connection as it stands. Bytes in it are the snapshot's own. */
export type HboneSnapshot = {
  readonly machine: MachineSnapshot;
  readonly tunnels: readonly TunnelSnapshot[];
  /** Server: not answered by us. */
  readonly requests: readonly RequestSnapshot[];
  /** Client: not answered by the peer. */
  readonly openings: readonly number[];
};

const MAX_COUNT = Number.MAX_SAFE_INTEGER;
const MAX_U32 = 0xffff_ffff;
const MAX_ENDED = 4096;
/** More than a window's worth is never received ahead; the same again leaves room for a version with another window. */
const MAX_INBOX = 16 * 1024 * 1024;
const MAX_STREAMS = 4 * SERVER_MAX_STREAMS;
const MAX_HEADERS = 2048;
const MAX_TEXT = 64 * 1024;
const MAX_READER_MODE = 5; // the stopped reader is never moved

const id = (r: Reader): number => r.int(1, MAX_STREAM_ID);
const window = (r: Reader): WindowSnapshot => ({
  open: r.at("open").int(-MAX_WINDOW, MAX_WINDOW),
  consumed: r.at("consumed").int(0, MAX_WINDOW),
});

function headers(r: Reader): readonly HeaderField[] {
  return r.list(MAX_HEADERS, (field) => {
    const parts = field.list(2, (part) => part.text(MAX_TEXT));
    if (parts.length !== 2) field.problem("is not a name and a value");
    return [parts[0] ?? "", parts[1] ?? ""] as const;
  });
}

function closeReason(r: Reader): CloseReason {
  const t = r.at("t").one(["ended", "aborted", "reset", "failed"]);
  return t === "ended" || t === "aborted" ? { t } : { t, why: r.at("why").text(MAX_TEXT) };
}

function stream(r: Reader): StreamSnapshot {
  return {
    id: id(r.at("id")),
    accepted: r.at("accepted").flag(),
    answered: r.at("answered").flag(),
    localEnded: r.at("localEnded").flag(),
    remoteEnded: r.at("remoteEnded").flag(),
    ending: r.at("ending").flag(),
    sendWindow: r.at("sendWindow").int(-MAX_WINDOW, MAX_WINDOW),
    receive: window(r.at("receive")),
    queue: r.at("queue").bytes(MAX_INBOX),
    bodyBytes: r.at("bodyBytes").int(0, MAX_COUNT),
    bodyLength: r.at("bodyLength").int(-1, MAX_COUNT),
  };
}

function frameReader(r: Reader): ReaderSnapshot {
  const length = r.at("length").int(0, MAX_MAX_FRAME);
  const mode = r.at("mode").int(0, MAX_READER_MODE);
  const left = r.at("left").int(0, length);
  const held = r.at("held").bytes(mode === 0 ? 8 : length);
  if (mode === 4 && held.length + left !== length) r.problem("holds another number of bytes than it says");
  if (mode !== 0 && mode !== 4 && held.length > 0) r.problem("holds bytes of nothing");
  return {
    mode,
    length,
    type: r.at("type").int(0, 255),
    flags: r.at("flags").int(0, 255),
    streamId: r.at("streamId").int(0, MAX_STREAM_ID),
    left,
    padding: r.at("padding").int(0, 255),
    held,
  };
}

function sender(r: Reader): SenderSnapshot {
  return {
    maxFrame: r.at("maxFrame").int(1, MAX_MAX_FRAME),
    window: r.at("window").int(0, MAX_WINDOW),
    blocked: r.at("blocked").flag(),
    blockedControl: r.at("blockedControl").int(0, MAX_COUNT),
    turns: r.at("turns").list(MAX_STREAMS, id),
    waiting: r.at("waiting").list(MAX_STREAMS, id),
  };
}

function machine(r: Reader): MachineSnapshot {
  const budgets = r.at("budgets");
  const keepalive = r.at("keepalive");
  const data = r.at("data");
  const limits = r.at("limits");
  return {
    role: r.at("role").one(["client", "server"]),
    draining: r.at("draining").flag(),
    maxStreams: r.at("maxStreams").int(0, MAX_U32),
    peerInitialWindow: r.at("peerInitialWindow").int(0, MAX_WINDOW),
    announceTable: r.at("announceTable").one(["nothing", "table-size-zero"]),
    nextId: r.at("nextId").int(1, MAX_U32),
    lastPeerId: r.at("lastPeerId").int(0, MAX_STREAM_ID),
    acceptUpTo: r.at("acceptUpTo").int(0, MAX_STREAM_ID),
    goawayReceived: r.at("goawayReceived").flag(),
    limits: {
      streamWindow: limits.at("streamWindow").int(1, MAX_WINDOW),
      connectionWindow: limits.at("connectionWindow").int(1, MAX_WINDOW),
      frameBytes: limits.at("frameBytes").int(DEFAULT_MAX_FRAME, MAX_MAX_FRAME),
    },
    window: window(r.at("window")),
    ended: r.at("ended").list(MAX_ENDED, (e) => ({
      id: id(e.at("id")),
      by: e.at("by").one(ENDINGS),
    })),
    budgets: {
      trust: budgets.at("trust").one(["stranger", "authenticated"]),
      over: budgets.at("over").int(0, MAX_COUNT),
      spent: budgets.at("spent").list(64, (s) => s.number(0, MAX_COUNT)),
    },
    keepalive: {
      waitedMs: keepalive.at("waitedMs").number(0, MAX_COUNT),
      awaiting: keepalive.at("awaiting").flag(),
    },
    reader: frameReader(r.at("reader")),
    data: { streamId: data.at("streamId").int(0, MAX_STREAM_ID), bytes: data.at("bytes").int(0, MAX_MAX_FRAME) },
    sender: sender(r.at("sender")),
    streams: r.at("streams").list(MAX_STREAMS, stream),
  };
}

function tunnel(r: Reader): TunnelSnapshot {
  return {
    id: id(r.at("id")),
    headers: headers(r.at("headers")),
    paused: r.at("paused").flag(),
    ending: r.at("ending").flag(),
    remoteEnded: r.at("remoteEnded").flag(),
    inbox: r.at("inbox").bytes(MAX_INBOX),
    endWaits: r.at("endWaits").flag(),
    over: r.at("over").nullable(closeReason),
  };
}

/** Streams of the driver that live must be the machine's, each once. */
function checkStreams(r: Reader, s: HboneSnapshot): void {
  const known = new Set(s.machine.streams.map((one) => one.id));
  if (known.size !== s.machine.streams.length) r.problem("names a stream twice");
  const owned = [...s.tunnels.filter((t) => t.over === null), ...s.requests].map((t) => t.id).concat(s.openings);
  if (new Set(owned).size !== owned.length || !owned.every((one) => known.has(one)))
    r.problem("has a stream without its state");
}

/**
 * Reads what a snapshot became on its way between two processes.
 * @returns BAD_INPUT with what is wrong with it; a snapshot that is returned can be restored
 */
export function readHboneSnapshot(value: Plain): Result<HboneSnapshot> {
  return readPlain(value, "state of an HBONE connection", (r) => {
    const snapshot: HboneSnapshot = {
      machine: machine(r.at("machine")),
      tunnels: r.at("tunnels").list(MAX_STREAMS, tunnel),
      requests: r.at("requests").list(MAX_STREAMS, (q) => ({
        id: id(q.at("id")),
        authority: q.at("authority").text(MAX_TEXT),
        headers: headers(q.at("headers")),
      })),
      openings: r.at("openings").list(MAX_STREAMS, id),
    };
    checkStreams(r, snapshot);
    return snapshot;
  });
}
