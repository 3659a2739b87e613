import { type ByteStream, closedStream } from "@lateen/byte-stream";
import type { Mover, SecureStream, SocketStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type ConnectTarget, type HboneStream, type RestoredHboneClient, restoreHboneClient } from "@lateen/hbone";
import { type RestoredInbound, restoreInbound } from "../inbound-hbone.ts";
import { OpenConnection } from "../open-connection.ts";
import { flagOf } from "../outbound.ts";
import { type InnerTunnel, innerAnswer } from "../pod-tunnels.ts";
import type { ServedPod } from "../served-pod.ts";
import {
  type Bundle,
  type BundleConnection,
  type BundleInner,
  type BundleTunnel,
  type Place,
  checkDescriptors,
  decodeBundle,
} from "./bundle.ts";

/** A bundle of another process that is ready to go on here: nothing of it has run yet, and nothing has been said to anybody. */
export interface PreparedBundle {
  readonly connections: number;
  readonly tunnel: boolean;
  /** It is ours: goes on. @returns how long it stood still, in milliseconds */
  run(): number;
  /** It is not ours: closes our descriptors without a word. */
  letGo(): void;
}

export interface RestoreWorld {
  readonly mover: Mover;
  readonly proxy: ServedPod;
  readonly clockMs: () => number;
}

type Tunnel =
  | { readonly t: "inbound"; readonly stream: SecureStream; readonly restored: RestoredInbound }
  | {
      readonly t: "outbound";
      readonly stream: SecureStream;
      readonly restored: RestoredHboneClient;
      readonly about: OutboundTunnel;
      /** Tunnels inside it, by the stream that each runs over. */
      readonly inner: ReadonlyMap<number, RestoredInner>;
    };
type OutboundTunnel = Extract<BundleTunnel, { t: "outbound" }>;
type Opening = Extract<Place, { t: "opening" | "inner opening" | "outer opening" }>;
type RestoredInner = InnerTunnel & { readonly restored: RestoredHboneClient };

/** Descriptors become streams one after the other; what is not a stream yet when something is wrong is closed as it is. */
class Streams {
  readonly all: ByteStream[] = [];
  readonly #mover: Mover;
  readonly #closeFd: (fd: number) => void;
  readonly #fds: number[];

  constructor(mover: Mover, fds: readonly number[], closeFd: (fd: number) => void) {
    this.#mover = mover;
    this.#fds = [...fds];
    this.#closeFd = closeFd;
  }

  secure(state: Parameters<Mover["restoreSecure"]>[0]): Result<SecureStream> {
    return this.#keep(this.#mover.restoreSecure(state, this.#next()));
  }

  /** A TLS stream over one of a tunnel. */
  inner(state: Parameters<Mover["restoreInner"]>[0], carrier: ByteStream): Result<SecureStream> {
    return this.#keep(this.#mover.restoreInner(state, carrier));
  }

  socket(state: Parameters<Mover["restoreSocket"]>[0]): Result<SocketStream> {
    return this.#keep(this.#mover.restoreSocket(state, this.#next()));
  }

  #next(): number {
    const fd = this.#fds.shift();
    if (fd === undefined) throw new MeshError(Code.Bug, "Cannot restore: descriptors were not counted");
    return fd;
  }

  #keep<T extends ByteStream>(made: Result<T>): Result<T> {
    if (made.ok) this.all.push(made.value);
    return made;
  }

  letGo(): void {
    for (const stream of this.all) this.#mover.forget(stream);
    for (const fd of this.#fds.splice(0)) this.#closeFd(fd);
  }
}

/**
 * Makes a bundle ready. Owns the descriptors, and closes them when the bundle is refused.
 * @param closeFd closes a descriptor that has not become a stream
 */
export function prepareBundle(
  world: RestoreWorld,
  moved: { readonly state: Uint8Array; readonly fds: readonly number[] },
  closeFd: (fd: number) => void,
): Result<PreparedBundle> {
  const streams = new Streams(world.mover, moved.fds, closeFd);
  const prepared = prepare(world, moved, streams);
  if (!prepared.ok) streams.letGo();
  return prepared;
}

function prepare(
  world: RestoreWorld,
  moved: { readonly state: Uint8Array; readonly fds: readonly number[] },
  streams: Streams,
): Result<PreparedBundle> {
  const bundle = decodeBundle(moved.state);
  if (!bundle.ok) return bundle;
  const counted = checkDescriptors(bundle.value, moved.fds);
  if (!counted.ok) return counted;
  const tunnel = bundle.value.tunnel === null ? ok(null) : restoreTunnel(world, bundle.value.tunnel, streams);
  if (!tunnel.ok) return tunnel;
  const sockets: SocketStream[] = [];
  for (const state of bundle.value.sockets) {
    const socket = streams.socket(state);
    if (!socket.ok) return socket;
    sockets.push(socket.value);
  }
  return ok({
    connections: bundle.value.connections.length,
    tunnel: tunnel.value !== null,
    letGo: () => streams.letGo(),
    run: () => {
      run(world, bundle.value, { streams, sockets, tunnel: tunnel.value });
      return Math.max(0, world.clockMs() - bundle.value.frozenAtMs);
    },
  });
}

