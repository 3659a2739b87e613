import { spawn } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";

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

/** A local mesh for a bench: brought up from a folder, asked through `lateenctl`, taken down at the end. */
export class BenchMesh implements AsyncDisposable {
  readonly #name: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(name: string, env: NodeJS.ProcessEnv) {
    this.#name = name;
    this.#env = env;
  }

  static async up(name: string, folder: string, env: NodeJS.ProcessEnv = {}): Promise<BenchMesh> {
    const mesh = new BenchMesh(name, env);
    try {
      await mesh.ctl(["local", "up", "--mesh", name, "-f", folder, "--nodes", "2"], { timeoutMs: 120_000 });
    } catch (error) {
      await mesh[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
    return mesh;
  }

  ctl(args: readonly string[], o: { readonly timeoutMs: number }): Promise<Run> {
    return run(process.execPath, ["--conditions=lateen:source", LATEENCTL, ...args], { ...o, env: this.#env });
  }

  /** Runs a program in a pod (`name.namespace`) and gives what it printed. */
  async exec(pod: string, command: readonly string[], timeoutMs = 60_000): Promise<string> {
    return (await this.ctl(["local", "exec", "--mesh", this.#name, pod, "--", ...command], { timeoutMs })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ctl(["local", "down", "--mesh", this.#name], { timeoutMs: 60_000 });
  }
}

/** Processes of this machine whose command line holds every one of `parts`, as this process's own PID namespace numbers them. */
export function findProcesses(parts: readonly string[]): readonly number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const line = `${readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ")} ${readlinkSync(`/proc/${entry}/exe`)}`;
      if (parts.every((part) => line.includes(part))) found.push(Number(entry));
    } catch {
      // It ended between the listing and the look, or is a kernel thread.
    }
  }
  return found;
}
