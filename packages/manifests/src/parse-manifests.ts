import {
  type FieldProblem,
  type Resource,
  formatPath,
  parseResource,
  resourceKey,
  standInFor,
} from "@lateen/resources";
import { validateObject } from "@lateen/validation";
import { type Problem, printable } from "./problem.ts";
import { type YamlDocument, readYaml } from "./yaml-documents.ts";

/** A valid object and where it stands. */
export interface Manifest {
  readonly resource: Resource;
  readonly file: string;
  readonly line: number;
}

export interface ParsedManifests {
  /** In the order of the text. */
  readonly objects: readonly Manifest[];
  readonly problems: readonly Problem[];
  /** Keys (`resourceKey`) of objects that are there but invalid. */
  readonly invalid: readonly string[];
  /** What holds instead of invalid ones that have no earlier state. */
  readonly standIns: readonly Manifest[];
  /** True when some of the text could not be read at all, so that nobody knows which objects it holds. */
  readonly incomplete: boolean;
}

/** Characters of one text; UTF-8 files of 1 MiB have no more. */
export const MAX_FILE_BYTES = 1_048_576;
/** Problems of one file; the rest is not listed. */
const MAX_PROBLEMS = 200;

/**
 * Reads objects from YAML or JSON of one or several documents; a List stands for its items. Every problem is reported at once,
 * at its line; what is valid beside it is returned. Never throws for any text.
 * @param file what problems call the text
 * @param o.unread `warn` of kinds that nothing here reads, whose errors harm nobody; `pass` for whoever only wants to know what is
 * right
 */
export function parseManifests(
  text: string,
  file: string,
  o: { readonly unread?: "warn" | "pass" } = {},
): ParsedManifests {
  if (text.length > MAX_FILE_BYTES) return refused(file, `is larger than ${MAX_FILE_BYTES} bytes`);
  const out: Output = {
    file,
    objects: [],
    problems: [],
    invalid: [],
    standIns: [],
    incomplete: false,
    unread: o.unread ?? "warn",
  };
  const { documents, faults } = readYaml(text);
  for (const document of documents) addDocument(out, document);
  for (const { line, column, message } of faults) {
    out.incomplete = true;
    out.problems.push({ severity: "error", file, line, column, object: "", path: "", message });
  }
  if (out.problems.length > MAX_PROBLEMS) out.problems.length = MAX_PROBLEMS;
  const { objects, problems, invalid, standIns, incomplete } = out;
  return { objects, problems, invalid, standIns, incomplete };
}

/** A file of which nothing could be read. */
export function refused(file: string, message: string): ParsedManifests {
  const problem: Problem = { severity: "error", file, line: 0, column: 0, object: "", path: "", message };
  return { objects: [], problems: [problem], invalid: [], standIns: [], incomplete: true };
}

interface Output {
  readonly file: string;
  readonly objects: Manifest[];
  readonly problems: Problem[];
  readonly invalid: string[];
  readonly standIns: Manifest[];
  incomplete: boolean;
  readonly unread: "warn" | "pass";
}

function addDocument(out: Output, document: YamlDocument): void {
  const { value, faults } = document;
  for (const fault of faults) out.problems.push({ severity: "error", file: out.file, object: "", ...fault });
  if (faults.length > 0) out.incomplete = true;
  else if (value === null || value === undefined) return;
  else if (isList(value))
    value.items.forEach((item, i) => addObject(out, { document, value: item, base: ["items", i] }));
  else addObject(out, { document, value, base: [] });
}

interface Found {
  readonly document: YamlDocument;
  readonly value: unknown;
  /** Where in the document. */
  readonly base: readonly (string | number)[];
}

function addObject(out: Output, found: Found): void {
  const { document, value, base } = found;
  const parsed = parseResource(value);
  const review = validateObject(value);
  const at = base.length === 0 ? document.start : document.place(base);
  const place = { file: out.file, line: at.line };
  if (parsed.t === "unknown-kind") {
    if (out.unread === "warn") {
      const message = printable(`nothing here reads ${parsed.kind} of ${parsed.apiVersion}`);
      out.problems.push({ severity: "warning", file: out.file, ...at, object: describe(value), path: "", message });
    }
    // Nobody heeds it, so that nothing it says can do harm.
    report(out, found, { severity: out.unread === "warn" ? "warning" : "error", problems: review.errors });
  } else if (parsed.t === "resource" && review.errors.length === 0) {
    out.objects.push({ resource: parsed.resource, ...place });
  } else {
    const key = keyOf(value);
    const standIn = standInFor(value);
    if (key === null) out.incomplete = true;
    else out.invalid.push(key);
    if (standIn !== null) out.standIns.push({ resource: standIn, ...place });
    const schema = parsed.t === "invalid" ? parsed.problems : [];
    const more = review.errors.filter((e) => !schema.some((p) => formatPath(p.path) === formatPath(e.path)));
    report(out, found, { severity: "error", problems: [...schema, ...more] });
  }
  report(out, found, { severity: "warning", problems: review.warnings });
}

function report(
  out: Output,
  { document, value, base }: Found,
  o: { readonly severity: Problem["severity"]; readonly problems: readonly FieldProblem[] },
): void {
  const object = describe(value);
  for (const { path, message } of o.problems) {
    const full = [...base, ...path];
    const { severity } = o;
    out.problems.push({ severity, file: out.file, ...document.place(full), object, path: formatPath(full), message });
  }
}

function isList(value: unknown): value is { readonly items: readonly unknown[] } {
  const { kind, apiVersion, items } = record(value);
  return typeof kind === "string" && kind.endsWith("List") && typeof apiVersion === "string" && Array.isArray(items);
}

/** What an invalid object calls itself, as far as it does. */
function describe(value: unknown): string {
  const { kind, metadata } = record(value);
  const { name, namespace } = record(metadata);
  if (typeof kind !== "string") return "";
  if (typeof name !== "string") return printable(kind.slice(0, 253));
  const where = typeof namespace === "string" ? `${namespace.slice(0, 253)}/` : "";
  return printable(`${kind.slice(0, 253)} ${where}${name.slice(0, 253)}`);
}

function keyOf(value: unknown): string | null {
  const { kind, metadata } = record(value);
  const { name, namespace } = record(metadata);
  if (typeof kind !== "string" || typeof name !== "string") return null;
  const ns = typeof namespace === "string" ? namespace : undefined;
  return resourceKey({ kind, metadata: { name, namespace: ns } } as Pick<Resource, "kind" | "metadata">);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
