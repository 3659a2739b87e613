import type { ChildProcess } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { expect } from "vitest";
import { openNetns, spawnIn } from "@lateen/linux";
import { eventually } from "@lateen/testkit";
import type { TestMesh } from "./test-mesh.ts";

/** The ztunnels of a mesh's nodes as processes, those included that a test starts beside the mesh's own. */
export class NodeZtunnels implements Disposable {
  readonly #mesh: TestMesh;
  readonly #started: ChildProcess[] = [];
  readonly #said = new Map<ChildProcess, string>();

  constructor(mesh: TestMesh) {
    this.#mesh = mesh;
  }

  /** Starts a ztunnel of a later version beside that of a node, in its place and with its environment. */
  async next(node: string, env: Readonly<Record<string, string>>): Promise<ChildProcess> {
    const part = (await this.#mesh.parts()).find((p) => p.name === `ztunnel-${node}`)!;
    const at = `/proc/${this.#mesh.daemonPid}/root/proc/${part.pid}`;
    const lines = readFileSync(`${at}/environ`, "utf8").split("\0");
    const own = Object.fromEntries(lines.flatMap((line) => (line.includes("=") ? [line.split(/=(.*)/s)] : [])));
    using netns = openNetns(`${at}/ns/net`);
    const entry = path.join(import.meta.dirname, "next-ztunnel.ts");
    const child = spawnIn({ netns: netns.fd }, process.execPath, ["--conditions=lateen:source", entry], {
      env: { ...own, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#started.push(child);
    this.#said.set(child, "");
    child.stdout!.setEncoding("utf8").on("data", (more: string) => this.#said.set(child, this.#said.get(child) + more));
    return child;
  }

  /** Waits for a line of what it prints, or for its end. */
  async says(child: ChildProcess, what: RegExp): Promise<void> {
    const said = (): string => this.#said.get(child) ?? "";
    await eventually(() => what.test(said()) || child.exitCode !== null || child.signalCode !== null, {
      what: String(what),
      deadlineMs: 60_000,
    });
    expect(said()).toMatch(what);
  }

  async ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
    await eventually(() => child.exitCode !== null || child.signalCode !== null, {
      what: "a ztunnel to end",
      deadlineMs: 60_000,
    });
    return child.exitCode ?? child.signalCode!;
  }

  /** Pids of the mesh's own ztunnels of a node. */
  of(node: string): readonly number[] {
    const own = readlinkSync(`/proc/${this.#mesh.daemonPid}/ns/pid`);
    return readdirSync("/proc").flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        const env = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        const isOurs = readlinkSync(`/proc/${name}/ns/pid`) === own && env.includes(`POD_NAME=ztunnel-${node}`);
        return isOurs ? [Number(name)] : [];
      } catch {
        return []; // it ended meanwhile
      }
    });
  }

  /** How often the daemon has started the ztunnel of a node again. */
  async restarts(node: string): Promise<number> {
    return (await this.#mesh.parts()).find((p) => p.name === `ztunnel-${node}`)?.restarts ?? 0;
  }

  [Symbol.dispose](): void {
    for (const child of this.#started) child.kill("SIGKILL");
  }
}
