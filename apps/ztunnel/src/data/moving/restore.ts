import { type ByteStream, closedStream } from "@lateen/byte-stream";
import type { Mover, SecureStream, SocketStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type HboneStream, type RestoredHboneClient, restoreHboneClient } from "@lateen/hbone";
import { type RestoredInbound, restoreInbound } from "../inbound-hbone.ts";
import { OpenConnection } from "../open-connection.ts";
import type { ServedPod } from "../served-pod.ts";
import {
  type Bundle,
  type BundleConnection,
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
      readonly about: Extract<BundleTunnel, { t: "outbound" }>;
    };

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
  return ok({ t: "outbound", stream: stream.value, restored, about });
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
  if (tunnel?.t === "outbound")
    proxy.tunnels.putIn(
      tunnel.restored.connection,
      { stream: tunnel.stream, target: tunnel.about.target },
      tunnel.about,
    );
  for (const stream of streams.all) mover.thaw(stream);
  if (tunnel?.t === "inbound") tunnel.restored.start();
  if (proxy.context.stopped) for (const stream of streams.all) stream.abort();
}

function take(proxy: ServedPod, { connection, down, up }: BundleConnection, parts: Parts): void {
  const pod = proxy.context;
  const a = streamAt(down, parts);
  if (a === null) throw new MeshError(Code.Bug, "Cannot restore a connection without a client");
  const open = OpenConnection.restore(pod, connection, a);
  if (up.t === "opening") {
    awaitAnswer(open, a, { id: up.id, authority: connection.facts.hboneAuthority ?? "" }, parts);
    return;
  }
  const b = streamAt(up, parts);
  if (b === null || connection.relay === null)
    throw new MeshError(Code.Bug, "Cannot restore a connection that was not carried");
  open.resume({ a, b }, connection.relay);
}

/** The answer to our CONNECT is still to come. */
function awaitAnswer(
  open: OpenConnection,
  downstream: ByteStream,
  about: { readonly id: number; readonly authority: string },
  { tunnel }: Parts,
): void {
  const resume = tunnel?.t === "outbound" ? tunnel.restored.openings.get(about.id) : undefined;
  if (resume === undefined) throw new MeshError(Code.Bug, "Cannot restore a request that nobody has");
  const target = { authority: about.authority, headers: [] };
  open.awaiting = { t: "answer", target };
  resume(target, (result) => {
    if (result.ok) open.carry(downstream, result.value);
    else open.fail({ flag: "CONNECT", error: result.error.message, refusedBy: null });
  });
}

function streamAt(place: Place, { sockets, tunnel }: Parts): ByteStream | HboneStream | null {
  if (place.t === "socket") return sockets[place.index] ?? null;
  if (place.t === "over") return closedStream(place.local, place.remote);
  return place.t === "stream" ? (tunnel?.restored.streams.get(place.id) ?? null) : null;
}
