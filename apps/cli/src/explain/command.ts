import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { clientOf, meshFlag } from "../local/mesh-access.ts";
import { type OutputFormat, renderValue } from "../ztunnel-config/render.ts";
import { explainConnection } from "./explain-connection.ts";
import { findDestination, findWorkload } from "./find-ends.ts";
import { readMeshView } from "./mesh-view.ts";
import { renderExplanation } from "./render-explanation.ts";

export const explain: Command = {
  name: "explain",
  summary: "say what becomes of a connection, and why",
  usage: "FROM TO:PORT",
  about:
    "FROM is a pod, a Deployment or an address; TO is a Service, a pod, a Deployment or an address. Names may carry their namespace, as NAME.NAMESPACE or NAMESPACE/NAME. Who the ends are, which path the connection takes and what each policy says come from the functions that the proxies run. Exits with 1 when the connection would be refused.",
  examples: ["lateenctl explain shop/frontend catalog.shop:80", "lateenctl explain monitor.legacy 10.244.1.2:8080"],
  positionals: [2, 2],
  flags: {
    output: { type: "string", short: "o", value: "FORMAT", default: "short", help: "short, json or yaml" },
    mesh: meshFlag,
  },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<number> {
  const format = given.text("output") as OutputFormat;
  if (!["short", "json", "yaml"].includes(format))
    throw new UsageError(`invalid argument "${format}" for --output: need short, json or yaml`);
  const [fromText = "", toText = ""] = given.positionals;
  const { folders, status } = await clientOf(given, terminal).then(async (c) => ({
    folders: c.folders,
    status: await c.status(),
  }));
  const dirs = [...(status.manifests === null ? [] : [status.manifests]), folders.applied, folders.observed];
  const view = await readMeshView(dirs);
  const from = findWorkload(view.workloads, fromText);
  const to = findDestination(view.workloads, toText, from);
  // The first of several endpoints, so that the answer is the same each time; they differ in address only.
  const explained = explainConnection(view, { from, to, random: () => 0 });
  terminal.stdout.write(format === "short" ? renderExplanation(explained) : renderValue(explained, format));
  return explained.verdict.allowed ? EXIT.ok : EXIT.failed;
}
