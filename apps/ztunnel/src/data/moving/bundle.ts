import type { SocketAddress } from "@lateen/addresses";
import { type Plain, type Reader, decodeCbor, encodeCbor, readPlain } from "@lateen/cbor";
import type { FrozenStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type HboneSnapshot, type HeaderField, readHboneSnapshot } from "@lateen/hbone";
import type { SpiffeIdentity } from "@lateen/identity";
import { type ConnectionSnapshot, readAddress, readConnection, readIdentity } from "../connection-snapshot.ts";
import type { TunnelTarget } from "../pod-tunnels.ts";

/**
 * Where one side of a connection is: a socket of the bundle, a stream of its tunnel or of one inside that, or nowhere any more.
 * `through` is the stream of the tunnel that another tunnel runs over.
 */
export type Place =
  | { readonly t: "socket"; readonly index: number }
  | { readonly t: "stream"; readonly id: number }
  /** A CONNECT that waits for the peer's answer. */
  | { readonly t: "opening"; readonly id: number }
  | { readonly t: "inner stream"; readonly through: number; readonly id: number }
  | { readonly t: "inner opening"; readonly through: number; readonly id: number }
  /** An `opening` behind whose answer a tunnel inside the tunnel is to begin. */
  | {
      readonly t: "outer opening";
      readonly id: number;
      readonly expected: readonly string[];
      readonly headers: readonly HeaderField[];
    }
  | { readonly t: "over"; readonly local: SocketAddress; readonly remote: SocketAddress };

export type BundleConnection = {
  readonly connection: ConnectionSnapshot;
  readonly down: Place;
  readonly up: Place;
};

/** A tunnel inside the tunnel: it has no socket. */
export type BundleInner = {
  readonly through: number;
  readonly hbone: HboneSnapshot;
  /** Its TLS stream, as the driver left it. */
  readonly stream: Plain;
};

