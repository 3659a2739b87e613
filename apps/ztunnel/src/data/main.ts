import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { portableDataPath } from "@lateen/datapath";
import { socketFactory } from "@lateen/linux";
import type { ThreadStart, ToThread } from "../messages.ts";
import { DataThread } from "./data-thread.ts";

// A data thread's only contact with the runtime: which driver stands behind the data-path port, and how messages arrive.
const port = parentPort!;
const thread = new DataThread(
  {
    path: portableDataPath({ sockets: socketFactory }),
    random: Math.random,
    randomHex: (bytes) => randomBytes(bytes).toString("hex"),
    nowMicros: () => Date.now() * 1_000,
    post: (message) => port.postMessage(message),
    clockMs: () => Number(process.hrtime.bigint()) / 1e6,
    closeFd: closeSync,
  },
  workerData as ThreadStart,
);
port.on("message", (message: ToThread) => thread.receive(message));
