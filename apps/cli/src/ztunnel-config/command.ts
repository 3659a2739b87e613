import type { MeshClient } from "@lateen/local-mesh";
import { type Command, EXIT, type Flag, type Given, type Terminal, UsageError } from "../command.ts";
import { formatOf, outputFlag } from "../output-format.ts";
import { clientOf, meshFlag, namespaceFlag, withNamespace } from "../local/mesh-access.ts";
import { readUserFile } from "../read-file.ts";
import { chooseNode } from "./choose-node.ts";
import { type ConfigDump, parseConfigDump } from "./config-dump.ts";
import { log } from "./log.ts";
import { type SectionName, renderAll, renderSection, renderValue, sectionAliases } from "./render.ts";
import type { SectionFilter } from "./sections.ts";

const commonFlags: Readonly<Record<string, Flag>> = {
  output: outputFlag,
  file: { type: "string", short: "f", value: "FILE", help: "read a saved config dump, - for standard input" },
  node: { type: "string", value: "NODE", help: "use the ztunnel of this node" },
  namespace: namespaceFlag,
  mesh: meshFlag,
};
const ownFlags: Readonly<Record<SectionName, Readonly<Record<string, Flag>>>> = {
  workload: {
    address: { type: "string", value: "IP", help: "only the workload with this address" },
    "workload-namespace": { type: "string", value: "NAMESPACE", help: "only workloads of this namespace" },
    "workload-node": { type: "string", value: "NODE", help: "only workloads on this node" },
  },
  service: { "service-namespace": { type: "string", value: "NAMESPACE", help: "only services of this namespace" } },
  policy: { "policy-namespace": { type: "string", value: "NAMESPACE", help: "only policies of this namespace" } },
  certificate: {},
  connections: {
    "workload-namespace": { type: "string", value: "NAMESPACE", help: "only workloads of this namespace" },
    direction: { type: "string", value: "DIRECTION", help: "inbound or outbound" },
    raw: { type: "boolean", help: "show addresses, not names" },
  },
};
const summaries: Readonly<Record<SectionName, string>> = {
  workload: "show the workloads that a ztunnel knows",
  service: "show the services that a ztunnel knows",
  policy: "show the policies that a ztunnel knows",
  certificate: "show the certificates that a ztunnel holds",
  connections: "show the connections that a ztunnel carries",
};

const ANY_ZTUNNEL = "Asks the ztunnel of the pod's node, without one that of the first node.";
const ONE_ZTUNNEL = "Name the node whose ztunnel is asked, or a pod on it.";

function about(section: SectionName): string {
  const which = needsOne(section) ? ONE_ZTUNNEL : ANY_ZTUNNEL;
  const filters = section === "workload" || section === "connections";
  return filters ? `${which} Of a pod only what concerns it is shown.` : which;
}

export const ztunnelConfig: Command = {
  name: "ztunnel-config",
  aliases: ["zc"],
  summary: "show what a ztunnel knows and does",
  examples: [
    "lateenctl ztunnel-config workloads",
    "lateenctl ztunnel-config connections frontend.shop",
    "lateenctl ztunnel-config certificates --node node-1",
  ],
  commands: [
    ...(["workload", "service", "policy", "certificate", "connections"] as const).map(sectionCommand),
    {
      name: "all",
      summary: "show everything of a ztunnel",
      usage: "[POD[.NAMESPACE]]",
      about: ANY_ZTUNNEL,
      positionals: [0, 1],
      flags: { ...commonFlags, "with-headers": { type: "boolean", help: "a title above each table" } },
      run: runAll,
    },
    log,
  ],
};

function sectionCommand(section: SectionName): Command {
  return {
    name: section,
    aliases: sectionAliases[section].slice(1),
    summary: summaries[section],
    usage: "[POD[.NAMESPACE]]",
    about: about(section),
    positionals: [0, 1],
    flags: { ...commonFlags, ...ownFlags[section] },
    run: (given, terminal) => runSection(section, given, terminal),
  };
}

async function runSection(section: SectionName, given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const direction = directionOf(given.text("direction"));
  const { dump, workload } = await readDump(given, terminal, { definite: needsOne(section) });
  const filter: SectionFilter = {
    address: given.text("address"),
    workloadNamespace: given.text("workload-namespace"),
    workloadNode: given.text("workload-node"),
    serviceNamespace: given.text("service-namespace"),
    policyNamespace: given.text("policy-namespace"),
    direction,
    raw: given.on("raw"),
    workload,
  };
  terminal.stdout.write(renderSection(dump, { section, format, nowMs: terminal.nowMs(), filter }));
  return EXIT.ok;
}

async function runAll(given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const { dump, json } = await readDump(given, terminal, { definite: false });
  terminal.stdout.write(
    format === "short"
      ? renderAll(dump, { headers: given.on("with-headers"), nowMs: terminal.nowMs() })
      : renderValue(JSON.parse(json), format),
  );
  return EXIT.ok;
}

/** What a ztunnel holds and carries is its own: a listing without saying whose would mislead. */
function needsOne(section: SectionName): boolean {
  return section === "certificate" || section === "connections";
}

function directionOf(direction: string): SectionFilter["direction"] {
  if (direction === "") return undefined;
  if (direction === "inbound" || direction === "outbound") return direction;
  throw new UsageError(`invalid argument "${direction}" for --direction: need inbound or outbound`);
}

interface ReadDump {
  readonly dump: ConfigDump;
  readonly json: string;
  /** The workload that the user named by its pod. */
  readonly workload: SectionFilter["workload"];
}

async function readDump(given: Given, terminal: Terminal, o: { readonly definite: boolean }): Promise<ReadDump> {
  const file = given.text("file");
  const node = given.text("node");
  const pod = given.positionals.map((name) => withNamespace(name, given.text("namespace")))[0];
  if ([file !== "", node !== "", pod !== undefined].filter(Boolean).length > 1)
    throw new UsageError("at most one of --file, --node and a pod may be given");
  if (file !== "") return parsed(await readUserFile(file, terminal), undefined);
  const client = await clientOf(given, terminal);
  const chosen = chooseNode(await client.status(), { node, pod, definite: o.definite });
  return parsed(await fetchDump(client, chosen.node), chosen.workload);
}

export function fetchDump(client: MeshClient, node: string): Promise<string> {
  return client.ztunnelAdmin(node, "GET", "/config_dump");
}

function parsed(json: string, workload: SectionFilter["workload"]): ReadDump {
  const dump = parseConfigDump(json);
  if (!dump.ok) throw dump.error;
  return { dump: dump.value, json, workload };
}
