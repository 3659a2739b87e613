import fs from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { Code, MeshError } from "@lateen/errors";
import { formatProblem, parseManifests } from "@lateen/manifests";
import type { ObjectName } from "@lateen/local-mesh";
import { namespaceOf } from "@lateen/resources";
import { type Command, EXIT, type Flag, type Given, type Terminal, UsageError } from "../command.ts";
import { clientOf, meshFlag } from "./mesh-access.ts";

const fileFlag: Flag = {
  type: "string",
  short: "f",
  value: "FILE",
  multiple: true,
  help: "file or folder of manifests, - for standard input (repeatable)",
};

export const apply: Command = {
  name: "apply",
  summary: "give a mesh objects that are in no file of its folder",
  about: "What is applied lies over the folder: it takes the place of the same object there, until it is deleted.",
  positionals: [0, 0],
  flags: { filename: fileFlag, mesh: meshFlag },
  async run(given, terminal) {
    const yaml = await readInput(given, terminal);
    const lines = await (await clientOf(given, terminal)).apply(yaml);
    terminal.stdout.write(lines.map((l) => `${l}\n`).join(""));
    return EXIT.ok;
  },
};

export const remove: Command = {
  name: "delete",
  summary: "take applied objects away again",
  usage: "[KIND NAME]",
  examples: ["lateenctl local delete -f policy.yaml", "lateenctl local delete AuthorizationPolicy allow-all -n shop"],
  positionals: [0, 2],
  flags: {
    filename: fileFlag,
    namespace: { type: "string", short: "n", value: "NAMESPACE", default: "default", help: "namespace of the object" },
    mesh: meshFlag,
  },
  async run(given, terminal) {
    const names = given.texts("filename").length > 0 ? await namesIn(given, terminal) : [nameGiven(given)];
    const lines = await (await clientOf(given, terminal)).delete(names);
    terminal.stdout.write(lines.map((l) => `${l}\n`).join(""));
    return EXIT.ok;
  },
};

/** What users write, to what objects say. */
const KINDS = [
  "Namespace",
  "ServiceAccount",
  "Pod",
  "Service",
  "Deployment",
  "AuthorizationPolicy",
  "PeerAuthentication",
] as const;
const SHORT: Readonly<Record<string, string>> = {
  ns: "Namespace",
  sa: "ServiceAccount",
  po: "Pod",
  svc: "Service",
  deploy: "Deployment",
  ap: "AuthorizationPolicy",
  pa: "PeerAuthentication",
};

function nameGiven(given: Given): ObjectName {
  const [kindWord, name] = given.positionals;
  if (kindWord === undefined || name === undefined) throw new UsageError("need --filename (-f), or KIND NAME");
  const lower = kindWord.toLowerCase();
  const kind =
    SHORT[lower] ??
    KINDS.find((k) => [k.toLowerCase(), `${k.toLowerCase()}s`, k.toLowerCase().replace(/y$/, "ies")].includes(lower));
  if (kind === undefined) throw new UsageError(`unknown kind "${kindWord}": need one of ${KINDS.join(", ")}`);
  const clusterWide = kind === "Namespace";
  return { kind, namespace: clusterWide ? "" : given.text("namespace"), name };
}

async function namesIn(given: Given, terminal: Terminal): Promise<readonly ObjectName[]> {
  const { objects, problems } = parseManifests(await readInput(given, terminal), "input");
  const errors = problems.filter((p) => p.severity === "error");
  if (errors.length > 0) throw new MeshError(Code.BadInput, `Cannot delete: ${errors.map(formatProblem).join("\n")}`);
  return objects.map(({ resource: r }) => ({ kind: r.kind, namespace: namespaceOf(r), name: r.metadata.name }));
}

async function readInput(given: Given, terminal: Terminal): Promise<string> {
  const files = given.texts("filename");
  if (files.length === 0) throw new UsageError("required flag --filename (-f) not set");
  const texts: string[] = [];
  for (const file of files)
    if (file === "-") texts.push(await text(terminal.stdin));
    else texts.push(...readManifests(path.resolve(terminal.cwd, file)));
  return texts.join("\n---\n");
}

function readManifests(file: string): readonly string[] {
  try {
    if (!fs.statSync(file).isDirectory()) return [fs.readFileSync(file, "utf8")];
    const names = fs.readdirSync(file).filter((n) => /\.(ya?ml|json)$/.test(n));
    return names.sort().map((n) => fs.readFileSync(path.join(file, n), "utf8"));
  } catch (e) {
    throw new MeshError(Code.BadInput, `Cannot read "${file}": ${e instanceof Error ? e.message : String(e)}`, {}, e);
  }
}
