import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { type MeshClient, meshFolders, openMeshClient } from "@lateen/local-mesh";

const LATEENCTL = fileURLToPath(new URL("../../../apps/cli/src/main.ts", import.meta.url));

export interface Run {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. @throws MeshError UNAVAILABLE with the tail of what it printed, unless it exits with 0 */
export async function run(
  command: string,
  args: readonly string[],
  o: { readonly timeoutMs: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Run> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: o.timeoutMs,
    env: { ...process.env, ...o.env },
  });
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => err.push(text));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("error", reject);
  child.once("close", resolve);
  const code = await promise;
  const [stdout, stderr] = [out.join(""), err.join("")];
  if (code === 0) return { stdout, stderr };
  const tail = `${stdout}\n${stderr}`.trim().slice(-2_000);
  throw new MeshError(Code.Unavailable, `Cannot run ${command} ${args.join(" ")}: exit code ${code}\n${tail}`);
}

/** A program that runs in a pod meanwhile. */
export interface HeldProgram {
  /** Resolves at its first output. */
  readonly firstLine: Promise<void>;
  /** Ends its input. */
  release(): void;
  readonly ended: Promise<void>;
  /** All that it printed, once it has ended. */
  readonly output: Promise<string>;
}

/** A local mesh for a bench: brought up from a folder, asked through `lateenctl`, taken down at the end. */
export class BenchMesh implements AsyncDisposable {
  readonly #name: string;
  readonly #home: string;

  private constructor(name: string, home: string) {
    this.#name = name;
    this.#home = home;
  }

  /**
   * @param o.ztunnel a node proxy to run in place of ours, null for ours
   * @param o.settings of the node proxies, by the names of their environment
   */
  static async up(
    name: string,
    folder: string,
    o: {
      readonly stateHome: string;
      readonly ztunnel: string | null;
      readonly settings?: Readonly<Record<string, string>>;
    },
  ): Promise<BenchMesh> {
    const mesh = new BenchMesh(name, o.stateHome);
    const settings = Object.entries(o.settings ?? {}).flatMap(([k, v]) => ["--ztunnel-env", `${k}=${v}`]);
    const proxy = [...(o.ztunnel === null ? [] : ["--ztunnel", o.ztunnel]), ...settings];
    try {
      await mesh.ctl(["local", "up", "--mesh", name, "-f", folder, "--nodes", "2", ...proxy], { timeoutMs: 120_000 });
    } catch (error) {
      await mesh[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
    return mesh;
  }

  ctl(args: readonly string[], o: { readonly timeoutMs: number }): Promise<Run> {
    return run(process.execPath, ["--conditions=lateen:source", LATEENCTL, ...args], {
      ...o,
      env: { LATEEN_STATE_HOME: this.#home },
    });
  }

  /** `lateenctl` about this mesh. */
  lateenctl(args: readonly string[]): Promise<Run> {
    return this.ctl([...args, "--mesh", this.#name], { timeoutMs: 120_000 });
  }

  /** Asks the proxy of a node, at its own port for administration. */
  async admin(node: string, path: string): Promise<string> {
    return (await this.client()).ztunnelAdmin(node, "POST", path);
  }

  /** What `lateenctl` asks, without the half second of a core that starting it costs. */
  async client(): Promise<MeshClient> {
    const env = { ...process.env, LATEEN_STATE_HOME: this.#home };
    const folders = meshFolders({ mesh: this.#name, env, uid: process.getuid?.() ?? 0 });
    if (!folders.ok) throw folders.error;
    return openMeshClient(folders.value);
  }

  /** Runs a program in a pod (`name.namespace`) and gives what it printed. */
  async exec(pod: string, command: readonly string[], timeoutMs = 60_000): Promise<string> {
    return (await this.ctl(["local", "exec", "--mesh", this.#name, pod, "--", ...command], { timeoutMs })).stdout;
  }

  /** Starts a program in a pod that goes on until its input ends. */
  start(pod: string, command: readonly string[]): HeldProgram {
    const argv = ["--conditions=lateen:source", LATEENCTL, "local", "exec", "-i", "--mesh", this.#name, pod, "--"];
    const child = spawn(process.execPath, [...argv, ...command], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, LATEEN_STATE_HOME: this.#home },
    });
    const out: string[] = [];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
    const ended = once(child, "close").then(() => undefined);
    const early = ended.then(() => {
      throw new MeshError(Code.Unavailable, `${command.join(" ")} in ${pod} ended before it was ready`);
    });
    const firstLine = Promise.race([once(child.stdout, "data").then(() => undefined), early]);
    early.catch(() => undefined); // heard by whoever waits for the first line
    return { firstLine, release: () => void child.stdin.end(), ended, output: ended.then(() => out.join("")) };
  }

  /** Processes of this mesh, and of no other, whose command line holds every one of `parts`. */
  processes(parts: readonly string[]): readonly number[] {
    const record = JSON.parse(readFileSync(join(this.#home, this.#name, "run", "keeper.json"), "utf8")) as {
      readonly daemonPid: number;
    };
    const above = parents();
    // Below the daemon, not the daemon itself: its own command line names the programs that it starts.
    const within = (pid: number): boolean => {
      const parent = above.get(pid) ?? 0;
      return parent === record.daemonPid || (parent > 1 && within(parent));
    };
    return [...above.keys()].filter((pid) => {
      const line = commandOf(pid);
      return parts.every((part) => line.includes(part)) && within(pid);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ctl(["local", "down", "--mesh", this.#name], { timeoutMs: 60_000 });
  }
}

/** Parent of each process, as this process's own PID namespace numbers them. */
function parents(): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      found.set(Number(entry), Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${entry}/status`, "utf8"))?.[1] ?? 0));
    } catch {
      // It ended between the listing and the look.
    }
  }
  return found;
}

function commandOf(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")} ${readlinkSync(`/proc/${pid}/exe`)}`;
  } catch {
    return ""; // it ended meanwhile
  }
}
