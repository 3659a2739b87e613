import { readlinkSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { BellEnds } from "./bell.ts";
import { runByBell } from "./bell.ts";
import { FastDataPath } from "./fast-data-path.ts";

// A thread that shares a listener and counts how often the kernel woke it. It leaves every connection where it is.

const { fd, bell, woken } = workerData as {
  readonly fd: number;
  readonly bell: BellEnds;
  readonly woken: Int32Array<SharedArrayBuffer>;
};
const port = parentPort!;
const path = new FastDataPath({ onFault: (fault) => port.postMessage({ fault: String(fault) }) });
const listener = path.mover.adopt({ fd, transparent: false, shared: true }, () => undefined);
Object.defineProperty(listener, "ready", { value: () => void Atomics.add(woken, 0, 1) });
runByBell(path, bell, port, () => port.postMessage({ task: readlinkSync("/proc/thread-self") }));
