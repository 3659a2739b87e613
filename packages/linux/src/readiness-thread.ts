import { Buffer } from "node:buffer";
import { parentPort, workerData } from "node:worker_threads";
import { EPOLL_EVENT_BYTES, EPOLL_EVENT_DATA } from "./constants.ts";
import * as epoll from "./epoll.ts";

// This thread does nothing but wait: it has no timers and no promises, and costs no time while nothing happens.

const { epollFd, stopFd } = workerData as { readonly epollFd: number; readonly stopFd: number };
const events = Buffer.alloc(EPOLL_EVENT_BYTES * 64);

for (let stopped = false; !stopped;) {
  const count = epoll.wait(epollFd, events, -1);
  const ready: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * EPOLL_EVENT_BYTES;
    const token = events.readUInt32LE(at + EPOLL_EVENT_DATA);
    if (events.readUInt32LE(at + EPOLL_EVENT_DATA + 4) === stopFd && token === 0) stopped = true;
    else ready.push(token, events.readUInt32LE(at));
  }
  if (ready.length > 0) parentPort?.postMessage(ready);
}
