import process from "node:process";
import { Worker } from "node:worker_threads";
import { Bell } from "./bell.ts";

// Exits while its data thread sleeps in the kernel, in the way that the argument names.

const bell = new Bell();
const worker = new Worker(new URL("./bell-thread.test.support.ts", import.meta.url), { workerData: bell.ends });
worker.once("message", () => {
  process.stdout.write("ready\n");
  if (process.argv[2] === "exit") process.exit(7);
  throw new Error("nobody catches this");
});
