#!/usr/bin/env node
import process from "node:process";
import { Interruption } from "./command.ts";
import { runCli } from "./run-cli.ts";

const interrupted = new AbortController();
let taken = 0;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    if (taken > 0) return;
    const interruption = new Interruption(name);
    // Who asks twice does not want to wait for anything.
    if (interrupted.signal.aborted) process.exit(interruption.exit);
    interrupted.abort(interruption);
  });

let guarded = false;

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  uid: process.getuid?.() ?? 0,
  cwd: process.cwd(),
  // Touched only when needed: Node makes a pipe non-blocking as it opens it, and a command run in a pod shares ours.
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    if (!guarded) process.stdout.on("error", endQuietly);
    guarded = true;
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  nowMs: () => Date.now(),
  interrupted: interrupted.signal,
  onSignals(names, hear) {
    taken += 1;
    const listeners = names.map((name) => [name, () => hear(name)] as const);
    for (const [name, listener] of listeners) process.on(name, listener);
    return {
      [Symbol.dispose]() {
        taken -= 1;
        for (const [name, listener] of listeners) process.off(name, listener);
      },
    };
  },
});

// What an interrupted command was waiting for must not keep the process up.
if (interrupted.signal.aborted) process.exit();

/** Whoever reads our output may stop reading: that ends the command, and is no error. */
function endQuietly(e: NodeJS.ErrnoException): void {
  if (e.code === "EPIPE") process.exit(0);
  throw e;
}
