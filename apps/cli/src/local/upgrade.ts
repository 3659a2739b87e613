import type { MeshClient, ZtunnelUpgrade } from "@lateen/local-mesh";
import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { checkNode } from "../ztunnel-config/choose-node.ts";
import { clientOf, meshFlag } from "./mesh-access.ts";

export const upgrade: Command = {
  name: "upgrade",
  summary: "replace ztunnel by a new process, without cutting a connection",
  usage: "ztunnel",
  about:
    "The new process takes over listeners and live connections from the running one, which then ends.\n" +
    "Says how many connections moved, and for how long each stood still meanwhile.",
  examples: ["lateenctl local upgrade ztunnel", "lateenctl local upgrade ztunnel --node node-1"],
  positionals: [1, 1],
  flags: {
    node: { type: "string", value: "NODE", help: "only on this node (default: on all, one after the other)" },
    mesh: meshFlag,
  },
  run: runUpgrade,
};

async function runUpgrade(given: Given, terminal: Terminal): Promise<number> {
  const [what = ""] = given.positionals;
  if (what !== "ztunnel") throw new UsageError(`cannot upgrade "${what}": only ztunnel is upgraded in place`);
  const client = await clientOf(given, terminal);
  for (const node of await nodesOf(client, given.text("node")))
    terminal.stdout.write(`${describe(await client.upgradeZtunnel(node))}\n`);
  return EXIT.ok;
}

async function nodesOf(client: MeshClient, wanted: string): Promise<readonly string[]> {
  const status = await client.status();
  return wanted === "" ? status.nodes.map((n) => n.name) : [checkNode(status, wanted)];
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** One line about one node. */
export function describe({ node, tookMs, handedOver }: ZtunnelUpgrade): string {
  const total = `in ${(tookMs / 1000).toFixed(1)} s`;
  if (handedOver === null) return `${node}: ztunnel replaced ${total}; its connections were drained`;
  const { connections, tunnels, left, stallMs } = handedOver;
  const moved = `${count(connections, "connection")} and ${count(tunnels, "tunnel")} moved`;
  const stalled =
    connections + tunnels === 0
      ? ""
      : `; stalled p50 ${ms(stallMs.p50)}, p99 ${ms(stallMs.p99)}, max ${ms(stallMs.max)}`;
  const stayed = left > 0 ? `; ${count(left, "connection")} stayed and were drained` : "";
  return `${node}: ztunnel replaced ${total}: ${moved}${stalled}${stayed}`;
}