export type BundleTunnel = {
  readonly hbone: HboneSnapshot;
  /** The TLS stream below, as the driver left it. */
  readonly stream: Plain;
} & (
  | { readonly t: "inbound"; readonly peer: SpiffeIdentity; readonly spoofs: boolean }
  | {
      readonly t: "outbound";
      readonly target: TunnelTarget;
      readonly shared: boolean;
      readonly idleMs: number;
      readonly inner: readonly BundleInner[];
    }
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
const MAX_HEADERS = 64;

const readId = (r: Reader): number => r.int(1, MAX_STREAM_ID);
const readExpected = (r: Reader): readonly string[] => r.list(MAX_EXPECTED, (e) => e.text(MAX_TEXT));
const readHeaders = (r: Reader): readonly HeaderField[] =>
  r.list(MAX_HEADERS, (field) => {
    const [name = "", value = "", ...more] = field.list(2, (part) => part.text(MAX_TEXT));
    if (name === "" || more.length > 0) field.problem("is not a name and a value");
    return [name, value] as const;
  });

const PLACES = ["socket", "stream", "opening", "over", "inner stream", "inner opening", "outer opening"] as const;

function readPlace(r: Reader): Place {
  const t = r.at("t").one(PLACES);
  switch (t) {
    case "socket":
      return { t, index: r.at("index").int(0, MAX_SOCKETS - 1) };
    case "stream":
    case "opening":
      return { t, id: readId(r.at("id")) };
    case "inner stream":
    case "inner opening":
      return { t, through: readId(r.at("through")), id: readId(r.at("id")) };
    case "outer opening":
      return {
        t,
        id: readId(r.at("id")),
        expected: readExpected(r.at("expected")),
        headers: readHeaders(r.at("headers")),
      };
    case "over":
      return { t, local: readAddress(r.at("local")), remote: readAddress(r.at("remote")) };
  }
}

const readTarget = (r: Reader): TunnelTarget => ({
  as: r.at("as").text(MAX_TEXT),
  expected: readExpected(r.at("expected")),
  to: readAddress(r.at("to")),
  from: r.at("from").text(MAX_TEXT),
});

/** A part of a bundle that is another's to read. */
type Shallow = { readonly hbone?: Plain; readonly stream?: Plain };

function readSession(r: Reader, value: Shallow | undefined): Pick<BundleTunnel, "hbone" | "stream"> | null {
  const hbone = readHboneSnapshot(value?.hbone ?? null);
  if (hbone.ok) return { hbone: hbone.value, stream: value?.stream ?? null };
  r.problem(hbone.error.message);
  return null;
}

function readInner(r: Reader, values: unknown): readonly BundleInner[] {
  const given = Array.isArray(values) ? (values as readonly Shallow[]) : [];
  let at = 0;
  const all = r.list(MAX_SOCKETS, (one) => {
    const session = readSession(one, given[at++]);
    if (session !== null && session.hbone.machine.role !== "client") one.problem("is not a client's");
    return session === null ? null : { through: readId(one.at("through")), ...session };
  });
  return all.filter((one) => one !== null);
}

function readTunnel(r: Reader, value: (Shallow & { readonly inner?: Plain }) | null): BundleTunnel | null {
  const common = readSession(r, value ?? {});
  if (common === null) return null;
  if (r.at("t").one(["inbound", "outbound"]) === "inbound")
    return { ...common, t: "inbound", peer: readIdentity(r.at("peer")), spoofs: r.at("spoofs").flag() };
  return {
    ...common,
    t: "outbound",
    target: readTarget(r.at("target")),
    shared: r.at("shared").flag(),
    idleMs: r.at("idleMs").number(0, Number.MAX_SAFE_INTEGER),
    inner: readInner(r.at("inner"), value?.inner),
  };
}

/** Whether these are all streams and requests of a connection, each once. */
function areAllOf(hbone: HboneSnapshot | undefined, ids: readonly number[]): boolean {
  const known = new Set([...(hbone?.tunnels.map((t) => t.id) ?? []), ...(hbone?.openings ?? [])]);
  return new Set(ids).size === ids.length && ids.length === known.size && ids.every((id) => known.has(id));
}

/** Whether every stream and request is one side of one connection, or carries one tunnel. */
export function streamsFit(tunnel: BundleTunnel | null, connections: readonly BundleConnection[]): boolean {
  const inner = tunnel?.t === "outbound" ? tunnel.inner : [];
  const own = inner.map((one) => one.through);
  const within = new Map(inner.map((one): [number, number[]] => [one.through, []]));
  for (const place of connections.flatMap(({ down, up }) => [down, up])) {
    if (!("id" in place)) continue;
    const ids = "through" in place ? within.get(place.through) : own;
    if (ids === undefined) return false;
    ids.push(place.id);
  }
  return areAllOf(tunnel?.hbone, own) && inner.every((one) => areAllOf(one.hbone, within.get(one.through) ?? []));
}

/** Every place is there, and every socket and stream is one side of one connection. */
function checkPlaces(r: Reader, b: Bundle): void {
  const used = b.connections.flatMap(({ down, up }) => [down, up]);
  const sockets = used.flatMap((p) => (p.t === "socket" ? [p.index] : []));
  if (new Set(sockets).size !== sockets.length || sockets.length !== b.sockets.length)
    r.problem("has a socket that is not one side of one connection");
  if (!streamsFit(b.tunnel, b.connections)) r.problem("has a stream that is not one side of one connection");
}

type ShallowBundle = {
  readonly tunnel?: (Shallow & { readonly inner?: Plain }) | null;
  readonly sockets?: unknown;
};

/** @returns BAD_INPUT with everything that is wrong; a bundle that is returned fits together, but its streams are the driver's to judge */
export function decodeBundle(bytes: Uint8Array): Result<Bundle> {
  const value = decodeCbor(bytes);
  if (!value.ok) return value;
  const { tunnel = null, sockets } = (value.value ?? {}) as ShallowBundle;
  return readPlain(value.value, "moved connection", (r) => {
    const states = Array.isArray(sockets) ? (sockets as readonly Plain[]) : [];
    r.at("sockets").list(MAX_SOCKETS, () => null);
    const bundle: Bundle = {
      frozenAtMs: r.at("frozenAtMs").number(0, Number.MAX_SAFE_INTEGER),
      tunnel: r.at("tunnel").nullable((t) => readTunnel(t, tunnel)),
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
