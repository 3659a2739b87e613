import fs from "node:fs";
import process from "node:process";
import { createLogging, parseLevels } from "@lateen/telemetry";
import { parseConfig } from "./config.ts";
import { startAgent } from "./wire.ts";

const nowMicros = (): number => (performance.timeOrigin + performance.now()) * 1000;

async function main(): Promise<number> {
  const config = parseConfig(process.env);
  const levels = parseLevels(config.ok ? config.value.logLevel : "info");
  if (!config.ok || !levels.ok) {
    process.stderr.write(`${config.ok ? (levels.ok ? "" : levels.error.message) : config.error.message}\n`);
    return 2;
  }
  // Whoever reads the log may go away; the pods must not suffer for it.
  process.stdout.on("error", () => undefined);
  const logging = createLogging({
    write: (line) => process.stdout.write(`${line}\n`),
    nowMicros,
    format: config.value.logFormat === "json" ? "json" : "text",
    levels: levels.value,
  });
  const log = logging.logger("cni");
  const stopped = new Promise<string>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
  await using running = await startAgent(config.value, {
    logging,
    closeFd: (fd) => fs.closeSync(fd),
    nowMs: () => performance.now(),
    random: Math.random,
  });
  const why = await Promise.race([stopped, running.ended.then(() => "ended")]);
  log.info("agent stops; rules stay in the pods", { reason: why });
  return 0;
}

process.exitCode = await main().catch((e: unknown) => {
  process.stderr.write(`${e instanceof Error ? e.message : String(e)}\n`);
  return 1;
});
