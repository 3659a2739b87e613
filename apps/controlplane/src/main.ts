import { once } from "node:events";
import process from "node:process";
import { parseArgs } from "node:util";
import { createLogging, parseLevels } from "@lateen/telemetry";
import { parseConfig } from "./config.ts";
import { startControlPlane } from "./wire.ts";

/** What is said on the command line counts more than the environment. */
function flags(): Readonly<Record<string, string | undefined>> {
  const options = { source: { type: "string" }, kubeconfig: { type: "string" }, context: { type: "string" } } as const;
  const { source, kubeconfig, context } = parseArgs({ options }).values;
  const given = { LATEEN_SOURCE: source, KUBECONFIG: kubeconfig, KUBE_CONTEXT: context };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function main(): Promise<number> {
  const config = parseConfig({ ...process.env, ...flags() });
  const levels = parseLevels(config.ok ? config.value.LOG_LEVEL : "info");
  if (!config.ok || !levels.ok) {
    process.stderr.write(`${config.ok ? (levels.ok ? "" : levels.error.message) : config.error.message}\n`);
    return 2;
  }
  const logging = createLogging({
    write: (line) => process.stdout.write(`${line}\n`),
    nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1_000),
    format: config.value.LOG_FORMAT,
    levels: levels.value,
  });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort(name));
  const log = logging.logger("controlplane");
  try {
    await using _running = await startControlPlane(config.value, logging, stop.signal);
    if (!stop.signal.aborted) await once(stop.signal, "abort");
    log.info("stopping", { signal: String(stop.signal.reason) });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    log.info("stopped before it had started", { signal: String(stop.signal.reason) });
  }
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
