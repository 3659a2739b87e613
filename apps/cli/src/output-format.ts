import { type Flag, type Given, UsageError } from "./command.ts";
import type { OutputFormat } from "./ztunnel-config/render.ts";

/** How a command prints what it found. */
export const outputFlag: Flag = {
  type: "string",
  short: "o",
  value: "FORMAT",
  default: "short",
  help: "short, json or yaml",
};

/** @throws UsageError for a format that there is not */
export function formatOf(given: Given): OutputFormat {
  const format = given.text("output");
  if (format === "short" || format === "json" || format === "yaml") return format;
  throw new UsageError(`invalid argument "${format}" for --output: need short, json or yaml`);
}
