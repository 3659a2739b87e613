import { randomBytes } from "node:crypto";
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { DataPath } from "@lateen/datapath";
import { FastDataPath, runByBell } from "@lateen/fast-datapath";
import { closeStream, duplicateFd, setOwnSlice, threadCpuMs, threadWaitedMs } from "@lateen/linux";
import { collectGarbage } from "../collect-garbage.ts";
import type { ThreadWork, ToThread } from "../messages.ts";
import { loadStateFormat } from "../handover/state-format.ts";
import { DataThread, type ThreadWorld } from "./data-thread.ts";
import { randomHexSource } from "./random-hex.ts";

// A data thread's only contact with the runtime: which driver stands behind the data-path port, and how messages arrive. The
// portable one is loaded only where it is used: with TLS and all it costs a thread another megabyte.
const port = parentPort!;
const { start, bell } = workerData as ThreadWork;
/** Some dozens of events; a thread that wants more at a stretch waits longer for its turn. */
const SLICE_MICROS = 100;
const stateFormat = await loadStateFormat(start.stateFormatModule);

type Own = Pick<ThreadWorld, "rest" | "watch" | "receivedBytes">;

const thread = (path: DataPath, own: Own): DataThread =>
  new DataThread(
    {
      path,
      random: Math.random,
      randomHex: randomHexSource(randomBytes),
      nowMicros: () => Date.now() * 1_000,
      post: (message) => port.postMessage(message),
      clockMs: () => Number(process.hrtime.bigint()) / 1e6,
      closeFd: closeStream,
      duplicateFd,
      cpuMs: threadCpuMs,
      waitedMs: threadWaitedMs,
      stateFormat,
      ...own,
    },
    start,
  );

if (bell === null) {
  const { portableDriver } = await import("./portable-driver.ts");
  const portable = thread(portableDriver(), { rest: collectGarbage, watch: null, receivedBytes: () => 0 });
  port.on("message", (message: ToThread) => portable.receive(message));
} else {
  let fault = (error: unknown): void => {
    throw error;
  };
  setOwnSlice(SLICE_MICROS); // refused or not known, it works the same, a little later under load
  const { ticketSecret } = start;
  const path = new FastDataPath({
    onFault: (error) => fault(error),
    resume: ticketSecret !== null,
    ...(ticketSecret === null ? {} : { ticketSecret }),
  });
  const rest = (): void => {
    path.releaseSpare();
    collectGarbage();
  };
  const fast = thread(path, {
    rest,
    watch: (fd, run) => path.watch(fd, run),
    receivedBytes: () => path.stats.receivedBytes,
  });
  fault = (error) => fast.fault(error);
  runByBell(path, bell, port, (message) => fast.receive(message as ToThread)); // until the end
}
