import { Buffer } from "node:buffer";
import { parentPort, workerData } from "node:worker_threads";
import { EPOLL_EVENT_BYTES } from "./constants.ts";
import * as epoll from "./epoll.ts";
import { native } from "./native.ts";
import { Stage, type ThreadData } from "./thread-waiter.ts";

// This thread does nothing but wait: it has no timers and no promises, and costs no time while nothing happens.

const { epollFd, stopFd, stage } = workerData as ThreadData;
const events = Buffer.alloc(EPOLL_EVENT_BYTES * 64);

function waitForEver(): void {
  for (;;) {
    const { ready, stopped } = epoll.readEvents(events, epoll.wait(epollFd, events, -1), stopFd);
    if (ready.length > 0) parentPort?.postMessage(ready);
    if (stopped) return;
  }
}

if (Atomics.compareExchange(stage, 0, Stage.created, Stage.loading) === Stage.created) {
  native();
  Atomics.store(stage, 0, Stage.waiting);
  Atomics.notify(stage, 0);
  waitForEver();
}
