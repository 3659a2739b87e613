import { Buffer } from "node:buffer";
import fs from "node:fs";
import { Code, MeshError } from "@lateen/errors";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { type Awaited, type Watch, watchFd, whenReady } from "./readiness.ts";
import { isErrno } from "./netlink/netlink-socket.ts";
import { encodeUnix } from "./sockaddr.ts";

const TYPE = k.SOCK_SEQPACKET | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC;
/** Descriptors taken along with one message where nothing else is said; more are refused as truncated. */
const USUAL_MAX_FDS = 8;

/** Who is at the other end, as the kernel knows it. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * - `message`: one whole datagram; the descriptors are the receiver's to close
 * - `truncated`: the datagram or its descriptors did not fit; what came is thrown away and closed
 * - `end`: the peer has closed
 */
export type Incoming =
  | { readonly t: "message"; readonly bytes: Buffer; readonly fds: readonly number[] }
  | { readonly t: "truncated"; readonly why: string }
  | { readonly t: "end" };

/** A connected SOCK_SEQPACKET socket: keeps message borders, carries descriptors. Disposing of it closes it. */
export interface SeqpacketSocket extends Disposable {
  readonly peer: PeerCredentials;
  /**
   * Sends one message. The descriptors stay the caller's, and must stay open until the promise resolves.
   * @throws MeshError UNAVAILABLE when the peer is gone (`facts.errno` EPIPE); the signal's reason
   */
  send(bytes: Uint8Array, fds: readonly number[], signal: AbortSignal): Promise<void>;
  /**
   * The next message. One call at a time.
   * @param maxBytes longer ones are `truncated`; at most 64 KiB
   * @param maxFds more are `truncated` (default 8, at most 253)
   * @throws MeshError UNAVAILABLE when the connection broke; the signal's reason
   */
  receive(maxBytes: number, signal: AbortSignal, maxFds?: number): Promise<Incoming>;
  /**
   * From here on the peer can send nothing (it gets EPIPE), and neither can we. What it sent before is still received, then `end`.
   */
  shut(): void;
}

/** A listening SEQPACKET socket. Disposing of it closes it; its path stays. */
export interface SeqpacketListener extends Disposable {
  /** The next connection. @throws the signal's reason when it aborts first */
  accept(signal: AbortSignal): Promise<SeqpacketSocket>;
}

/** A peer that closes with something unread leaves an error before what it sent last; the kernel tells it once. */
function receiveNow(fd: number, into: Buffer, maxFds: number): libc.Received | null {
  try {
    return libc.recvmsg(fd, into, maxFds, k.MSG_CMSG_CLOEXEC);
  } catch (e) {
    if (!isErrno(e, "ECONNRESET")) throw e;
    return libc.recvmsg(fd, into, maxFds, k.MSG_CMSG_CLOEXEC);
  }
}

class Socket implements SeqpacketSocket {
  readonly peer: PeerCredentials;
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #closed = new AbortController();

  constructor(fd: number) {
    this.#fd = fd;
    this.peer = credentials(fd);
    this.#watch = watchFd(fd);
  }

  #wait(what: Awaited, signal: AbortSignal): Promise<void> {
    return whenReady(this.#watch, what, AbortSignal.any([signal, this.#closed.signal]));
  }

