import { type SocketAddress, ipFamily } from "@lateen/addresses";
import type { ConnectOptions, SocketStream } from "@lateen/datapath";
import { cannotConnect, connectTimeout } from "@lateen/datapath/internal";
import { type MeshError, type Result, fail, ok } from "@lateen/errors";
import { EPOLLERR, EPOLLHUP, closeStream, connectStream, errnoName, takeError } from "@lateen/linux";
import { EINPROGRESS } from "./errno.ts";
import { FastSocket } from "./fast-socket.ts";
import type { Loop, Place, Pollable } from "./loop.ts";
import type { Cancel } from "./timer-wheel.ts";

const FAILED = EPOLLERR | EPOLLHUP;

type Done = (result: Result<SocketStream>) => void;

/** A connection being opened: from the first call to the answer, which comes once unless cancelled. */
export class Dial implements Pollable {
  readonly #loop: Loop;
  readonly #options: ConnectOptions;
  readonly #done: Done;
  readonly #stopTimer: Cancel;
  #fd = -1;
  #place: Place | null = null;
  #settled = false;

  constructor(loop: Loop, options: ConnectOptions, done: Done) {
    this.#loop = loop;
    this.#options = options;
    this.#done = done;
    loop.exemplars.dial = this;
    this.#stopTimer = loop.after(options.timeoutMs, () => this.#fail(connectTimeout(options)));
    this.#begin();
  }

  #begin(): void {
    const { to } = this.#options;
    try {
      this.#fd = this.#loop.sockets.client(this.#options);
      const failed = -connectStream(this.#fd, to, ipFamily(to.ip));
      if (failed !== 0 && failed !== EINPROGRESS) this.#failLater(this.#refused(failed));
      else this.#place = this.#loop.register(this.#fd, this);
    } catch (error) {
      this.#failLater(cannotConnect(this.#options, error));
    }
  }

  #refused(errno: number): MeshError {
    return cannotConnect(this.#options, { code: errnoName(errno) });
  }

  ready(events: number): void {
    const place = this.#place;
    if (this.#settled || place === null) return;
    const errno = (events & FAILED) === 0 ? 0 : takeError(this.#fd); // an error is always reported with one of these
    if (errno !== 0) {
      this.#fail(this.#refused(errno));
      return;
    }
    this.#settled = true;
    this.#stopTimer();
    const loop = this.#loop;
    const tenant = loop.turns.hold(this.#options.tenant ?? "");
    const stream = new FastSocket(loop, { fd: this.#fd, tenant, remote: canonical(this.#options.to), place });
    loop.guard(stream, () => this.#done(ok(stream)));
    stream.ready(events); // what came along with it
  }

  #failLater(error: MeshError): void {
    this.#loop.defer(() => this.#fail(error));
  }

  #fail(error: MeshError): void {
    if (this.#settled) return;
    this.#letGo();
    this.#done(fail(error));
  }

  /** Never answers any more. Idempotent. */
  cancel(): void {
    if (!this.#settled) this.#letGo();
  }

  fault(): void {
    this.cancel();
  }

  #letGo(): void {
    this.#settled = true;
    this.#stopTimer();
    if (this.#place !== null) this.#loop.remove(this.#fd, this.#place);
    if (this.#fd >= 0) closeStream(this.#fd);
  }
}

const canonical = ({ ip, port }: SocketAddress): SocketAddress => ({ ip, port });
