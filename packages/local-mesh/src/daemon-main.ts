import fs from "node:fs";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import { dieWithParent, mountProc } from "@lateen/linux";
import { Daemon, type DaemonOptions } from "./daemon.ts";

// The first process of a mesh's PID namespace. The keeper starts it; its options are its one argument, as JSON. Its standard
// input is held by the keeper: when that ends, so does everything here.

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => resolve());
  });
}

function keeperGone(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin
      .resume()
      .on("end", () => resolve())
      .on("error", () => resolve());
  });
}

async function main(): Promise<number> {
  const options = JSON.parse(process.argv[2] ?? "null") as DaemonOptions | null;
  if (options === null || process.pid !== 1) {
    process.stderr.write("This program is started by `lateenctl local up`\n");
    return 64;
  }
  const asked = stopSignal();
  const orphaned = keeperGone();
  dieWithParent(process.ppid);
  mountProc();
  fs.rmSync(options.folders.apiSocket, { force: true });
  await using daemon = await Daemon.start(options);
  await Promise.race([asked, orphaned, daemon.stopAsked]);
  return 0;
}

process.exitCode = await main().catch((e: unknown) => {
  const text = MeshError.is(e) && e.code !== Code.Bug ? e.message : e instanceof Error ? e.stack : undefined;
  process.stderr.write(`${text ?? String(e)}\n`);
  return 1;
});
// Descriptors of readers and timers of a mesh that could not close in time must not keep a dead mesh up.
process.exit();
