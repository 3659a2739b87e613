import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { nearest } from "@lateen/errors";
import { clientOf, meshFlag, namespaceFlag, withNamespace } from "../local/mesh-access.ts";
import { chooseNode } from "./choose-node.ts";

export const log: Command = {
  name: "log",
  aliases: ["o"],
  summary: "show or change how much a ztunnel logs",
  usage: "[POD[.NAMESPACE]]",
  about: "Levels: trace, debug, info, warning, error, critical, off. Without a target: all ztunnels.",
  examples: ["lateenctl ztunnel-config log --node node-1 --level access:debug,info"],
  positionals: [0, 1],
  flags: {
    level: { type: "string", value: "[LOGGER:]LEVEL[,...]", help: "levels to set" },
    reset: { type: "boolean", short: "r", help: "back to the default" },
    node: { type: "string", value: "NODE", help: "the ztunnel of this node" },
    namespace: namespaceFlag,
    mesh: meshFlag,
  },
  run: runLog,
};

/** What people write, to what a ztunnel takes. */
const LEVELS: Readonly<Record<string, string>> = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  critical: "error",
  off: "off",
};

/**
 * The query of `POST /logging`. Pure.
 * @throws UsageError for a level that there is not
 */
export function loggingQuery(level: string, reset: boolean): string {
  if (reset) return "?level=info&reset";
  if (level === "") return "";
  const parts = level.split(",").map((part) => {
    const colon = part.lastIndexOf(":");
    const name = LEVELS[part.slice(colon + 1)];
    if (name === undefined) throw unknownLevel(part.slice(colon + 1));
    return `${part.slice(0, colon + 1)}${name}`;
  });
  return `?level=${encodeURIComponent(parts.join(","))}`;
}

function unknownLevel(level: string): UsageError {
  const names = Object.keys(LEVELS);
  const close = nearest(level, names);
  const meant = close === null ? "" : `; did you mean "${close}"?`;
  return new UsageError(`invalid argument "${level}" for --level: need one of ${names.join(", ")}${meant}`);
}

async function runLog(given: Given, terminal: Terminal): Promise<number> {
  if (given.on("reset") && given.text("level") !== "")
    throw new UsageError("only one of --level and --reset may be given");
  const query = loggingQuery(given.text("level"), given.on("reset"));
  const client = await clientOf(given, terminal);
  const status = await client.status();
  const pod = given.positionals.map((name) => withNamespace(name, given.text("namespace")))[0];
  const node = given.text("node");
  const nodes =
    pod === undefined && node === ""
      ? status.nodes.map((n) => n.name)
      : [chooseNode(status, { node, pod, definite: true }).node];
  for (const name of nodes) {
    const answer = await client.ztunnelAdmin(name, "POST", `/logging${query}`);
    terminal.stdout.write(`ztunnel-${name}.istio-system:\n${answer.trimEnd()}\n`);
  }
  return EXIT.ok;
}
