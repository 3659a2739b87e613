import { type Command, EXIT, type Given, type Terminal } from "../command.ts";
import { formatOf, outputFlag } from "../output-format.ts";
import { clientOf, meshFlag, namespaceFlag, withNamespace } from "../local/mesh-access.ts";
import { renderValue } from "../ztunnel-config/render.ts";
import { explainConnection } from "./explain-connection.ts";
import { findDestination, findWorkload } from "./find-ends.ts";
import { readMeshView, viewSources } from "./mesh-view.ts";
import { renderExplanation } from "./render-explanation.ts";

export const explain: Command = {
  name: "explain",
  summary: "say what becomes of a connection, and why",
  usage: "FROM TO:PORT",
  about:
    "FROM is a pod, a Deployment or an address; TO is a Service, a pod, a Deployment or an address. Names may carry their\n" +
    "namespace, as NAME.NAMESPACE or NAMESPACE/NAME. Who the ends are, which path the connection takes and what each policy\n" +
    "says come from the functions that the proxies run. Exits with 1 when the connection would be refused.",
  examples: ["lateenctl explain shop/frontend catalog.shop:80", "lateenctl explain monitor.legacy 10.244.1.2:8080"],
  positionals: [2, 2],
  flags: {
    namespace: { ...namespaceFlag, help: "namespace of FROM, where it carries none (default: any)" },
    output: outputFlag,
    mesh: meshFlag,
  },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const [fromText = "", toText = ""] = given.positionals;
  const client = await clientOf(given, terminal);
  const status = await client.status();
  for (const problem of status.problems) terminal.stderr.write(`Warning: ${problem}\n`);
  const view = await readMeshView(viewSources(client.folders, status.manifests));
  const from = findWorkload(view.workloads, withNamespace(fromText, given.text("namespace")));
  const to = findDestination(view.workloads, toText, from);
  // The first of several endpoints, so that the answer is the same each time; they differ in address only.
  const explained = explainConnection(view, { from, to, random: () => 0 });
  terminal.stdout.write(format === "short" ? renderExplanation(explained) : renderValue(explained, format));
  return explained.verdict.allowed ? EXIT.ok : EXIT.failed;
}
