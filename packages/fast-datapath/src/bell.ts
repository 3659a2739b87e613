import process from "node:process";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { closeStream, createEvent, signalEvent, takeEvent } from "@lateen/linux";
import type { FastDataPath } from "./fast-data-path.ts";

/** What the thread is told of its bell; plain data, for `workerData`. */
export interface BellEnds {
  /** Rung by writing to it. */
  readonly fd: number;
  /** Not 0 when the thread is to come to an end. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

const bells = new Set<Bell>();

/**
 * Wakes a data thread: it sleeps in the kernel, where no message of the runtime reaches it, and the process cannot exit while it
 * does. For whoever owns the thread. Dispose of it once the thread has ended.
 */
export class Bell implements Disposable {
  readonly ends: BellEnds = { fd: createEvent(), stop: new Int32Array(new SharedArrayBuffer(4)) };
  #open = true;

  constructor() {
    if (bells.size === 0) process.on("exit", stopAll);
    bells.add(this);
  }

  /** The thread looks at its messages. Call it after each `postMessage`. */
  ring(): void {
    if (this.#open) signalEvent(this.ends.fd);
  }

  /** Asks the thread to end; its `exit` event says that it has. */
  stop(): void {
    Atomics.store(this.ends.stop, 0, 1);
    this.ring();
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    bells.delete(this);
    if (bells.size === 0) process.off("exit", stopAll);
    closeStream(this.ends.fd);
  }
}

function stopAll(): void {
  for (const bell of bells) bell.stop();
}

/** Turns the thread's loop until its bell says stop, handing on messages. Then everything in the loop is closed. */
export function runByBell(
  path: FastDataPath,
  ends: BellEnds,
  port: MessagePort,
  onMessage: (message: unknown) => void,
): void {
  const look = (): void => {
    takeEvent(ends.fd);
    for (;;) {
      const received = receiveMessageOnPort(port) as { readonly message: unknown } | undefined;
      if (received === undefined) break;
      path.guard(() => onMessage(received.message));
    }
    if (Atomics.load(ends.stop, 0) !== 0) path.stop();
  };
  const unwatch = path.watch(ends.fd, look);
  path.defer(look); // what was rung before
  try {
    path.run();
  } finally {
    unwatch();
    path[Symbol.dispose]();
  }
}
