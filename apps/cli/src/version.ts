import { readFileSync } from "node:fs";
import { type Command, EXIT, UsageError } from "./command.ts";
import { renderValue } from "./ztunnel-config/render.ts";

export const version: Command = {
  name: "version",
  summary: "show the version of this program",
  positionals: [0, 0],
  flags: {
    short: { type: "boolean", short: "s", help: "one line (the default)" },
    output: { type: "string", short: "o", value: "FORMAT", help: "json or yaml" },
  },
  run(given, terminal) {
    const format = given.text("output");
    if (format !== "" && format !== "json" && format !== "yaml")
      throw new UsageError(`invalid argument "${format}" for --output: need json or yaml`);
    const own = ownVersion();
    const text = format === "" ? `client version: ${own}\n` : renderValue({ clientVersion: { version: own } }, format);
    terminal.stdout.write(text);
    return Promise.resolve(EXIT.ok);
  },
};

export function ownVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
