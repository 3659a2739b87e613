import fs from "node:fs";
import { pipeline } from "node:stream/promises";
import { sleep } from "@lateen/lifecycle";
import { type MeshClient, type MeshStatus, findPod, lastLines, logTail } from "@lateen/local-mesh";
import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { checkNode } from "../ztunnel-config/choose-node.ts";
import { clientOf, foldersOf, meshFlag, namespaceFlag, withNamespace } from "./mesh-access.ts";

export const logs: Command = {
  name: "logs",
  summary: "show what a pod or a part of the mesh printed",
  usage: "POD[.NAMESPACE] | controlplane | cni | ztunnel | daemon",
  about: "POD may be a Deployment: then one of its pods is taken. Up to the last 64 KiB are shown.",
  examples: [
    "lateenctl local logs -f catalog",
    "lateenctl local logs ztunnel --node node-1 --tail 20",
    "lateenctl local logs deploy/frontend.shop -c web",
  ],
  positionals: [1, 1],
  flags: {
    follow: { type: "boolean", short: "f", help: "go on showing what comes, until interrupted" },
    tail: { type: "string", value: "LINES", help: "only the last lines of what is there (default: all)" },
    container: { type: "string", short: "c", value: "NAME", help: "container of the pod (default: its first)" },
    namespace: namespaceFlag,
    node: {
      type: "string",
      value: "NODE",
      help: "the cni or ztunnel of this node (default: all, each line with its node)",
    },
    mesh: meshFlag,
  },
  cleansUp: true,
  run: runLogs,
};

interface LogRequest {
  readonly follow: boolean;
  readonly tailLines: number | undefined;
}

async function runLogs(given: Given, terminal: Terminal): Promise<number> {
  const [target = ""] = given.positionals;
  const wanted: LogRequest = { follow: given.on("follow"), tailLines: tailOf(given.text("tail")) };
  if (target === "daemon") {
    await copyFile(foldersOf(given, terminal).daemonLog, terminal, wanted);
    return EXIT.ok;
  }
  const client = await clientOf(given, terminal);
  const sources = logSources(target, given, { terminal, status: await client.status() });
  await Promise.all(sources.map((s) => copyLog(client, terminal, { ...s, ...wanted })));
  return EXIT.ok;
}

function tailOf(text: string): number | undefined {
  if (text === "" || text === "-1") return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`invalid argument "${text}" for --tail: need a number of lines`);
}

interface LogSource {
  readonly of: string;
  readonly prefix: string;
}

function logSources(
  target: string,
  given: Given,
  o: { readonly terminal: Terminal; readonly status: MeshStatus },
): readonly LogSource[] {
  const node = given.text("node");
  if (target === "cni" || target === "ztunnel") {
    if (node !== "") return [{ of: `${target}-${checkNode(o.status, node)}`, prefix: "" }];
    return o.status.nodes.map((n) => ({ of: `${target}-${n.name}`, prefix: `[${n.name}] ` }));
  }
  if (node !== "") throw new UsageError("--node goes with cni and ztunnel only");
  const part = /^controlplane$|^(cni|ztunnel)-/.test(target);
  return [{ of: part ? target : podLog(target, given, o), prefix: "" }];
}

/** The name of a pod's log, `POD.NAMESPACE[:CONTAINER]`. Says which pod it is where several could be meant. */
function podLog(target: string, given: Given, o: { readonly terminal: Terminal; readonly status: MeshStatus }): string {
  const [name = "", ofTarget = ""] = target.split(":");
  const container = given.text("container") || ofTarget;
  const asked = withNamespace(name, given.text("namespace"));
  const pod = findPod(o.status.pods, asked);
  const same = o.status.pods.filter((p) => p.deployment === pod.deployment && p.namespace === pod.namespace);
  if (pod.deployment !== null && same.length > 1 && !asked.includes(pod.name))
    o.terminal.stderr.write(`Found ${same.length} pods, using pod/${pod.name}\n`);
  return `${pod.name}.${pod.namespace}${container === "" ? "" : `:${container}`}`;
}

async function copyLog(client: MeshClient, terminal: Terminal, o: LogSource & LogRequest): Promise<void> {
  try {
    let line = "";
    const { of, follow, tailLines } = o;
    for await (const chunk of await client.log({ of, follow, tailLines, signal: terminal.interrupted })) {
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

const POLL_MS = 200;

/** The daemon's own log is a file: it is there for whoever asks why the daemon is not. */
async function copyFile(path: string, terminal: Terminal, o: LogRequest): Promise<void> {
  const sizeOf = (): number => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let at = sizeOf();
  const text = logTail(path);
  terminal.stdout.write(o.tailLines === undefined ? text : lastLines(text, o.tailLines));
  while (o.follow && !terminal.interrupted.aborted) {
    const size = sizeOf();
    if (size < at) at = 0; // another mesh has begun it anew
    if (size > at)
      await pipeline(fs.createReadStream(path, { start: at, end: size - 1 }), terminal.stdout, { end: false });
    at = size;
    await sleep(POLL_MS, { signal: terminal.interrupted }).catch(() => undefined); // interrupted: the loop sees it
  }
}