function restoreTunnel({ proxy }: RestoreWorld, about: BundleTunnel, streams: Streams): Result<Tunnel> {
  const stream = streams.secure(about.stream);
  if (!stream.ok) return stream;
  if (about.t !== (about.hbone.machine.role === "server" ? "inbound" : "outbound"))
    return fail(new MeshError(Code.BadInput, `Cannot restore: an ${about.t} tunnel of a ${about.hbone.machine.role}`));
  if (about.t === "inbound") {
    const accepted = { stream: stream.value, peer: about.peer, spoofs: about.spoofs };
    return ok({ t: "inbound", stream: stream.value, restored: restoreInbound(proxy, accepted, about.hbone) });
  }
  const restored = restoreHboneClient(stream.value, about.hbone, proxy.tunnels.clientOptions());
  const inner = new Map<number, RestoredInner>();
  for (const one of about.inner) {
    const made = restoreInner(proxy, one, restored.streams.get(one.through), streams);
    if (!made.ok) return made;
    inner.set(one.through, made.value);
  }
  return ok({ t: "outbound", stream: stream.value, restored, about, inner });
}

function restoreInner(
  proxy: ServedPod,
  from: BundleInner,
  through: HboneStream | undefined,
  streams: Streams,
): Result<RestoredInner> {
  if (through === undefined)
    return fail(new MeshError(Code.BadInput, "Cannot restore: a tunnel inside the tunnel has no stream"));
  const stream = streams.inner(from.stream, through);
  if (!stream.ok) return stream;
  const restored = restoreHboneClient(stream.value, from.hbone, proxy.tunnels.clientOptions());
  return ok({ through, stream: stream.value, restored });
}

interface Parts {
  readonly streams: Streams;
  readonly sockets: readonly SocketStream[];
  readonly tunnel: Tunnel | null;
}

/** Gives every stream its reader, then lets all of them go on. */
function run({ mover, proxy }: RestoreWorld, bundle: Bundle, parts: Parts): void {
  const { streams, tunnel } = parts;
  for (const one of bundle.connections) {
    try {
      take(proxy, one, parts);
    } catch (fault) {
      proxy.context.thread.fault(fault);
      for (const side of [one.down, one.up]) streamAt(side, parts)?.abort();
    }
  }
  if (tunnel?.t === "outbound") putIn(proxy, tunnel);
  // In the other order than they were made: what is inside another goes on first.
  for (const stream of streams.all.toReversed()) mover.thaw(stream);
  if (tunnel?.t === "inbound") tunnel.restored.start();
  if (proxy.context.stopped) for (const stream of streams.all) stream.abort();
}

function putIn({ tunnels }: ServedPod, { restored, stream, about, inner }: Extract<Tunnel, { t: "outbound" }>): void {
  tunnels.putIn(restored.connection, { stream, target: about.target }, about);
  for (const one of inner.values()) tunnels.putInner(one.restored.connection, one);
}

function take(proxy: ServedPod, { connection, down, up }: BundleConnection, parts: Parts): void {
  const pod = proxy.context;
  const a = streamAt(down, parts);
  if (a === null) throw new MeshError(Code.Bug, "Cannot restore a connection without a client");
  const open = OpenConnection.restore(pod, connection, a);
  if (up.t === "opening" || up.t === "inner opening" || up.t === "outer opening")
    return awaitAnswer(proxy, { open, downstream: a, authority: connection.facts.hboneAuthority ?? "" }, up, parts);
  const b = streamAt(up, parts);
  if (b === null || connection.relay === null)
    throw new MeshError(Code.Bug, "Cannot restore a connection that was not carried");
  open.resume({ a, b }, connection.relay);
}

/** A connection whose CONNECT has no answer yet. */
interface Asking {
  readonly open: OpenConnection;
  readonly downstream: ByteStream;
  readonly authority: string;
}

/** The answer to our CONNECT is still to come. */
function awaitAnswer(proxy: ServedPod, { open, downstream, authority }: Asking, up: Opening, { tunnel }: Parts): void {
  const outbound = tunnel?.t === "outbound" ? tunnel : null;
  const inner = up.t === "inner opening" ? (outbound?.inner.get(up.through)?.restored ?? null) : null;
  const resume = (up.t === "inner opening" ? inner : outbound?.restored)?.openings.get(up.id);
  if (outbound === null || resume === undefined)
    throw new MeshError(Code.Bug, "Cannot restore a request that nobody has");
  const done = (result: Result<HboneStream>): void => {
    if (result.ok) open.carry(downstream, result.value);
    else open.fail({ flag: flagOf(result.error), error: result.error.message, refusedBy: null });
  };
  // What was sent is not needed any more, but tells this request from others.
  const sent: ConnectTarget = { authority, headers: [] };
  if (inner !== null) {
    open.awaiting = { t: "answer", target: { ...sent }, inner: { expected: [], request: sent } };
    resume(sent, innerAnswer(inner.connection, done));
    return;
  }
  const next = up.t === "outer opening" ? { expected: up.expected, request: { authority, headers: up.headers } } : null;
  open.awaiting = { t: "answer", target: sent, inner: next };
  resume(sent, (outer) => {
    if (next !== null && outer.ok) proxy.tunnels.through(outer.value, outbound.about.target.as, next, done);
    else done(outer);
  });
}

function streamAt(place: Place, { sockets, tunnel }: Parts): ByteStream | HboneStream | null {
  switch (place.t) {
    case "socket":
      return sockets[place.index] ?? null;
    case "over":
      return closedStream(place.local, place.remote);
    case "stream":
      return tunnel?.restored.streams.get(place.id) ?? null;
    case "inner stream":
      return (
        (tunnel?.t === "outbound" ? tunnel.inner.get(place.through)?.restored.streams.get(place.id) : null) ?? null
      );
    default:
      return null;
  }
}
