import type { ByteStream } from "@lateen/byte-stream";
import type { Plain } from "@lateen/cbor";
import type { Mover } from "@lateen/datapath";
import { type Result, fail, ok } from "@lateen/errors";
import type { ConnectTarget, HboneClient, HboneConnection, HboneServer, HboneStream } from "@lateen/hbone";
import type { Awaiting, OpenConnection } from "../open-connection.ts";
import type { AcceptedTunnel, OpenedTunnel, PodTunnels } from "../pod-tunnels.ts";
import type { PodContext } from "../pod-context.ts";
import {
  type BundleConnection,
  type BundleInner,
  type BundleTunnel,
  type FrozenBundle,
  type Place,
  encodeBundle,
  streamsFit,
} from "./bundle.ts";

/** What is to move: a tunnel, or a connection without one. */
export type Candidate =
  | {
      readonly t: "inbound";
      readonly tunnel: HboneServer;
      readonly about: AcceptedTunnel;
    }
  | {
      readonly t: "outbound";
      readonly tunnel: HboneClient;
      readonly about: OpenedTunnel & { readonly shared: boolean; readonly idleMs: number };
    }
  | { readonly t: "plain"; readonly connection: OpenConnection };
type TunnelCandidate = Exclude<Candidate, { t: "plain" }>;

export interface FreezeWorld {
  readonly mover: Mover;
  readonly pod: PodContext;
  readonly tunnels: PodTunnels;
  readonly clockMs: () => number;
  /** Whether the successor knows tunnels inside tunnels; else what has one stays. */
  readonly movesInner: boolean;
}

export const isHboneStream = (s: ByteStream): s is HboneStream => "connection" in s;

/** The tunnel that a side of this connection leads through, if any: the outer one of two. */
export function carrierOf(connection: OpenConnection, tunnels: PodTunnels): HboneConnection | null {
  for (const side of connection.sides) if (isHboneStream(side)) return tunnels.outermost(side.connection);
  const waits = connection.awaiting;
  return waits?.t === "application" ? waits.request.connection : null;
}

/** Freezes streams one after the other; all of them are thawed, forgotten or passed on together. */
class Freezer {
  readonly fds: number[] = [];
  readonly states: Plain[] = [];
  readonly #mover: Mover;
  readonly #streams: ByteStream[] = [];

  constructor(mover: Mover) {
    this.#mover = mover;
  }

  /** @returns why it cannot be frozen */
  add(stream: ByteStream): string | null {
    const frozen = this.#mover.freeze(stream);
    if (!frozen.ok) return frozen.error;
    this.#streams.push(stream);
    this.fds.push(frozen.value.fd);
    this.states.push(frozen.value.state);
    return null;
  }

  /** One that runs inside another, which is to be added after it. */
  addInner(stream: ByteStream): Result<Plain, string> {
    const frozen = this.#mover.freezeInner(stream);
    if (frozen.ok) this.#streams.push(stream);
    return frozen;
  }

