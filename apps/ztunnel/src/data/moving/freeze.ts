import type { ByteStream } from "@lateen/byte-stream";
import type { Plain } from "@lateen/cbor";
import type { Mover } from "@lateen/datapath";
import { type Result, fail, ok } from "@lateen/errors";
import type { HboneClient, HboneConnection, HboneServer, HboneStream } from "@lateen/hbone";
import type { OpenConnection } from "../open-connection.ts";
import type { AcceptedTunnel, OpenedTunnel, PodTunnels } from "../pod-tunnels.ts";
import type { PodContext } from "../pod-context.ts";
import { type BundleConnection, type BundleTunnel, type FrozenBundle, type Place, encodeBundle } from "./bundle.ts";

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

export interface FreezeWorld {
  readonly mover: Mover;
  readonly pod: PodContext;
  readonly tunnels: PodTunnels;
  readonly clockMs: () => number;
}

export const isHboneStream = (s: ByteStream): s is HboneStream => "connection" in s;

/** The connection that a side of this one leads through, if any. */
export function carrierOf(connection: OpenConnection): HboneConnection | null {
  for (const side of connection.sides) if (isHboneStream(side)) return side.connection;
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

  thaw(): void {
    for (const stream of this.#streams) this.#mover.thaw(stream);
  }

  forget(): void {
    for (const stream of this.#streams) this.#mover.forget(stream);
  }
}

/** One side's place in the bundle; freezes it when it is a socket. @returns text when it cannot be frozen now */
function place(freezer: Freezer, side: ByteStream, closed: boolean, firstSocket: number): Place | string {
  if (closed) return { t: "over", local: side.local, remote: side.remote };
  if (isHboneStream(side)) return { t: "stream", id: side.id };
  const why = freezer.add(side);
  return why ?? { t: "socket", index: freezer.fds.length - 1 - firstSocket };
}

function placeConnection(
  freezer: Freezer,
  c: OpenConnection,
  about: { readonly openings: ReadonlyMap<unknown, number>; readonly firstSocket: number },
): BundleConnection | string {
  const connection = c.snapshot();
  const [downstream, upstream] = c.sides;
  const waits = c.awaiting;
  if (downstream === undefined) return "it has no client yet";
  const down = place(freezer, downstream, connection.relay?.a.closed != null, about.firstSocket);
  if (typeof down === "string") return down;
  if (upstream !== undefined) {
    const up = place(freezer, upstream, connection.relay?.b.closed != null, about.firstSocket);
    return typeof up === "string" ? up : { connection, down, up };
  }
  const id = waits?.t === "answer" ? about.openings.get(waits.target) : undefined;
  return id === undefined ? "it is being opened" : { connection, down, up: { t: "opening", id } };
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

function describe(world: FreezeWorld, candidate: Candidate, freezer: Freezer): Result<FrozenBundle, string> {
  const all = (world.pod.thread.connections.of(world.pod.info.uid) as readonly OpenConnection[]).filter((c) =>
    candidate.t === "plain" ? c === candidate.connection : carriesOn(c, candidate),
  );
  let tunnel: BundleTunnel | null = null;
  if (candidate.t !== "plain") {
    const described = describeTunnel(candidate, freezer);
    if (!described.ok) return described;
    tunnel = described.value;
  }
  const openings =
    candidate.t === "outbound" ? new Map(candidate.tunnel.waiting().map(({ id, target }) => [target, id])) : new Map();
  const firstSocket = freezer.fds.length;
  const connections: BundleConnection[] = [];
  for (const c of all) {
    if (c.awaiting?.t === "application") continue; // asked for anew by the successor
    const placed = placeConnection(freezer, c, { openings, firstSocket });
    if (typeof placed === "string") return fail(placed);
    connections.push(placed);
  }
  const unowned = unownedStream(tunnel, connections);
  if (unowned !== null) return fail(unowned);
  const sockets = freezer.states.slice(firstSocket);
  const state = encodeBundle({ frozenAtMs: world.clockMs(), tunnel, sockets, connections });
  return ok(frozen(world, candidate, { freezer, all, state }));
}

function carriesOn(c: OpenConnection, candidate: Exclude<Candidate, { t: "plain" }>): boolean {
  if (carrierOf(c) === candidate.tunnel) return true;
  const waits = c.awaiting;
  return (
    candidate.t === "outbound" &&
    waits?.t === "answer" &&
    candidate.tunnel.waiting().some(({ target }) => target === waits.target)
  );
}

function describeTunnel(candidate: Exclude<Candidate, { t: "plain" }>, freezer: Freezer): Result<BundleTunnel, string> {
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
  return ok({ t: "outbound", hbone: hbone.value, stream, target, shared, idleMs });
}

/** A stream that no connection owns carries something that cannot be moved: a tunnel inside the tunnel, or one being given up. */
function unownedStream(tunnel: BundleTunnel | null, connections: readonly BundleConnection[]): string | null {
  if (tunnel === null) return null;
  const owned = new Set(connections.flatMap(({ down, up }) => [down, up]).map((p) => ("id" in p ? p.id : 0)));
  const { tunnels, openings } = tunnel.hbone;
  const missing = [...tunnels.map((t) => t.id), ...openings].some((id) => !owned.has(id));
  return missing ? "it carries a tunnel inside the tunnel" : null;
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
