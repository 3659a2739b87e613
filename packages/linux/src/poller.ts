import { checkFd, checkInt } from "./checks.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_EVENT_BYTES, EPOLL_EVENT_DATA } from "./constants.ts";
import * as epoll from "./epoll.ts";
import { hotCalls } from "./hot-calls.ts";
import * as libc from "./libc.ts";
import { Memory } from "./memory.ts";
import { native } from "./native.ts";
import { EINTR, systemError } from "./system-error.ts";

/** What a `Poller` reports and is asked for: the kernel's bits. */
export { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./constants.ts";

/** 32-bit words of one event, and where its two words of data are. */
const STRIDE = EPOLL_EVENT_BYTES / 4;
const DATA = EPOLL_EVENT_DATA / 4;

/**
 * One epoll set for a loop: events come into kept memory and are read there as numbers, so that a turn of the loop makes no
 * garbage. Disposing of it closes the set, not what is in it.
 */
export class Poller implements Disposable {
  readonly #fd = epoll.create();
  readonly #native = native();
  readonly #calls = hotCalls();
  readonly #events: Memory;
  readonly #words: Int32Array;
  readonly #max: number;
  #count = 0;
  #open = true;

  /** @param maxEvents how many one `wait` returns at most */
  constructor(maxEvents: number) {
    checkInt("maxEvents", maxEvents);
    this.#max = maxEvents;
    this.#events = new Memory((maxEvents + 1) * EPOLL_EVENT_BYTES); // the last one is for `epoll_ctl`
    const { buffer, byteOffset, length } = this.#events.bytes;
    this.#words = new Int32Array(buffer, byteOffset, length / 4);
  }

  /** @param token, extra come back with each event: two signed 32-bit numbers */
  add(fd: number, events: number, token: number, extra: number): void {
    this.#put(events, token, extra);
    this.#control(EPOLL_CTL_ADD, fd);
  }

  change(fd: number, events: number, token: number, extra: number): void {
    this.#put(events, token, extra);
    this.#control(EPOLL_CTL_MOD, fd);
  }

  /** To be called before a descriptor is closed or passed on: the kernel keys on the open file, not on the number. */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd);
  }

  #put(events: number, token: number, extra: number): void {
    const at = this.#max * STRIDE;
    this.#words[at] = events;
    this.#words[at + DATA] = token;
    this.#words[at + DATA + 1] = extra;
  }

  #control(operation: number, fd: number): void {
    checkFd(fd);
    const event = this.#events.address + this.#max * EPOLL_EVENT_BYTES;
    if (this.#native.epollCtlAt(this.#fd, operation, fd, event) < 0)
      throw systemError("epoll_ctl", this.#native.errno());
  }

  /**
   * Holds up the thread until something is ready.
   * @param timeoutMs -1 waits for ever, 0 not at all
   * @returns how many events there are; 0 at the timeout, or when a signal came
   */
  wait(timeoutMs: number): number {
    checkInt("timeoutMs", timeoutMs);
    this.#count = 0;
    const n = this.#calls.epollWait(this.#fd, this.#events.address, this.#max, timeoutMs);
    if (n >= 0) return (this.#count = n);
    const errno = this.#native.errno();
    if (errno === EINTR) return 0;
    throw systemError("epoll_wait", errno);
  }

  /** The bits of event `i` of the last `wait`; 0 when there is none. */
  events(i: number): number {
    return i < this.#count ? this.#words[i * STRIDE]! : 0;
  }

  token(i: number): number {
    return i < this.#count ? this.#words[i * STRIDE + DATA]! : 0;
  }

  extra(i: number): number {
    return i < this.#count ? this.#words[i * STRIDE + DATA + 1]! : 0;
  }

  [Symbol.dispose](): void {
    if (this.#open) libc.close(this.#fd);
    this.#open = false;
  }
}
