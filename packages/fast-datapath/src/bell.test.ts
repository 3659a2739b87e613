import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type Socket, connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { Bell } from "./bell.ts";

type Heard = Readonly<Record<string, unknown>>;

/** One thread that sleeps in its loop, and what it says. */
class Thread {
  readonly bell = new Bell();
  readonly worker = new Worker(new URL("./bell-thread.test.support.ts", import.meta.url), {
    workerData: this.bell.ends,
  });
  readonly ended = once(this.worker, "exit");
  readonly heard: Heard[] = [];
  #wake: () => void = () => {};

  constructor() {
    this.worker.on("message", (message: Heard) => {
      this.heard.push(message);
      this.#wake();
    });
  }

  send(message: unknown): void {
    this.worker.postMessage(message);
    this.bell.ring();
  }

  /** The first thing heard that has this key; waits for it. */
  async said(key: string): Promise<unknown> {
    for (;;) {
      const found = this.heard.find((h) => key in h);
      if (found !== undefined) return found[key];
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async stop(): Promise<void> {
    this.bell.stop();
    await this.ended;
    this.bell[Symbol.dispose]();
  }

  async dial(): Promise<Socket> {
    const socket = connect(Number(await this.said("port")), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  }
}

/** `events.once` would reject at the reset that is expected here. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

const threads: Thread[] = [];
const start = (): Thread => {
  const thread = new Thread();
  threads.push(thread);
  return thread;
};
afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.stop();
});

test("messages reach a thread that sleeps in the kernel, in order, and its own reach us", async () => {
  const thread = start();
  await thread.said("port");
  for (let i = 0; i < 100; i++) thread.send(i);
  while (thread.heard.length < 101) await once(thread.worker, "message");
  expect(thread.heard.slice(1).map((h) => h["echo"])).toEqual(Array.from({ length: 100 }, (_, i) => i));
  thread.send("timer");
  expect(await thread.said("timer")).toBe(true);
});

test("what throws costs one connection, or one message, and never the thread", async () => {
  const thread = start();
  const [good, bad] = [await thread.dial(), await thread.dial()];
  bad.write("!");
  await closed(bad);
  expect(await thread.said("fault")).toContain("told to");
  thread.send("throw");
  thread.send("still here");
  expect(await thread.said("echo")).toBe("still here");
  good.write("echo");
  expect(String((await once(good, "data"))[0])).toBe("echo");
  good.destroy();
});

test("a thread that is stopped closes what it has", async () => {
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  await start().stop(); // whatever the runtime opens once
  threads.length = 0;
  const before = descriptors();
  const thread = start();
  const clients = [await thread.dial(), await thread.dial()];
  const over = Promise.all(clients.map(closed));
  await thread.stop();
  threads.length = 0;
  await over;
  expect(descriptors()).toBe(before);
});

test.each([
  ["exit", 7],
  ["throw", 1],
])("a process ends at once although its data thread sleeps: %s", async (how, code) => {
  const script = fileURLToPath(new URL("./bell-process.test.support.ts", import.meta.url));
  const argv = [...process.execArgv, script, how];
  const outcome = await promisify(execFile)(process.execPath, argv, { timeout: 20_000 }).then(
    () => ({ code: 0, stdout: "" }),
    (error: { code: number | null; stdout: string }) => error,
  );
  expect([outcome.code, outcome.stdout]).toEqual([code, "ready\n"]);
});