  async send(bytes: Uint8Array, fds: readonly number[], signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#check(signal);
      if (libc.sendmsg(this.#fd, bytes, fds, k.MSG_NOSIGNAL) !== null) return;
      await this.#wait("writable", signal);
    }
  }

  async receive(maxBytes: number, signal: AbortSignal, maxFds = USUAL_MAX_FDS): Promise<Incoming> {
    const into = Buffer.alloc(maxBytes);
    for (;;) {
      this.#check(signal);
      const got = receiveNow(this.#fd, into, maxFds);
      if (got !== null) return incoming(into, got, maxFds);
      await this.#wait("readable", signal);
    }
  }

  shut(): void {
    if (!this.#closed.signal.aborted) libc.shutdown(this.#fd, k.SHUT_RDWR);
  }

  #check(signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#closed.signal.throwIfAborted();
  }

  [Symbol.dispose](): void {
    if (this.#closed.signal.aborted) return;
    this.#watch[Symbol.dispose]();
    libc.close(this.#fd);
    this.#closed.abort(new MeshError(Code.Unavailable, "Cannot use the connection: it is closed"));
  }
}

/** A connected SEQPACKET socket for a loop that must never wait: whoever owns it watches `fd`. Disposing of it closes it. */
export interface SeqpacketChannel extends Disposable {
  readonly fd: number;
  /**
   * The descriptors stay the caller's.
   * @returns `full`: nothing was sent, try again later; `gone`: the peer can be told nothing more
   */
  send(bytes: Uint8Array, fds: readonly number[]): "sent" | "full" | "gone";
  /** The next message, null when there is none yet. What a peer sent before it was gone comes before its `end`. */
  receive(maxFds: number): Incoming | null;
  /** As `SeqpacketSocket.shut`. */
  shut(): void;
}

class Channel implements SeqpacketChannel {
  readonly fd: number;
  readonly #into: Buffer;
  #open = true;

  constructor(fd: number, maxBytes: number) {
    this.fd = fd;
    this.#into = Buffer.alloc(maxBytes);
  }

  send(bytes: Uint8Array, fds: readonly number[]): "sent" | "full" | "gone" {
    if (!this.#open) return "gone";
    try {
      return libc.sendmsg(this.fd, bytes, fds, k.MSG_NOSIGNAL) === null ? "full" : "sent";
    } catch (e) {
      if (isErrno(e, "EPIPE") || isErrno(e, "ECONNRESET") || isErrno(e, "ENOTCONN")) return "gone";
      throw e;
    }
  }

  receive(maxFds: number): Incoming | null {
    if (!this.#open) return { t: "end" };
    const got = receiveNow(this.fd, this.#into, maxFds);
    if (got === null) return null;
    const all = incoming(this.#into, got, maxFds);
    return all.t === "message" ? { ...all, bytes: Buffer.from(all.bytes) } : all; // the room is used again
  }

  shut(): void {
    if (this.#open) libc.shutdown(this.fd, k.SHUT_RDWR);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    libc.close(this.fd);
  }
}

/**
 * Owns the descriptor, one of `seqpacketDescriptors` or what came of it in another process.
 * @param maxBytes longer messages are received as `truncated`
 */
export const seqpacketChannel = (fd: number, maxBytes: number): SeqpacketChannel => new Channel(fd, maxBytes);

/** Two connected sockets as descriptors, the caller's. */
export const seqpacketDescriptors = (): readonly [number, number] => libc.socketpair(k.AF_UNIX, TYPE, 0);

function incoming(into: Buffer, got: libc.Received, maxFds: number): Incoming {
  if (got.truncated || got.controlTruncated) {
    got.fds.forEach(libc.close);
    const what = got.truncated ? `it has more than ${into.length} bytes` : `more than ${maxFds} descriptors came along`;
    return { t: "truncated", why: `the message was truncated: ${what}` };
  }
  // A datagram of no bytes looks the same as the end; nothing here sends one.
  if (got.length === 0 && got.fds.length === 0) return { t: "end" };
  return { t: "message", bytes: into.subarray(0, got.length), fds: got.fds };
}

function credentials(fd: number): PeerCredentials {
  const c = Buffer.alloc(12);
  libc.getsockopt(fd, k.SOL_SOCKET, k.SO_PEERCRED, c);
  return { pid: c.readInt32LE(0), uid: c.readUInt32LE(4), gid: c.readUInt32LE(8) };
}

/** Gives `fd` to what `make` makes; closes it when that fails. */
function owning<T>(fd: number, make: (fd: number) => T): T {
  try {
    return make(fd);
  } catch (e) {
    libc.close(fd);
    throw e;
  }
}

/**
 * Connects to a listening SEQPACKET socket; answers at once, as unix sockets do.
 * @throws MeshError UNAVAILABLE when nobody listens or its backlog is full
 */
export function connectSeqpacket(path: string): SeqpacketSocket {
  return owning(libc.socket(k.AF_UNIX, TYPE, 0), (fd) => {
    if (libc.connect(fd, encodeUnix(path)) === "pending")
      throw new MeshError(Code.Unavailable, `Cannot connect to "${path}": too many connections wait there`);
    return new Socket(fd);
  });
}

class Listener implements SeqpacketListener {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #closed = new AbortController();

  constructor(fd: number) {
    this.#fd = fd;
    this.#watch = watchFd(fd);
  }

  async accept(signal: AbortSignal): Promise<SeqpacketSocket> {
    const ends = AbortSignal.any([signal, this.#closed.signal]);
    for (;;) {
      ends.throwIfAborted();
      const fd = libc.accept4(this.#fd, k.SOCK_NONBLOCK | k.SOCK_CLOEXEC);
      if (fd !== null) return owning(fd, (f) => new Socket(f));
      await whenReady(this.#watch, "readable", ends);
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed.signal.aborted) return;
    this.#watch[Symbol.dispose]();
    libc.close(this.#fd);
    this.#closed.abort(new MeshError(Code.Unavailable, "Cannot accept: the listener is closed"));
  }
}

/** What was there before is removed if it is a socket; anything else is somebody's file. */
function removeStale(path: string): void {
  const there = fs.lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket())
    throw new MeshError(Code.BadInput, `Cannot listen on "${path}": it exists and is not a socket`);
  fs.rmSync(path, { force: true });
}

export interface SeqpacketListenOptions {
  readonly path: string;
  /** Permission bits of the path (default 0o600), set before anybody can connect. */
  readonly mode?: number;
  /** Connections that may wait (default 16). */
  readonly backlog?: number;
}

/**
 * Listens on a path; a socket left behind there is replaced. The path stays when the listener is disposed of: nobody can look whether
 * it is still its own and remove it in one step, and a successor that binds it at this moment would not be found by anybody.
 * @throws MeshError BAD_INPUT when the path is too long or is not a socket, UNAVAILABLE when it cannot be bound
 */
export function listenSeqpacket(o: SeqpacketListenOptions): SeqpacketListener {
  const address = encodeUnix(o.path);
  removeStale(o.path);
  return owning(libc.socket(k.AF_UNIX, TYPE, 0), (fd) => {
    libc.bind(fd, address);
    fs.chmodSync(o.path, o.mode ?? 0o600);
    libc.listen(fd, o.backlog ?? 16);
    return new Listener(fd);
  });
}

/** Two connected sockets, for parent and child or for tests. */
export function seqpacketPair(): readonly [SeqpacketSocket, SeqpacketSocket] {
  const [a, b] = libc.socketpair(k.AF_UNIX, TYPE, 0);
  return [new Socket(a), new Socket(b)];
}
