import { Code, MeshError } from "@lateen/errors";
import {
  AF_NETLINK,
  MSG_DONTWAIT,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
} from "../constants.ts";
import * as libc from "../libc.ts";
import { inNetns } from "../namespaces.ts";
import { encodeNetlink } from "../sockaddr.ts";
import { EINTR, errnoName, errnoOf } from "../system-error.ts";
import {
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  type NetlinkAck,
  type NetlinkMessage,
  decodeAck,
  decodeMessages,
} from "./wire.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** Dumps come in datagrams of at most 32 KiB. */
const RECEIVE_BYTES = 65536;
/** Room for the refusals of a whole batch. */
const RECEIVE_BUFFER = 1 << 20;
/** Batches above the default send buffer need more; nothing we send comes near this. */
const MAX_SEND_BYTES = 16 << 20;
const DEFAULT_SEND_BYTES = 128 << 10;
/** A dump that others keep changing is read again this often. */
const DUMP_ATTEMPTS = 5;

/** The error of something that the kernel refused by netlink. */
export function refusal(operation: string, ack: NetlinkAck): MeshError {
  const name = errnoName(ack.errno);
  const denied = name === "EPERM" || name === "EACCES";
  return new MeshError(
    denied ? Code.Denied : Code.Unavailable,
    `Cannot ${operation}: ${name}${ack.text === null ? "" : ` (${ack.text})`}`,
    { operation, errno: name, number: ack.errno, ...(ack.text === null ? {} : { kernel: ack.text }) },
  );
}

/** Whether an error is the kernel's refusal with one of these errno names. */
export function isErrno(e: unknown, ...names: readonly string[]): boolean {
  const name = errnoOf(e);
  return name !== null && names.includes(name);
}

/**
 * Room for what is received, for all sockets of the thread: one request is answered in full before the next is sent, on whichever
 * socket. Made with the first.
 */
let roomOfThread: Uint8Array | null = null;

/**
 * A netlink socket that belongs to one network namespace for life. All calls are synchronous: the kernel answers a request before
 * the send returns, so nothing here waits.
 */
export class NetlinkSocket implements Disposable {
  private fd: number;
  private seq = 1;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Reserves `n` sequence numbers and returns the first. */
  nextSeq(n = 1): number {
    const first = this.seq;
    this.seq = first + n > 0x7fffffff ? 1 : first + n;
    return first;
  }

  private send(operation: string, bytes: Uint8Array): void {
    if (bytes.length > MAX_SEND_BYTES)
      throw new MeshError(Code.BadInput, `Cannot ${operation}: ${bytes.length} bytes in one request`);
    if (bytes.length > DEFAULT_SEND_BYTES) libc.setsockoptInt(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes.length * 2);
    if (libc.send(this.fd, bytes) === null)
      throw new MeshError(Code.Bug, `Cannot ${operation}: the socket takes nothing`);
  }

  /** One datagram's messages, valid until the next call on any socket; null when nothing is queued. */
  private receive(operation: string): readonly NetlinkMessage[] | null {
    const received = (roomOfThread ??= new Uint8Array(RECEIVE_BYTES));
    const got = libc.recv(this.fd, received, MSG_DONTWAIT);
    if (got === null) return null;
    const decoded = decodeMessages(received.subarray(0, got));
    if (decoded.bad !== null)
      throw new MeshError(Code.Bug, `Cannot ${operation}: answer of the kernel: ${decoded.bad}`);
    return decoded.messages;
  }

  /** Empties the queue after a failure, so that the next request does not read old answers. */
  private drain(operation: string): void {
    for (let i = 0; i < 10_000; i++) {
      try {
        if (this.receive(operation) === null) return;
      } catch (e) {
        if (!isErrno(e, "ENOBUFS")) throw e;
      }
    }
  }

  /**
   * Sends one or more requests in one datagram and gives every answer that names an error, in order.
   * @param lastSeq the request that asked for an acknowledgement; when it is acknowledged all went well
   * @returns errors by sequence number; empty on success
   */
  exchange(operation: string, bytes: Uint8Array, lastSeq: number): readonly (NetlinkAck & { readonly seq: number })[] {
    this.send(operation, bytes);
    const errors: (NetlinkAck & { seq: number })[] = [];
    let acknowledged = false;
    for (let messages = this.receive(operation); messages !== null; messages = this.receive(operation)) {
      for (const m of messages) {
        const ack = m.type === NLMSG_ERROR ? decodeAck(m) : null;
        if (ack === null) continue;
        if (ack.errno !== 0) errors.push({ ...ack, seq: m.seq });
        else if (m.seq === lastSeq) acknowledged = true;
      }
    }
    if (!acknowledged && errors.length === 0)
      throw new MeshError(Code.Bug, `Cannot ${operation}: the kernel did not answer`);
    return errors;
  }

