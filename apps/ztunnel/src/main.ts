import process from "node:process";
import { runZtunnel } from "./run-ztunnel.ts";

process.exitCode = await runZtunnel(process.env).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
