import process from "node:process";
import { EPOLLIN, EPOLL_EVENT_BYTES } from "./constants.ts";
import * as epoll from "./epoll.ts";
import { takeEvent } from "./events.ts";
import { Memory } from "./memory.ts";
import type { Waiter } from "./waiter.ts";

const MAX_EVENTS = 64;

/**
 * Waits in one of the runtime's pool threads, of which it holds one for as long as something is under watch: a thread of its own with
 * JavaScript in it would cost 8 MB. Only for the main thread, since all threads share the pool.
 */
export class PoolWaiter implements Waiter {
  readonly #epollFd: number;
  readonly #stopFd = epoll.eventfd();
  readonly #events = new Memory(MAX_EVENTS * EPOLL_EVENT_BYTES);
  readonly #deliver: (ready: readonly number[]) => void;
  #wanted = false;
  #waiting = false;

  constructor(epollFd: number, deliver: (ready: readonly number[]) => void) {
    this.#epollFd = epollFd;
    this.#deliver = deliver;
    epoll.control(epollFd, "add", this.#stopFd, { events: EPOLLIN, token: 0, extra: this.#stopFd });
    // A process cannot exit while one of its threads is blocked in a call.
    process.on("exit", () => {
      this.#wanted = false;
      epoll.signal(this.#stopFd);
    });
  }

  hold(): void {
    this.#wanted = true;
    if (!this.#waiting) this.#wait();
  }

  release(): void {
    this.#wanted = false;
    if (this.#waiting) epoll.signal(this.#stopFd);
  }

  #wait(): void {
    this.#waiting = true;
    epoll.waitInPool(this.#epollFd, this.#events, MAX_EVENTS, (count) => {
      const { ready, stopped } = epoll.readEvents(this.#events.bytes, count, this.#stopFd);
      if (stopped) takeEvent(this.#stopFd);
      this.#waiting = false;
      try {
        this.#deliver(ready);
      } finally {
        if (this.#wanted && !this.#waiting) this.#wait();
      }
    });
  }
}
