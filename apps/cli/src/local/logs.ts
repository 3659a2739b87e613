import { logTail, type MeshClient, type MeshStatus } from "@lateen/local-mesh";
import { type Command, EXIT, type Terminal } from "../command.ts";
import { clientOf, foldersOf, meshFlag } from "./mesh-access.ts";

export const logs: Command = {
  name: "logs",
  summary: "show what a pod or a part of the mesh printed",
  usage: "POD[.NAMESPACE][:CONTAINER] | controlplane | cni | ztunnel | daemon",
  examples: ["lateenctl local logs -f catalog", "lateenctl local logs ztunnel --node node-1"],
  positionals: [1, 1],
  flags: {
    follow: { type: "boolean", short: "f", help: "go on showing what comes" },
    node: {
      type: "string",
      value: "NODE",
      help: "the cni or ztunnel of this node (default: all, each line with its node)",
    },
    mesh: meshFlag,
  },
  async run(given, terminal) {
    const [target = ""] = given.positionals;
    if (target === "daemon") {
      terminal.stdout.write(logTail(foldersOf(given, terminal).daemonLog));
      return EXIT.ok;
    }
    const client = await clientOf(given, terminal);
    const sources = logSources(target, given.text("node"), await client.status());
    const follow = given.on("follow");
    await Promise.all(sources.map((s) => copyLog(client, terminal, { ...s, follow })));
    return EXIT.ok;
  },
};

interface LogSource {
  readonly of: string;
  readonly prefix: string;
}

function logSources(target: string, node: string, status: MeshStatus): readonly LogSource[] {
  if (target !== "cni" && target !== "ztunnel") return [{ of: target, prefix: "" }];
  if (node !== "") return [{ of: `${target}-${node}`, prefix: "" }];
  return status.nodes.map((n) => ({ of: `${target}-${n.name}`, prefix: `[${n.name}] ` }));
}

async function copyLog(
  client: MeshClient,
  terminal: Terminal,
  o: LogSource & { readonly follow: boolean },
): Promise<void> {
  try {
    let line = "";
    for await (const chunk of await client.log({ of: o.of, follow: o.follow, signal: terminal.interrupted })) {
      if (o.prefix === "") {
        terminal.stdout.write(chunk);
        continue;
      }
      const lines = (line + chunk).split("\n");
      line = lines.pop() ?? "";
      for (const whole of lines) terminal.stdout.write(`${o.prefix}${whole}\n`);
    }
    if (line !== "") terminal.stdout.write(`${o.prefix}${line}\n`);
  } catch (e) {
    if (!terminal.interrupted.aborted) throw e;
  }
}
