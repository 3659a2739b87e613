import fs from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { Code, MeshError } from "@lateen/errors";
import { type Manifest, formatProblem, parseManifests } from "@lateen/manifests";
import type { Terminal } from "../command.ts";

/** Manifests as the user gave them. */
export interface Input {
  /** As the user named it. */
  readonly name: string;
  readonly text: string;
}

/**
 * Reads files, the manifests of folders, and standard input for `-`.
 * @throws MeshError BAD_INPUT for what cannot be read
 */
export async function readInputs(
  files: readonly string[],
  terminal: Pick<Terminal, "cwd" | "stdin">,
): Promise<readonly Input[]> {
  const inputs: Input[] = [];
  for (const file of files)
    if (file === "-") inputs.push({ name: "standard input", text: await text(terminal.stdin) });
    else inputs.push(...readFiles(file, terminal.cwd));
  return inputs;
}

function readFiles(name: string, cwd: string): readonly Input[] {
  const file = path.resolve(cwd, name);
  try {
    if (!fs.statSync(file).isDirectory()) return [{ name, text: fs.readFileSync(file, "utf8") }];
    const names = fs.readdirSync(file).filter((n) => /\.(ya?ml|json)$/.test(n));
    if (names.length === 0)
      throw new MeshError(Code.BadInput, `Cannot read "${name}": the folder has no .yaml, .yml or .json file`);
    return names.sort().map((n) => ({ name: path.join(name, n), text: fs.readFileSync(path.join(file, n), "utf8") }));
  } catch (e) {
    if (MeshError.is(e)) throw e;
    throw new MeshError(Code.BadInput, `Cannot read "${name}": ${whyUnreadable(e)}`, {}, e);
  }
}

/** Why a file cannot be read, in words. */
export function whyUnreadable(e: unknown): string {
  const code = e instanceof Error && "code" in e ? e.code : "";
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission is denied";
  return e instanceof Error ? e.message : String(e);
}

/**
 * The objects of inputs that have nothing wrong with them.
 * @param verb what the user is about to do, for the message
 * @throws MeshError BAD_INPUT with every problem, each at its file and line, or when there is no object
 */
export function validManifests(verb: string, inputs: readonly Input[]): readonly Manifest[] {
  const parsed = inputs.map((input) => parseManifests(input.text, input.name));
  const problems = parsed.flatMap((p) => p.problems).filter((p) => p.severity === "error" || p.path === "");
  if (problems.length > 0) {
    const lines = problems.map(formatProblem);
    const [only] = lines;
    const list = lines.length === 1 ? ` ${only ?? ""}` : `\n${lines.map((l) => `  ${l}`).join("\n")}`;
    throw new MeshError(Code.BadInput, `Cannot ${verb}:${list}`);
  }
  const objects = parsed.flatMap((p) => p.objects);
  if (objects.length > 0) return objects;
  throw new MeshError(Code.BadInput, `Cannot ${verb}: there is no object in ${inputs.map((i) => i.name).join(", ")}`);
}

/** What the author of inputs should know though nothing of it is wrong, each at its file and line. */
export const manifestWarnings = (inputs: readonly Input[]): readonly string[] =>
  inputs
    .flatMap(({ text: manifests, name }) => parseManifests(manifests, name).problems)
    .filter((p) => p.severity === "warning")
    .map(formatProblem);
