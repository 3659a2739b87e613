import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createNetns, openRtnetlink, spawnIn } from "@lateen/linux";
import { type ThreadEnd, ThreadEnds, eventually, requireRoot } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const DIED = "a data thread died; the process ends at once";
const TIMEOUT = { timeout: 30_000 };

/** A proxy without a control plane or pods, in a network of its own. */
class Proxy implements Disposable {
  readonly #netns = createNetns();
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  said = "";

  constructor(folder: string, ends: ThreadEnds, driver: string) {
    {
      using links = openRtnetlink(this.#netns.fd);
      links.setLink(links.requireLink("lo").index, { up: true });
    }
    this.child = spawnIn({ netns: this.#netns.fd }, process.execPath, ["--conditions=lateen:source", MAIN], {
      env: {
        NODE_OPTIONS: `--max-old-space-size=96 ${ends.nodeOptions}`,
        XDS_ADDRESS: "",
        LOCAL_XDS: "{}",
        ZTUNNEL_WORKER_THREADS: "2",
        INPOD_UDS: path.join(folder, "ztunnel.sock"),
        CONNECTION_TERMINATION_DEADLINE: "1h",
        LATEEN_DATA_PATH: driver,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#closed = once(this.child, "close");
    this.child.stdout!.setEncoding("utf8").on("data", (more: string) => (this.said += more));
  }

  async up(): Promise<void> {
    await eventually(() => this.said.includes("static configuration applied"), {
      what: "it to run",
      deadlineMs: 20_000,
    });
  }

  /** @returns its exit code, or what killed it */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.child.exitCode ?? this.child.signalCode;
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
    this.#netns[Symbol.dispose]();
  }
}

describe.skipIf(requireRoot())("a process that loses a data thread", () => {
  let folder: string;
  let ends: ThreadEnds;
  let started: Proxy | null = null;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "thread-death-"));
    ends = new ThreadEnds(folder);
  });
  afterEach(() => {
    started?.[Symbol.dispose](); // one that does not end by itself too
    rmSync(folder, { recursive: true });
  });
  const start = (driver: string): Proxy => (started = new Proxy(folder, ends, driver));

  test.each<[driver: string, ThreadEnd, number, string]>([
    ["fast", "throw", 1, "Error: ordered to throw"],
    ["fast", "throw", 2, "Error: ordered to throw"],
    ["fast", "exit", 1, "data thread exited with code 0"],
    ["fast", "exit", 2, "data thread exited with code 0"],
    ["fast", "memory", 2, "ERR_WORKER_OUT_OF_MEMORY"],
    ["portable", "throw", 1, "Error: ordered to throw"],
    ["portable", "exit", 2, "data thread exited with code 0"],
  ])("says so and ends: %s driver, %s, worker %i", TIMEOUT, async (driver, how, worker, why) => {
    const proxy = start(driver);
    await proxy.up();
    ends.order(proxy.child.pid!, worker, how);
    expect(await proxy.ended()).toBe(1);
    expect(proxy.said).toMatch(new RegExp(`${DIED}.*thread=${worker - 1}.*${why}`));
    expect(proxy.said).not.toContain("draining");
  });

  test.each<ThreadEnd>(["throw", "exit"])("when it has hardly started too: %s", TIMEOUT, async (how) => {
    ends.orderAtStart(2, how);
    const proxy = start("fast");
    expect(await proxy.ended()).toBe(1);
    expect(proxy.said).toMatch(new RegExp(`${DIED}.*thread=1`));
  });

  test("and while it drains: it waits for no answer of the dead", TIMEOUT, async () => {
    const proxy = start("fast");
    await proxy.up();
    ends.order(proxy.child.pid!, 2, "throw");
    proxy.child.kill("SIGTERM");
    expect(await proxy.ended()).toBe(1);
    expect(proxy.said).toContain(DIED);
  });
});
