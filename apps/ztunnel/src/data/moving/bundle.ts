import type { SocketAddress } from "@lateen/addresses";
import { type Plain, type Reader, decodeCbor, encodeCbor, readPlain } from "@lateen/cbor";
import type { FrozenStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type HboneSnapshot, readHboneSnapshot } from "@lateen/hbone";
import type { SpiffeIdentity } from "@lateen/identity";
import { type ConnectionSnapshot, readAddress, readConnection, readIdentity } from "../connection-snapshot.ts";
import type { TunnelTarget } from "../pod-tunnels.ts";

/** Where one side of a connection is: a socket of the bundle, a stream of its tunnel, or nowhere any more. */
export type Place =
  | { readonly t: "socket"; readonly index: number }
  | { readonly t: "stream"; readonly id: number }
  /** A CONNECT that waits for the peer's answer. */
  | { readonly t: "opening"; readonly id: number }
  | { readonly t: "over"; readonly local: SocketAddress; readonly remote: SocketAddress };

export type BundleConnection = {
  readonly connection: ConnectionSnapshot;
  readonly down: Place;
  readonly up: Place;
};

export type BundleTunnel = {
  readonly hbone: HboneSnapshot;
  /** The TLS stream below, as the driver left it. */
  readonly stream: Plain;
} & (
  | { readonly t: "inbound"; readonly peer: SpiffeIdentity; readonly spoofs: boolean }
  | { readonly t: "outbound"; readonly target: TunnelTarget; readonly shared: boolean; readonly idleMs: number }
);

/**
 * What can only move together: a tunnel with all its streams and the sockets that they lead to, or one plain connection.
 * Descriptors go along in order: the tunnel's, then those of the sockets.
 */
export type Bundle = {
  /** By the machine's clock. */
  readonly frozenAtMs: number;
  readonly tunnel: BundleTunnel | null;
  readonly sockets: readonly Plain[];
  readonly connections: readonly BundleConnection[];
};

/** As many as one message of a hand-over takes. */
const MAX_SOCKETS = 1024;
const MAX_STREAM_ID = 0x7fff_ffff;
const MAX_TEXT = 64 * 1024;
const MAX_EXPECTED = 10_000;

function readPlace(r: Reader): Place {
  const t = r.at("t").one(["socket", "stream", "opening", "over"]);
  switch (t) {
    case "socket":
      return { t, index: r.at("index").int(0, MAX_SOCKETS - 1) };
    case "stream":
    case "opening":
      return { t, id: r.at("id").int(1, MAX_STREAM_ID) };
    case "over":
      return { t, local: readAddress(r.at("local")), remote: readAddress(r.at("remote")) };
  }
}

const readTarget = (r: Reader): TunnelTarget => ({
  as: r.at("as").text(MAX_TEXT),
  expected: r.at("expected").list(MAX_EXPECTED, (e) => e.text(MAX_TEXT)),
  to: readAddress(r.at("to")),
  from: r.at("from").text(MAX_TEXT),
});

function readTunnel(r: Reader, value: { readonly hbone: Plain; readonly stream: Plain }): BundleTunnel | null {
  const hbone = readHboneSnapshot(value.hbone);
  if (!hbone.ok) {
    r.problem(hbone.error.message);
    return null;
  }
  const common = { hbone: hbone.value, stream: value.stream };
  if (r.at("t").one(["inbound", "outbound"]) === "inbound")
    return { ...common, t: "inbound", peer: readIdentity(r.at("peer")), spoofs: r.at("spoofs").flag() };
  return {
    ...common,
    t: "outbound",
    target: readTarget(r.at("target")),
    shared: r.at("shared").flag(),
    idleMs: r.at("idleMs").number(0, Number.MAX_SAFE_INTEGER),
  };
}

/** Every place is there, and every socket and stream is one side of one connection. */
function checkPlaces(r: Reader, b: Bundle): void {
  const used = b.connections.flatMap(({ down, up }) => [down, up]);
  const sockets = used.flatMap((p) => (p.t === "socket" ? [p.index] : []));
  if (new Set(sockets).size !== sockets.length || sockets.length !== b.sockets.length)
    r.problem("has a socket that is not one side of one connection");
  const ids = used.flatMap((p) => (p.t === "stream" || p.t === "opening" ? [p.id] : []));
  const hbone = b.tunnel?.hbone;
  const known = new Set([...(hbone?.tunnels.map((t) => t.id) ?? []), ...(hbone?.openings ?? [])]);
  if (new Set(ids).size !== ids.length || ids.length !== known.size || !ids.every((id) => known.has(id)))
    r.problem("has a stream that is not one side of one connection");
}

type Shallow = {
  readonly tunnel?: { readonly hbone?: Plain; readonly stream?: Plain } | null;
  readonly sockets?: unknown;
};

/** @returns BAD_INPUT with everything that is wrong; a bundle that is returned fits together, but its streams are the driver's to judge */
export function decodeBundle(bytes: Uint8Array): Result<Bundle> {
  const value = decodeCbor(bytes);
  if (!value.ok) return value;
  const { tunnel = null, sockets } = (value.value ?? {}) as Shallow;
  return readPlain(value.value, "moved connection", (r) => {
    const states = Array.isArray(sockets) ? (sockets as readonly Plain[]) : [];
    r.at("sockets").list(MAX_SOCKETS, () => null);
    const bundle: Bundle = {
      frozenAtMs: r.at("frozenAtMs").number(0, Number.MAX_SAFE_INTEGER),
      tunnel: r
        .at("tunnel")
        .nullable((t) => readTunnel(t, { hbone: tunnel?.hbone ?? null, stream: tunnel?.stream ?? null })),
      sockets: states,
      connections: r.at("connections").list(MAX_SOCKETS, (c) => ({
        connection: readConnection(c.at("connection")),
        down: readPlace(c.at("down")),
        up: readPlace(c.at("up")),
      })),
    };
    checkPlaces(r, bundle);
    return bundle;
  });
}

export const encodeBundle = (bundle: Bundle): Uint8Array => encodeCbor(bundle);

/** A bundle whose connections stand still in this process. */
export interface FrozenBundle {
  readonly uid: string;
  readonly state: Uint8Array;
  readonly fds: readonly FrozenStream["fd"][];
  /** Another process has it: our descriptors are closed and nothing more is said of it. */
  given(): void;
  /** It goes on here. */
  kept(): void;
}

/** As many descriptors as it says. */
export function checkDescriptors(bundle: Bundle, fds: readonly number[]): Result<null> {
  const wanted = bundle.sockets.length + (bundle.tunnel === null ? 0 : 1);
  return wanted === fds.length
    ? ok(null)
    : fail(new MeshError(Code.BadInput, `Cannot restore: ${fds.length} descriptors came, ${wanted} are needed`));
}
