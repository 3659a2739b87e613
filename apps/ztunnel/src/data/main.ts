import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { type DataPath, portableDataPath } from "@lateen/datapath";
import { FastDataPath, runByBell } from "@lateen/fast-datapath";
import { duplicateFd, socketFactory } from "@lateen/linux";
import type { ThreadWork, ToThread } from "../messages.ts";
import { DataThread } from "./data-thread.ts";
import { randomHexSource } from "./random-hex.ts";

// A data thread's only contact with the runtime: which driver stands behind the data-path port, and how messages arrive.
const port = parentPort!;
const { start, bell } = workerData as ThreadWork;

const thread = (path: DataPath): DataThread =>
  new DataThread(
    {
      path,
      random: Math.random,
      randomHex: randomHexSource(randomBytes),
      nowMicros: () => Date.now() * 1_000,
      post: (message) => port.postMessage(message),
      clockMs: () => Number(process.hrtime.bigint()) / 1e6,
      closeFd: closeSync,
      duplicateFd,
    },
    start,
  );

if (bell === null) {
  const portable = thread(portableDataPath({ sockets: socketFactory }));
  port.on("message", (message: ToThread) => portable.receive(message));
} else {
  let fault = (error: unknown): void => {
    throw error;
  };
  const path = new FastDataPath({ onFault: (error) => fault(error) });
  const fast = thread(path);
  fault = (error) => fast.fault(error);
  runByBell(path, bell, port, (message) => fast.receive(message as ToThread)); // until the end
}
