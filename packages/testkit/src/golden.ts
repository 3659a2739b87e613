import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const CONTEXT_LINES = 3;
const here = fileURLToPath(import.meta.url);

/** The file that called `golden`: the nearest stack frame outside this file. */
function callerFile(stack: string): string {
  for (const line of stack.split("\n").slice(1)) {
    const m = /(file:\/\/[^\s)]+|\/[^\s():]+)(?:\?[^\s():]*)?:\d+:\d+\)?$/.exec(line);
    if (m === null) continue;
    const found = m[1]!;
    const file = found.startsWith("file:") ? fileURLToPath(found.replace(/[?#].*$|:\d+:\d+$/, "")) : found;
    if (file !== here) return file;
  }
  throw new Error("Cannot find the calling file of golden(): no stack frame names one");
}

function packageRoot(file: string): string {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, "package.json"))) return folder;
    if (folder === path.dirname(folder))
      throw new Error(`Cannot find the package of "${file}": no package.json above it`);
  }
}

/**
 * What differs between two texts: the first differing line of each with a few lines around it.
 * @returns text for a failure message; "" when the texts are equal
 */
export function describeDifference(want: string, got: string): string {
  if (want === got) return "";
  const [a, b] = [want.split("\n"), got.split("\n")];
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - at && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const cut = (lines: readonly string[], mark: string): string[] => {
    const shown = lines.slice(at, Math.min(lines.length - tail, at + 12)).map((l) => `${mark} ${l}`);
    const more = lines.length - tail - at - shown.length;
    return more > 0 ? [...shown, `${mark} … ${more} more lines`] : shown;
  };
  const before = a.slice(Math.max(0, at - CONTEXT_LINES), at).map((l) => `  ${l}`);
  const after = a.slice(a.length - tail, a.length - tail + CONTEXT_LINES).map((l) => `  ${l}`);
  return [`at line ${at + 1} (- golden, + got)`, ...before, ...cut(a, "-"), ...cut(b, "+"), ...after].join("\n");
}

/**
 * Compares `text` with `testdata/<name>.golden` of the calling package. With `UPDATE_GOLDEN=1` it writes the file instead.
 * @param name file name without ending; may hold `/`
 * @throws Error that shows the first difference, or says how to create a missing file
 */
export function golden(name: string, text: string): void {
  if (/(^|\/)\.\.?(\/|$)|^\//.test(name)) throw new Error(`Cannot use golden name "${name}": it leaves testdata`);
  const file = path.join(packageRoot(callerFile(new Error().stack ?? "")), "testdata", `${name}.golden`);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return;
  }
  const shown = path.relative(process.cwd(), file);
  if (!existsSync(file))
    throw new Error(`Golden file ${shown} does not exist: run the test with UPDATE_GOLDEN=1 and review it`);
  const difference = describeDifference(readFileSync(file, "utf8"), text);
  if (difference !== "")
    throw new Error(
      `Golden file ${shown} differs ${difference}\nIf the new text is right: UPDATE_GOLDEN=1 rewrites it`,
    );
}