  /**
   * One request with one acknowledgement.
   * @throws MeshError UNAVAILABLE with facts `operation`, `errno` (its name), `number`, and in `kernel` the kernel's own words
   */
  request(operation: string, bytes: Uint8Array, seq: number): void {
    const error = this.exchange(operation, bytes, seq)[0];
    if (error !== undefined) throw refusal(operation, error);
  }

  /** One request that is answered by one message, then acknowledged. */
  ask<T>(operation: string, encode: (seq: number) => Uint8Array, read: (m: NetlinkMessage) => T | null): T | null {
    const seq = this.nextSeq();
    this.send(operation, encode(seq));
    let found: T | null = null;
    for (let messages = this.receive(operation); messages !== null; messages = this.receive(operation)) {
      for (const m of messages) {
        const ack = m.type === NLMSG_ERROR ? decodeAck(m) : null;
        if (ack !== null && ack.errno !== 0) throw refusal(operation, ack);
        if (ack === null && m.seq === seq) found ??= read(m);
      }
    }
    return found;
  }

  /**
   * A dump; `encode` gets the sequence number. Read again when the kernel says that it changed meanwhile.
   * @param read called for each message; must copy what it keeps, and ask no socket
   */
  dump<T>(
    operation: string,
    encode: (seq: number) => Uint8Array,
    read: (m: NetlinkMessage) => T | readonly T[] | null,
  ): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const found = this.dumpOnce(operation, encode, read);
      if (found !== null) return found;
    }
    throw new MeshError(Code.Unavailable, `Cannot ${operation}: it changed during each of ${DUMP_ATTEMPTS} readings`);
  }

  private dumpOnce<T>(
    operation: string,
    encode: (seq: number) => Uint8Array,
    read: (m: NetlinkMessage) => T | readonly T[] | null,
  ): T[] | null {
    const seq = this.nextSeq();
    this.send(operation, encode(seq));
    const found: T[] = [];
    let torn = false;
    for (;;) {
      const messages = this.receive(operation);
      if (messages === null) throw new MeshError(Code.Bug, `Cannot ${operation}: the kernel's answer has no end`);
      for (const m of messages) {
        if (m.seq !== seq) continue;
        torn ||= (m.flags & NLM_F_DUMP_INTR) !== 0;
        if (m.type === NLMSG_DONE || m.type === NLMSG_ERROR) {
          const ack = decodeAck(m);
          if (ack !== null && ack.errno !== 0) {
            this.drain(operation);
            // EINTR of an nf_tables dump: the ruleset changed under it.
            if (ack.errno === EINTR) return null;
            throw refusal(operation, ack);
          }
          return torn ? null : found;
        }
        const value = read(m);
        if (Array.isArray(value)) found.push(...(value as readonly T[]));
        else if (value !== null) found.push(value as T);
      }
    }
  }

  /** Closes the socket. Idempotent. */
  [Symbol.dispose](): void {
    if (this.fd >= 0) libc.close(this.fd);
    this.fd = -1;
  }
}

/** What makes answers better, where the kernel knows it: shorter, with words, filtered. */
function improve(fd: number): void {
  const options = [
    [SOL_NETLINK, NETLINK_CAP_ACK, 1],
    [SOL_NETLINK, NETLINK_EXT_ACK, 1],
    [SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1],
    [SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER],
  ] as const;
  for (const [level, name, value] of options) {
    try {
      libc.setsockoptInt(fd, level, name, value);
    } catch (e) {
      if (!isErrno(e, "ENOPROTOOPT", "EPERM", "EINVAL")) throw e;
    }
  }
}

/**
 * Opens a netlink socket inside a namespace; it serves that namespace from any thread's namespace afterwards.
 * @param netns descriptor of the namespace, null for the calling thread's own
 * @throws MeshError UNAVAILABLE, or DENIED without the privilege to enter the namespace
 */
export function openNetlink(protocol: number, netns: number | null): NetlinkSocket {
  const make = (): number => libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  const fd = netns === null ? make() : inNetns(netns, make);
  const socket = new NetlinkSocket(fd);
  try {
    libc.bind(fd, encodeNetlink(0, 0));
    improve(fd);
    return socket;
  } catch (e) {
    socket[Symbol.dispose]();
    throw e;
  }
}
