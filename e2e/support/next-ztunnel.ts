import process from "node:process";
import { runZtunnel } from "@lateen/ztunnel";

// A ztunnel of a later version, as far as hand-overs go.
process.exitCode = await runZtunnel(process.env, {
  stateFormatModule: new URL("./next-format.ts", import.meta.url).href,
});
