import { type Command, EXIT, type Flag, type Given, type Terminal, UsageError } from "../command.ts";
import type { ObjectName } from "@lateen/local-mesh";
import { namespaceOf } from "@lateen/resources";
import { type Input, manifestWarnings, readInputs, validManifests } from "./manifest-input.ts";
import { clientOf, meshFlag } from "./mesh-access.ts";
import { parseObjectNames } from "./object-names.ts";

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
  usage: "-f FILE",
  about:
    "What is applied lies over the folder: it takes the place of the same object there, until it is deleted. It is kept when the\n" +
    "mesh goes down.",
  examples: ["lateenctl local apply -f policy.yaml", "cat policy.yaml | lateenctl local apply -f -"],
  positionals: [0, 0],
  flags: { filename: fileFlag, mesh: meshFlag },
  async run(given, terminal) {
    const inputs = await inputsOf(given, terminal);
    validManifests("apply", inputs);
    for (const warning of manifestWarnings(inputs)) terminal.stderr.write(`Warning: ${warning}\n`);
    const lines = await (await clientOf(given, terminal)).apply(inputs.map((i) => i.text).join("\n---\n"));
    terminal.stdout.write(lines.map((l) => `${l}\n`).join(""));
    return EXIT.ok;
  },
};

export const remove: Command = {
  name: "delete",
  summary: "take applied objects away again",
  usage: "-f FILE | KIND NAME... | KIND/NAME...",
  examples: [
    "lateenctl local delete -f policy.yaml",
    "lateenctl local delete AuthorizationPolicy allow-all -n shop",
    "lateenctl local delete ap/allow-all ap/deny-all -n shop",
  ],
  flags: {
    filename: fileFlag,
    namespace: { type: "string", short: "n", value: "NAMESPACE", default: "default", help: "namespace of the objects" },
    mesh: meshFlag,
  },
  async run(given, terminal) {
    const fromFiles = given.texts("filename").length > 0;
    if (fromFiles && given.positionals.length > 0)
      throw new UsageError("only one of --filename (-f) and names may be given");
    const names = fromFiles
      ? namesIn(await inputsOf(given, terminal))
      : parseObjectNames(given.positionals, given.text("namespace"));
    const lines = await (await clientOf(given, terminal)).delete(names);
    terminal.stdout.write(lines.map((l) => `${l}\n`).join(""));
    return EXIT.ok;
  },
};

function namesIn(inputs: readonly Input[]): readonly ObjectName[] {
  const objects = validManifests("delete", inputs);
  return objects.map(({ resource: r }) => ({ kind: r.kind, namespace: namespaceOf(r), name: r.metadata.name }));
}

function inputsOf(given: Given, terminal: Terminal): Promise<readonly Input[]> {
  const files = given.texts("filename");
  if (files.length === 0) throw new UsageError("required flag --filename (-f) not set");
  return readInputs(files, terminal);
}
