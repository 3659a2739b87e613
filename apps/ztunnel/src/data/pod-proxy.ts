import type { ListenOptions, Listener, Mover, SocketStream } from "@lateen/datapath";
import { MeshError } from "@lateen/errors";
import { acceptHbone } from "./inbound-hbone.ts";
import { acceptPlaintext } from "./inbound-plaintext.ts";
import { HBONE_PORT, OUTBOUND_PORT, PLAINTEXT_PORT } from "./limits.ts";
import { acceptOutbound } from "./outbound.ts";
import { PodContext } from "./pod-context.ts";
import { PodTunnels } from "./pod-tunnels.ts";
import type { PodInfo, PodListener, Yields } from "../messages.ts";
import type { ThreadContext } from "./thread-context.ts";

const BACKLOG = 128;
const POD_PORTS = [HBONE_PORT, PLAINTEXT_PORT, OUTBOUND_PORT] as const;

interface OpenListener {
  readonly port: number;
  readonly listener: Listener;
}

/** How what a pod still carries ends with it. */
const DRAINED = { flag: "CONNECT", error: "connection closed due to connection drain", refusedBy: null } as const;

/** One pod on one data thread: three listeners in the pod's namespace and everything accepted from them. */
export class PodProxy {
  readonly context: PodContext;
  readonly tunnels: PodTunnels;
  #listeners: readonly OpenListener[] = [];
  /** Another thread's, for as long as it wants help. */
  #shared: readonly OpenListener[] = [];
  /** It accepts nothing more, ever. */
  #closed = false;
  /** A successor accepts. */
  #lent = false;
  #yields: Yields = "nothing";

  /**
   * @param lent listeners of a predecessor, which this owns; ports without one are opened. Null: none are, another thread has them
   * @throws MeshError UNAVAILABLE when a port of the pod is taken; then nothing is left open
   */
  constructor(thread: ThreadContext, info: PodInfo, netns: number, lent: readonly PodListener[] | null = []) {
    this.context = new PodContext(thread, info, netns);
    this.tunnels = new PodTunnels(this.context);
    if (lent === null) return;
    const opened: OpenListener[] = [];
    const { mover } = thread.path;
    try {
      if (mover !== null) for (const one of lent) opened.push(this.#adopt(mover, one));
      for (const port of POD_PORTS) if (!opened.some((l) => l.port === port)) opened.push(this.#listen(port));
    } catch (error) {
      for (const { listener } of opened) listener.close();
      throw MeshError.is(error)
        ? error
        : new MeshError("UNAVAILABLE", `Cannot start proxy of pod ${info.uid}`, {}, error);
    }
    this.#listeners = opened;
  }

  /** Accepts nothing new and asks peers to move on (GOAWAY); what is open goes on. */
  drain(): void {
    this.#closeListeners();
    this.tunnels.drain();
  }

  /** Ends everything at once: the pod's processes are gone (dataplane 3.3, Immediate). */
  stop(): void {
    this.#closeListeners();
    for (const connection of this.context.thread.connections.of(this.context.info.uid)) connection.close(DRAINED);
    this.context.stop();
    this.tunnels.stop();
  }

  /** Whoever asks for them from here on gets none: their descriptors are other sockets' soon. */
  #closeListeners(): void {
    for (const { listener } of this.#all) listener.close();
    this.#listeners = this.#shared = [];
    this.#closed = true;
  }

  get #all(): readonly OpenListener[] {
    return [...this.#listeners, ...this.#shared];
  }

  /** Accepts on another thread's listeners too, unless it does already. Owns their descriptors. */
  share(listeners: readonly PodListener[], closeFd: (fd: number) => void): void {
    const { mover } = this.context.thread.path;
    if (mover === null || this.#shared.length > 0 || this.#listeners.length > 0 || this.#closed) {
      for (const { fd } of listeners) closeFd(fd);
      return;
    }
    this.#shared = listeners.map((one) => this.#adopt(mover, one, true));
    if (this.#lent) this.lend();
    this.yield(this.#yields);
  }

  /** Leaves connections to others for a moment, also on listeners that it is given later. */
  yield(what: Yields): void {
    this.#yields = what;
    for (const { port, listener } of this.#all)
      this.context.thread.path.mover?.yieldAccepts(
        listener,
        what === "everything" || (what === "tunnels" && port === HBONE_PORT),
      );
  }

  /** Accepts on its own alone. */
  shareNoMore(): void {
    for (const { listener } of this.#shared) listener.close();
    this.#shared = [];
  }

  /** Its own listeners, for a successor or to be shared: they go on accepting until `lend`. Empty when this driver cannot lend them. */
  listeners(): readonly PodListener[] {
    const { mover } = this.context.thread.path;
    if (mover === null) return [];
    return this.#listeners.map(({ port, listener }) => ({
      port,
      fd: mover.descriptor(listener),
      transparent: listener.transparent,
    }));
  }

  /** Accepts nothing more: a successor does, on the same sockets, which stay open here. */
  lend(): void {
    this.#lent = true;
    for (const { listener } of this.#all) this.context.thread.path.mover?.lend(listener);
  }

  takeBack(): void {
    this.#lent = false;
    for (const { listener } of this.#all) this.context.thread.path.mover?.takeBack(listener);
  }

  #listen(port: number): OpenListener {
    const { path } = this.context.thread;
    const accept = this.#accept(port);
    const listener: Listener = path.listen(this.#options(port), (stream) => accept(stream, listener.transparent));
    return { port, listener };
  }

  #adopt(mover: Mover, { port, fd, transparent }: PodListener, shared = false): OpenListener {
    const accept = this.#accept(port);
    const lent = { fd, transparent, shared, tenant: this.context.info.uid };
    return { port, listener: mover.adopt(lent, (stream) => accept(stream, transparent)) };
  }

  #accept(port: number): (stream: SocketStream, spoofs: boolean) => void {
    const serve = this.#server(port);
    return (stream, spoofs) => {
      this.context.thread.accepted();
      serve(stream, spoofs);
    };
  }

  #server(port: number): (stream: SocketStream, spoofs: boolean) => void {
    if (port === HBONE_PORT) return (stream, spoofs) => acceptHbone(this, stream, spoofs);
    if (port === PLAINTEXT_PORT) return (stream, spoofs) => acceptPlaintext(this.context, stream, spoofs);
    return (stream) => acceptOutbound(this, stream);
  }

  #options(port: number): ListenOptions {
    const { config } = this.context.thread;
    return {
      netns: this.context.netns,
      tenant: this.context.info.uid,
      mark: config.mark,
      address: { ip: config.ipv6 ? "::" : "0.0.0.0", port },
      dualStack: config.ipv6,
      reusePort: config.reusePort,
      transparent: config.transparent,
      backlog: BACKLOG,
      keepAlive: port === HBONE_PORT ? null : config.keepAlive,
      sameNamespace: port === OUTBOUND_PORT,
    };
  }
}
