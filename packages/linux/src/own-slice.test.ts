import { Worker } from "node:worker_threads";
import os from "node:os";
import { expect, test } from "vitest";
import { MeshError } from "@lateen/errors";
import { ownSliceMicros, setOwnSlice } from "./own-slice.ts";

/** EEVDF takes a wish from 6.12 on. */
const [major = 0, minor = 0] = os.release().split(".").map(Number);
const takesWishes = major > 6 || (major === 6 && minor >= 12);

test("a thread's wish is its own, and leaves its priority", async () => {
  const before = ownSliceMicros();
  const code = `
    const os = require("node:os");
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(new URL("./own-slice.ts", import.meta.url).href)}).then(({ setOwnSlice, ownSliceMicros }) => {
      const nice = os.getPriority();
      parentPort.postMessage([setOwnSlice(300), ownSliceMicros(), os.getPriority() === nice]);
    });`;
  const worker = new Worker(code, { eval: true, execArgv: ["--conditions=lateen:source"] });
  const [set, slice, sameNice] = await new Promise<readonly [boolean, number, boolean]>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  expect([set, sameNice]).toEqual([true, true]);
  if (takesWishes) expect(slice).toBe(300);
  expect(ownSliceMicros()).toBe(before);
});

test.each([0, 99, 100_001, 250.5, Number.NaN, -100])(
  "%s microseconds are refused before the kernel sees them",
  (micros) => {
    expect(() => setOwnSlice(micros)).toThrow(MeshError);
  },
);
