import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { cgroupCpuFiles, grantedCpus } from "@lateen/config";
import { createLogging, parseLevels } from "@lateen/telemetry";
import { lineWriter } from "./line-writer.ts";
import { loadStateFormat } from "./handover/state-format.ts";
import { loadStaticMesh } from "./load-static-mesh.ts";
import { readConfig } from "./read-config.ts";
import { startZtunnel } from "./wire.ts";
import { workerThreads } from "./worker-threads.ts";

const VERSION = "0.0.0";
/** How long a process that must end waits for the reader of its log. */
const LAST_WORDS_MS = 200;

type Environment = Readonly<Record<string, string | undefined>>;

/** What a program around the proxy may decide. */
export interface RunOptions {
  /** URL of a module with the formats of states in a hand-over; this version's own when left out. */
  readonly stateFormatModule?: string;
}

function cpus(): number {
  const own = existsSync("/proc/self/cgroup") ? readFileSync("/proc/self/cgroup", "utf8") : "";
  const files = cgroupCpuFiles(own).filter((file) => existsSync(file));
  return grantedCpus(new Map(files.map((file) => [file, readFileSync(file, "utf8")])), availableParallelism());
}

const readText = (path: string): string | null => (existsSync(path) ? readFileSync(path, "utf8") : null);

/** Ends the process in failure. What was written to its log goes out first, unless its reader is too slow. */
function exitOnceWritten(log: NodeJS.WriteStream): void {
  const exit = (): void => process.exit(1);
  log.write("", exit);
  setTimeout(exit, LAST_WORDS_MS);
}

/**
 * Runs the proxy as this environment says, until a signal, a hand-over or a fault ends it.
 * @returns the exit code; when a data thread dies the process ends without it
 */
export async function runZtunnel(environment: Environment, o: RunOptions = {}): Promise<number> {
  const { stateFormatModule = null } = o;
  const config = await readConfig(environment, readText);
  const levels = parseLevels(config.ok ? config.value.env.RUST_LOG : "info");
  const mesh = config.ok ? await loadStaticMesh(config.value.staticConfig, readText) : config;
  if (!config.ok || !levels.ok || !mesh.ok) {
    const wrong = [config, levels, mesh].find((r) => !r.ok);
    process.stderr.write(`${wrong?.ok === false ? wrong.error.message : ""}\n`);
    return 2;
  }
  const writeLine = lineWriter(process.stdout);
  const { env } = config.value;
  const logging = createLogging({
    write: (line) => writeLine(line),
    nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1_000),
    format: env.LOG_FORMAT === "json" ? "json" : "text",
    levels: levels.value,
  });
  const log = logging.logger("ztunnel");
  const signalled = new Promise<null>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(null));
  });
  await using proxy = await startZtunnel({
    config: config.value,
    logging,
    levels: levels.value,
    writeLine,
    threads: workerThreads(config.value.threads, cpus()),
    staticMesh: mesh.value,
    version: VERSION,
    stateFormatModule,
    stateFormat: await loadStateFormat(stateFormatModule),
    onThreadDeath: (thread, why) => {
      log.error("a data thread died; the process ends at once", { thread, error: why });
      exitOnceWritten(process.stdout);
    },
  });
  const fault = await Promise.race([signalled, proxy.ended]);
  if (fault === null) log.info("draining", { deadline: `${config.value.drainMs}ms` });
  else log.error("cannot go on; draining", { error: fault });
  await proxy.drain();
  return fault === null ? 0 : 1;
}
