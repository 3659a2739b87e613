import type { SocketAddress } from "@lateen/addresses";
import type { Listener, SocketStream } from "@lateen/datapath";
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, acceptStream, closeStream, localAddress } from "@lateen/linux";
import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "./errno.ts";
import { FastSocket } from "./fast-socket.ts";
import type { Loop, Place, Pollable } from "./loop.ts";
import type { Cancel } from "./timer-wheel.ts";
import type { Source, Tenant } from "./turns.ts";

/** Connections taken before others have their turn, and what each costs of it. */
const BATCH = 16;
const ACCEPT_COST = 8192;
/** The process or the machine has no descriptor or memory left: the connections wait in the kernel meanwhile. */
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);
const EXHAUSTED_PAUSE_MS = 100;
/** As long as a connection is left to those who share the listener. One of them that is not busy has it long before. */
const YIELD_MS = 1;
/** The kernel wakes one of all that wait with these, besides those that wait for every edge; it knows no other events with them. */
const SHARED_EDGE = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE;

export interface ListenerParts {
  readonly fd: number;
  readonly tenant: Tenant;
  readonly transparent: boolean;
  /** Where it was to listen, should the kernel not say. */
  readonly address: SocketAddress;
  /** See `LentListener`. Default: it is not. */
  readonly shared?: boolean;
}

export class FastListener implements Listener, Pollable, Source {
  readonly address: SocketAddress;
  readonly transparent: boolean;
  readonly tenant: Tenant;
  /** Connections are left, for a moment, to whoever shares the listener. */
  yields = false;
  queued = false;
  next: Source | null = null;
  readonly fd: number;
  readonly #loop: Loop;
  readonly #onStream: (stream: SocketStream) => void;
  readonly #shared: boolean;
  #place: Place;
  /** Looks again later. */
  #retry: Cancel | null = null;
  #open = true;
  #lent = false;

  /** Owns `fd`. */
  constructor(loop: Loop, parts: ListenerParts, onStream: (stream: SocketStream) => void) {
    this.#loop = loop;
    this.fd = parts.fd;
    this.tenant = parts.tenant;
    this.transparent = parts.transparent;
    this.address = localAddress(parts.fd) ?? parts.address;
    this.#onStream = onStream;
    this.#shared = parts.shared ?? false;
    this.#place = this.#register();
  }

  #register(): Place {
    return this.#shared ? this.#loop.register(this.fd, this, SHARED_EDGE) : this.#loop.register(this.fd, this);
  }

  ready(events: number): void {
    if ((events & EPOLLIN) === 0) return;
    if (this.yields) this.#lookIn(YIELD_MS);
    else this.#loop.turns.enqueue(this);
  }

  #lookIn(ms: number): void {
    this.#retry ??= this.#loop.after(ms, () => {
      this.#retry = null;
      if (this.#open) this.#loop.turns.enqueue(this);
    });
  }

  serve(): number {
    for (let taken = 1; this.#open && !this.#lent; taken++) {
      const accepted = acceptStream(this.fd);
      if (typeof accepted === "number") {
        this.#refused(-accepted);
        return taken * ACCEPT_COST;
      }
      this.#take(accepted.fd, accepted.remote);
      if (taken === BATCH) {
        this.#loop.turns.enqueue(this);
        return BATCH * ACCEPT_COST;
      }
    }
    return 0;
  }

  #take(fd: number, remote: SocketAddress | null): void {
    const loop = this.#loop;
    const stream = new FastSocket(loop, { fd, tenant: loop.turns.hold(this.tenant.name), remote, place: null });
    loop.guard(stream, () => this.#onStream(stream));
  }

  #refused(errno: number): void {
    if (errno === EAGAIN) return;
    if (!EXHAUSTED.has(errno)) {
      this.#loop.turns.enqueue(this); // that one connection broke before it was taken; others may wait
      return;
    }
    this.#lookIn(EXHAUSTED_PAUSE_MS);
  }

  /** Another process accepts: the descriptor stays open here, and leaves the loop. */
  lend(): void {
    if (!this.#open || this.#lent) return;
    this.#lent = true;
    this.#loop.remove(this.fd, this.#place);
  }

  takeBack(): void {
    if (!this.#open || !this.#lent) return;
    this.#lent = false;
    this.#place = this.#register(); // what waits in the kernel makes an edge at once
  }

  /** An exception while accepting is not the listener's fault: it goes on. */
  fault(): void {
    if (this.#loop.closed) this.close();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#retry?.();
    this.#loop.remove(this.fd, this.#place);
    this.#loop.turns.release(this.tenant);
    closeStream(this.fd);
  }
}
