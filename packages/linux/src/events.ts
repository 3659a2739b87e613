import { Buffer } from "node:buffer";
import * as epoll from "./epoll.ts";
import * as libc from "./libc.ts";

const counter = Buffer.alloc(8);

/** @returns a new event descriptor, non-blocking and close-on-exec, the caller's to close */
export function createEvent(): number {
  return epoll.eventfd();
}

/** Wakes whoever waits on it, in any thread. Never blocks. */
export function signalEvent(fd: number): void {
  epoll.signal(fd);
}

/** @returns whether it was signalled since the last time */
export function takeEvent(fd: number): boolean {
  return libc.read(fd, counter) !== null;
}