  thaw(): void {
    for (const stream of this.#streams) this.#mover.thaw(stream);
  }

  forget(): void {
    for (const stream of this.#streams) this.#mover.forget(stream);
  }
}

type Opening = Extract<Place, { t: "opening" | "inner opening" }>;

/** What a candidate's tunnel has in it, as places. */
interface Within {
  /** Tunnels inside it, each with the stream that it runs over. */
  readonly inner: ReadonlyMap<HboneConnection, number>;
  /** CONNECTs without an answer. */
  readonly openings: ReadonlyMap<ConnectTarget, Opening>;
  /** How many descriptors come before those of the connections. */
  readonly firstSocket: number;
}

function lookWithin(candidate: Candidate, tunnels: PodTunnels): Omit<Within, "firstSocket"> {
  const [inner, openings] = [new Map<HboneConnection, number>(), new Map<ConnectTarget, Opening>()];
  if (candidate.t !== "outbound") return { inner, openings };
  for (const { id, target } of candidate.tunnel.waiting()) openings.set(target, { t: "opening", id });
  for (const { tunnel, through } of tunnels.innerOf(candidate.tunnel)) {
    inner.set(tunnel, through.id);
    for (const { id, target } of tunnel.waiting())
      openings.set(target, { t: "inner opening", through: through.id, id });
  }
  return { inner, openings };
}

/** Where the CONNECT is whose answer a connection waits for; null when it is in nothing of this, or between two. */
function openingOf(waits: Awaiting | null, openings: Within["openings"]): Place | null {
  if (waits?.t !== "answer") return null;
  const { target, inner } = waits;
  const outer = openings.get(target) ?? null;
  if (inner === null) return outer;
  const { expected, request } = inner;
  if (outer !== null) return { t: "outer opening", id: outer.id, expected, headers: request.headers };
  return openings.get(request) ?? null;
}

/** One side's place in the bundle; freezes it when it is a socket. @returns text when it cannot be frozen now */
function place(freezer: Freezer, side: ByteStream, closed: boolean, { inner, firstSocket }: Within): Place | string {
  if (closed) return { t: "over", local: side.local, remote: side.remote };
  if (isHboneStream(side)) {
    const through = inner.get(side.connection);
    return through === undefined ? { t: "stream", id: side.id } : { t: "inner stream", through, id: side.id };
  }
  const why = freezer.add(side);
  return why ?? { t: "socket", index: freezer.fds.length - 1 - firstSocket };
}

function placeConnection(freezer: Freezer, c: OpenConnection, within: Within): BundleConnection | string {
  const connection = c.snapshot();
  const [downstream, upstream] = c.sides;
  if (downstream === undefined) return "it has no client yet";
  const down = place(freezer, downstream, connection.relay?.a.closed != null, within);
  if (typeof down === "string") return down;
  if (upstream !== undefined) {
    const up = place(freezer, upstream, connection.relay?.b.closed != null, within);
    return typeof up === "string" ? up : { connection, down, up };
  }
  const up = openingOf(c.awaiting, within.openings);
  return up === null ? "it is being opened" : { connection, down, up };
}

/**
 * Makes one candidate stand still and describes it, all in one step.
 * @returns why it cannot be moved now; then nothing has changed
 */
export function freezeBundle(world: FreezeWorld, candidate: Candidate): Result<FrozenBundle, string> {
  const freezer = new Freezer(world.mover);
  const result = describe(world, candidate, freezer);
  if (!result.ok) freezer.thaw();
  return result;
}

/** What moves with a candidate: itself, or what its tunnel carries, inside others too, and what waits for a stream of it. */
function movingWith(
  { pod, tunnels }: FreezeWorld,
  candidate: Candidate,
  { openings }: Pick<Within, "openings">,
): readonly OpenConnection[] {
  if (candidate.t === "plain") return [candidate.connection];
  return (pod.thread.connections.of(pod.info.uid) as readonly OpenConnection[]).filter(
    (c) => carrierOf(c, tunnels) === candidate.tunnel || openingOf(c.awaiting, openings) !== null,
  );
}

function describe(world: FreezeWorld, candidate: Candidate, freezer: Freezer): Result<FrozenBundle, string> {
  const { tunnels } = world;
  const inside = lookWithin(candidate, tunnels);
  const all = movingWith(world, candidate, inside);
  const begins = all.some(({ awaiting }) => awaiting?.t === "answer" && awaiting.inner !== null);
  if (!world.movesInner && (inside.inner.size > 0 || begins)) return fail("it has a tunnel inside it");
  let tunnel: BundleTunnel | null = null;
  if (candidate.t !== "plain") {
    const described = describeTunnel(world, candidate, freezer);
    if (!described.ok) return described;
    tunnel = described.value;
  }
  const within: Within = { ...inside, firstSocket: freezer.fds.length };
  const connections: BundleConnection[] = [];
  for (const c of all) {
    if (c.awaiting?.t === "application") continue; // asked for anew by the successor
    const placed = placeConnection(freezer, c, within);
    if (typeof placed === "string") return fail(placed);
    connections.push(placed);
  }
  if (!streamsFit(tunnel, connections)) return fail("it has a stream that is being given up");
  const sockets = freezer.states.slice(within.firstSocket);
  const state = encodeBundle({ frozenAtMs: world.clockMs(), tunnel, sockets, connections });
  return ok(frozen(world, candidate, { freezer, all, state }));
}

function describeTunnel(
  { tunnels }: FreezeWorld,
  candidate: TunnelCandidate,
  freezer: Freezer,
): Result<BundleTunnel, string> {
  // What is inside comes first: its last records go into the tunnel before that stands still.
  const inner = candidate.t === "outbound" ? describeInner(tunnels, candidate.tunnel, freezer) : ok([]);
  if (!inner.ok) return inner;
  const why = freezer.add(candidate.about.stream);
  const [stream = null] = freezer.states;
  if (why !== null) return fail(why);
  const hbone = candidate.tunnel.snapshot();
  if (!hbone.ok) return hbone;
  if (candidate.t === "inbound") {
    const { peer, spoofs } = candidate.about;
    return ok({ t: "inbound", hbone: hbone.value, stream, peer, spoofs });
  }
  const { target, shared, idleMs } = candidate.about;
  return ok({ t: "outbound", hbone: hbone.value, stream, target, shared, idleMs, inner: inner.value });
}

function describeInner(
  tunnels: PodTunnels,
  outer: HboneClient,
  freezer: Freezer,
): Result<readonly BundleInner[], string> {
  if (tunnels.isSecuringInside(outer)) return fail("a handshake runs inside it");
  const all: BundleInner[] = [];
  for (const { tunnel, through, stream } of tunnels.innerOf(outer)) {
    const hbone = tunnel.snapshot();
    const frozen = hbone.ok ? freezer.addInner(stream) : hbone;
    if (!hbone.ok || !frozen.ok) return frozen as Result<never, string>;
    all.push({ through: through.id, hbone: hbone.value, stream: frozen.value });
  }
  return ok(all);
}

function frozen(
  { pod, tunnels }: FreezeWorld,
  candidate: Candidate,
  parts: { readonly freezer: Freezer; readonly all: readonly OpenConnection[]; readonly state: Uint8Array },
): FrozenBundle {
  const { freezer, all, state } = parts;
  const asking = all.filter((c) => c.awaiting?.t === "application");
  if (candidate.t === "outbound") tunnels.takeOut(candidate.tunnel); // nobody is given a stream of it meanwhile
  return {
    uid: pod.info.uid,
    state,
    fds: freezer.fds,
    given: () => {
      for (const c of all) c.leave();
      // An application that was reached while its client stood still has no client here any more.
      for (const c of asking) c.sides[1]?.abort();
      if (candidate.t !== "plain") tunnels.forget(candidate.tunnel);
      freezer.forget();
    },
    kept: () => {
      if (candidate.t === "outbound") tunnels.putIn(candidate.tunnel, candidate.about, candidate.about);
      freezer.thaw();
      if (pod.stopped && candidate.t !== "plain") candidate.tunnel.abort();
    },
  };
}
