import { Buffer } from "node:buffer";
import { checkBytes, checkFd, checkInt } from "./checks.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_EVENT_BYTES,
  EPOLL_EVENT_DATA,
  O_CLOEXEC,
} from "./constants.ts";
import { type Memory, checkRange } from "./memory.ts";
import { native } from "./native.ts";
import { EINTR, systemError } from "./system-error.ts";

/** @returns a new epoll descriptor, close-on-exec */
export function create(): number {
  const fd = native().epollCreate(O_CLOEXEC);
  if (fd < 0) throw systemError("epoll_create1", native().errno());
  return fd;
}

const OPERATION = { add: EPOLL_CTL_ADD, change: EPOLL_CTL_MOD, remove: EPOLL_CTL_DEL } as const;

export interface Interest {
  readonly events: number;
  /** Comes back with the event: two 32-bit numbers. */
  readonly token: number;
  readonly extra?: number;
}

/** Adds a descriptor, changes what is awaited of it, or removes it. */
export function control(epoll: number, operation: keyof typeof OPERATION, fd: number, interest: Interest): void {
  checkFd(epoll);
  checkFd(fd);
  checkInt("events", interest.events);
  const event = Buffer.alloc(EPOLL_EVENT_BYTES);
  event.writeUInt32LE(interest.events >>> 0, 0);
  event.writeUInt32LE(interest.token, EPOLL_EVENT_DATA);
  event.writeUInt32LE(interest.extra ?? 0, EPOLL_EVENT_DATA + 4);
  if (native().epollCtl(epoll, OPERATION[operation], fd, event) < 0) throw systemError("epoll_ctl", native().errno());
}

/**
 * Holds up the thread until something is ready.
 * @param events room for whole events; filled from the start
 * @param timeoutMs -1 waits for ever
 * @returns how many events; 0 at the timeout
 */
export function wait(epoll: number, events: Uint8Array, timeoutMs: number): number {
  checkFd(epoll);
  checkBytes("events", events);
  checkInt("timeoutMs", timeoutMs);
  const room = Math.floor(events.byteLength / EPOLL_EVENT_BYTES);
  for (;;) {
    const n = native().epollWait(epoll, events, room, timeoutMs);
    if (n >= 0) return n;
    const errno = native().errno();
    if (errno !== EINTR) throw systemError("epoll_wait", errno);
  }
}

/**
 * Waits in a thread of the runtime's pool, for ever.
 * @param events room for `max` events, not to be touched until `done`
 * @param done hears how many events there are: 0 when a signal came
 */
export function waitInPool(epoll: number, events: Memory, max: number, done: (count: number) => void): void {
  checkFd(epoll);
  checkRange(events, 0, max * EPOLL_EVENT_BYTES);
  native().epollWaitInPool(epoll, events.address, max, -1, (n) => done(Math.max(0, n)));
}

export interface ReadyEvents {
  /** Token and events of each, in turn. */
  readonly ready: readonly number[];
  /** The descriptor that ends the waiting was among them. */
  readonly stopped: boolean;
}

/** What a wait brought. @param stopFd was added with token 0 and itself as `extra` */
export function readEvents(events: Buffer, count: number, stopFd: number): ReadyEvents {
  const ready: number[] = [];
  let stopped = false;
  for (let i = 0; i < count; i++) {
    const at = i * EPOLL_EVENT_BYTES;
    const token = events.readUInt32LE(at + EPOLL_EVENT_DATA);
    if (token === 0 && events.readUInt32LE(at + EPOLL_EVENT_DATA + 4) === stopFd) stopped = true;
    else ready.push(token, events.readUInt32LE(at));
  }
  return { ready, stopped };
}

/** @returns a new event descriptor: non-blocking, close-on-exec, counter 0 */
export function eventfd(): number {
  const fd = native().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw systemError("eventfd", native().errno());
  return fd;
}

const one = Buffer.from(BigUint64Array.of(1n).buffer);

/** Adds one to an event descriptor's counter: whoever waits on it wakes. */
export function signal(fd: number): void {
  checkFd(fd);
  // EAGAIN means that the counter is full, so the other side has been told long ago.
  native().write(fd, one, one.length);
}
