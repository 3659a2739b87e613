import { type Manifest, type Problem, formatProblem, parseManifests } from "@lateen/manifests";
import { namespaceOf } from "@lateen/resources";
import { type Command, EXIT, type Given, type Terminal, UsageError } from "../command.ts";
import { type Input, readInputs } from "../local/manifest-input.ts";
import { adviceOn } from "./advice.ts";

export const validate: Command = {
  name: "validate",
  aliases: ["v"],
  summary: "say what is wrong with manifests, without a cluster",
  usage: "-f FILE",
  about:
    "Objects of Istio's API are judged as the control plane's webhook judges them, other objects that the mesh reads by their fields;\n" +
    "what a mesh could not know of Services and Deployments is advice. Exits with 1 when something is wrong, not for warnings.",
  examples: ["lateenctl validate -f policies/", "kubectl get ap -A -o yaml | lateenctl validate -f -"],
  positionals: [0, 0],
  flags: {
    filename: {
      type: "string",
      short: "f",
      value: "FILE",
      multiple: true,
      help: "file or folder of manifests, - for standard input (repeatable)",
    },
  },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<number> {
  const files = given.texts("filename");
  if (files.length === 0) throw new UsageError("required flag --filename (-f) not set");
  const inputs = await readInputs(files, terminal);
  const reports = inputs.map(reportOn);
  terminal.stderr.write(reports.flatMap((r) => r.lines).join(""));
  return reports.some((r) => r.wrong) ? EXIT.failed : EXIT.ok;
}

/** What is said of one file: its problems, then what they come to. */
function reportOn({ name, text }: Input): { readonly lines: readonly string[]; readonly wrong: boolean } {
  const { objects, problems } = parseManifests(text, name, { unread: "pass" });
  const errors = problems.filter((p) => p.severity === "error");
  const warnings = [...problems.filter((p) => p.severity === "warning").map(formatProblem), ...objects.flatMap(advice)];
  const said = (of: string) => (line: string) => `${of}: ${line}\n`;
  const sum = errors.length > 0 ? sumOf(errors) : warnings.length > 0 ? "is valid, with warnings" : "is valid";
  return {
    wrong: errors.length > 0,
    lines: [
      ...errors.map(formatProblem).map(said("Error")),
      ...warnings.map(said("Warning")),
      `${JSON.stringify(name)} ${sum}\n`,
    ],
  };
}

const sumOf = (errors: readonly Problem[]): string =>
  `is not valid: ${errors.length} ${errors.length === 1 ? "error" : "errors"}`;

function advice({ resource, file, line }: Manifest): readonly string[] {
  const object = `${resource.kind} ${namespaceOf(resource)}/${resource.metadata.name}`;
  return adviceOn(resource).map((words) => `${file}:${line}: ${object}: ${words}`);
}
