import type { MeshModel } from "@lateen/translation";
import { type Command, EXIT, type Flag, type Given, type Terminal } from "../command.ts";
import { readMeshModel, viewSources } from "../explain/mesh-view.ts";
import { clientOf, meshFlag, namespaceFlag } from "../local/mesh-access.ts";
import { formatOf, outputFlag } from "../output-format.ts";
import { readUserFile } from "../read-file.ts";
import { renderValue } from "../ztunnel-config/render.ts";
import { describePolicy, describeService, policyTable, serviceTable } from "./render-reports.ts";
import { type Reports, chosen, parseReports } from "./reports.ts";

const flags = (page: string): Readonly<Record<string, Flag>> => ({
  namespace: { ...namespaceFlag, help: "only of this namespace (default: all)" },
  output: outputFlag,
  file: {
    type: "string",
    short: "f",
    value: "FILE",
    help: `read a saved /debug/${page} of a control plane, - for standard input`,
  },
  mesh: meshFlag,
});

/** What policies and services effectively do, from the model that the proxies' configuration comes from. */
export const describe: Command = {
  name: "describe",
  aliases: ["des"],
  summary: "say what a policy or a service effectively does",
  examples: [
    "lateenctl describe policies",
    "lateenctl describe policy readers.shop",
    "curl -s localhost:15014/debug/services | lateenctl describe services -f -",
  ],
  commands: [
    {
      name: "policy",
      aliases: ["policies", "pol", "p"],
      summary: "show which rule of a policy is enforced where, and which is not and why",
      usage: "[NAME[.NAMESPACE]]",
      positionals: [0, 1],
      flags: flags("policies"),
      run: runPolicies,
    },
    {
      name: "service",
      aliases: ["services", "svc", "s"],
      summary: "show what stands between clients and a service",
      usage: "[NAME[.NAMESPACE]]",
      positionals: [0, 1],
      flags: flags("services"),
      run: runServices,
    },
  ],
};

async function runPolicies(given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const { policies } = await readReports(given, terminal, "policies");
  const [name] = given.positionals;
  const shown = chosen(policies, { name, namespace: given.text("namespace"), what: "policy" });
  if (format !== "short") terminal.stdout.write(renderValue(shown, format));
  else terminal.stdout.write(name === undefined ? policyTable(shown) : shown.map(describePolicy).join("\n"));
  return EXIT.ok;
}

async function runServices(given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const { services } = await readReports(given, terminal, "services");
  const [name] = given.positionals;
  const shown = chosen(services, { name, namespace: given.text("namespace"), what: "service" });
  if (format !== "short") terminal.stdout.write(renderValue(shown, format));
  else terminal.stdout.write(name === undefined ? serviceTable(shown) : shown.map(describeService).join("\n"));
  return EXIT.ok;
}

async function readReports(given: Given, terminal: Terminal, page: "policies" | "services"): Promise<Reports> {
  const file = given.text("file");
  if (file !== "") return parseReports(await readUserFile(file, terminal), page);
  const client = await clientOf(given, terminal);
  const status = await client.status();
  for (const problem of status.problems) terminal.stderr.write(`Warning: ${problem}\n`);
  return reportsOf(await readMeshModel(viewSources(client.folders, status.manifests)));
}

function reportsOf({ policyReports, serviceReports }: MeshModel): Reports {
  return {
    policies: policyReports.values(),
    services: Array.from(serviceReports.entries(), ([key, report]) => ({ ...report, key })),
  };
}
