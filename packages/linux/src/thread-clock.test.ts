import { Worker } from "node:worker_threads";
import process from "node:process";
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { threadCpuMs, threadWaitedMs } from "./thread-clock.ts";

const MODULE = JSON.stringify(new URL("./thread-clock.ts", import.meta.url).href);

test("a thread's clock counts its own work only, and not its sleep", async () => {
  const before = threadCpuMs();
  // Works until the process's clock of all threads says that it has, then sleeps for longer than that.
  const code = `
    const { parentPort } = require("node:worker_threads");
    import(${MODULE}).then(({ threadCpuMs }) => {
      const begun = threadCpuMs();
      while (threadCpuMs() - begun < 60);
      const worked = threadCpuMs();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      parentPort.postMessage([worked - begun, threadCpuMs() - worked]);
    });`;
  const all = process.cpuUsage();
  const worker = new Worker(code, { eval: true, execArgv: ["--conditions=lateen:source"] });
  const [worked, slept] = await new Promise<readonly [number, number]>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  const { user, system } = process.cpuUsage(all);
  expect(worked).toBeGreaterThanOrEqual(60);
  expect((user + system) / 1e3).toBeGreaterThan(50); // it was work that others see too
  expect(slept).toBeLessThan(worked);
  const own = threadCpuMs() - before;
  expect(own).toBeGreaterThanOrEqual(0);
  expect(own).toBeLessThan((user + system) / 1e3 - 50 + 1);
});

test("threads that are more than the processors wait for one, and each counts its own", async () => {
  const code = `
    const { parentPort } = require("node:worker_threads");
    import(${MODULE}).then(({ threadCpuMs, threadWaitedMs }) => {
      while (threadCpuMs() < 200);
      parentPort.postMessage(threadWaitedMs());
    });`;
  const before = threadWaitedMs();
  const workers = Array.from({ length: availableParallelism() + 4 }, () => {
    return new Worker(code, { eval: true, execArgv: ["--conditions=lateen:source"] });
  });
  const waited = await Promise.all(
    workers.map(
      (worker) =>
        new Promise<number>((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
  const all = waited.reduce((sum, ms) => sum + ms, 0);
  expect(all).toBeGreaterThan(20);
  expect(threadWaitedMs() - before).toBeLessThan(all);
});
