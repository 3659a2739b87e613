import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { FakeClock, eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type BoundedLog, openBoundedLog } from "./bounded-log.ts";
import { type SupervisedProcess, superviseProcess } from "./supervised-process.ts";

/** Ends in order when it is told to. */
const PROGRAM = 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6); console.log("up")';
const DEADLINE_MS = 1_000;

describe("replacing a process that is kept running", () => {
  let folder: string;
  let log: BoundedLog;
  let clock: FakeClock;
  let part: SupervisedProcess;
  let started: ChildProcess[];

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "supervised-"));
    log = openBoundedLog(path.join(folder, "log"));
    clock = new FakeClock();
    started = [];
    part = superviseProcess({
      name: "part",
      start: () => {
        const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "pipe"] });
        started.push(child);
        return child;
      },
      log,
      onChange: () => undefined,
      graceMs: 60_000,
      clock,
    });
    await up(1);
  });
  afterEach(async () => {
    await part[Symbol.asyncDispose]();
    log[Symbol.dispose]();
    rmSync(folder, { recursive: true });
    for (const child of started) expect(child.exitCode ?? child.signalCode).not.toBeNull();
  });

  /** Waits until so many have been started and the last of them runs. */
  async function up(count: number): Promise<ChildProcess> {
    await eventually(() => started.length === count, { what: `process ${count}` });
    const last = started[count - 1]!;
    const heard = { up: false };
    last.stdout!.once("data", () => (heard.up = true));
    await eventually(() => heard.up || last.exitCode !== null || last.signalCode !== null, { what: "its first word" });
    return last;
  }

  test("the second takes the first one's place when that has ended, and nothing counts as a crash", async () => {
    const replaced = part.replace(DEADLINE_MS);
    const second = await up(2);
    expect(part.status.pid).toBe(started[0]!.pid);
    started[0]!.kill("SIGTERM"); // as it ends once it has handed over
    expect(await replaced).toBeNull();
    expect(part.status).toMatchObject({ state: "running", pid: second.pid, restarts: 0, lastEnd: null });
    expect(clock.pending).toBe(0);
    // And is looked after from then on.
    second.kill("SIGKILL");
    await eventually(() => part.status.state === "backing-off", { what: "its end to be seen" });
    clock.advance(clock.nextInMs ?? 0);
    await up(3);
    expect(part.status).toMatchObject({ restarts: 1, lastEnd: "was ended by SIGKILL" });
  });

  test("a successor that ends first leaves the first one alone", async () => {
    const replaced = part.replace(DEADLINE_MS);
    (await up(2)).kill("SIGTERM");
    expect(await replaced).toBe("its successor exited with code 0");
    expect(part.status).toMatchObject({ state: "running", pid: started[0]!.pid, restarts: 0 });
    expect(clock.pending).toBe(0);
  });

  test("a successor that takes too long is killed", async () => {
    const replaced = part.replace(DEADLINE_MS);
    await up(2);
    clock.advance(DEADLINE_MS);
    expect(await replaced).toBe("its successor was ended by SIGKILL");
    expect(part.status.pid).toBe(started[0]!.pid);
  });

  test("a first one that dies meanwhile is not started again: its successor is there", async () => {
    const replaced = part.replace(DEADLINE_MS);
    const second = await up(2);
    started[0]!.kill("SIGKILL");
    expect(await replaced).toBeNull();
    expect(part.status).toMatchObject({ state: "running", pid: second.pid, restarts: 0 });
    expect(started).toHaveLength(2);
  });

  test("one replacement at a time, and none of what does not run", async () => {
    const replaced = part.replace(DEADLINE_MS);
    expect(await part.replace(DEADLINE_MS)).toBe("part is being replaced already");
    (await up(2)).kill("SIGTERM");
    await replaced;
    started[0]!.kill("SIGKILL");
    await eventually(() => part.status.state === "backing-off", { what: "its end to be seen" });
    expect(await part.replace(DEADLINE_MS)).toBe("part does not run");
  });

  test("at the end of all, a successor under way ends too", async () => {
    const replaced = part.replace(DEADLINE_MS);
    await up(2);
    await part[Symbol.asyncDispose]();
    await eventually(() => started.every((child) => (child.exitCode ?? child.signalCode) !== null), {
      what: "both to end",
    });
    expect(await replaced).toBe("its successor was ended by SIGKILL");
    expect(part.status.state).toBe("ended");
  });
});
