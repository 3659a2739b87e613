import { Buffer } from "node:buffer";
import { parentPort, workerData } from "node:worker_threads";
import { EPOLL_EVENT_BYTES, EPOLL_EVENT_DATA } from "./constants.ts";
import * as epoll from "./epoll.ts";
import { native } from "./native.ts";
import { Stage, type ThreadData } from "./readiness.ts";

// This thread does nothing but wait: it has no timers and no promises, and costs no time while nothing happens.

const { epollFd, stopFd, stage } = workerData as ThreadData;
const events = Buffer.alloc(EPOLL_EVENT_BYTES * 64);

function waitForEver(): void {
  for (let stopped = false; !stopped;) {
    const count = epoll.wait(epollFd, events, -1);
    const ready: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = i * EPOLL_EVENT_BYTES;
      const token = events.readUInt32LE(at + EPOLL_EVENT_DATA);
      if (token === 0 && events.readUInt32LE(at + EPOLL_EVENT_DATA + 4) === stopFd) stopped = true;
      else ready.push(token, events.readUInt32LE(at));
    }
    if (ready.length > 0) parentPort?.postMessage(ready);
  }
}

if (Atomics.compareExchange(stage, 0, Stage.created, Stage.loading) === Stage.created) {
  native();
  Atomics.store(stage, 0, Stage.waiting);
  Atomics.notify(stage, 0);
  waitForEver();
}
