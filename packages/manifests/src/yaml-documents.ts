import { formatPath } from "@lateen/resources";
import { Composer, type Document, LineCounter, Parser, isAlias, isCollection, isMap, isScalar, isSeq } from "yaml";

/** Documents of one file; the rest is not read. */
export const MAX_DOCUMENTS = 1_000;
/** Levels of maps and lists. */
export const MAX_DEPTH = 64;
/** References to anchors in one document. */
export const MAX_ALIASES = 100;

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A fault of the text itself. `path` is empty where the text has no structure. */
export interface YamlFault extends Place {
  readonly path: string;
  readonly message: string;
}

/** One document: a plain value, or why it has none. */
export interface YamlDocument {
  readonly value: unknown;
  readonly faults: readonly YamlFault[];
  readonly start: Place;
  /** Where a field stands; of a field that is not there, where the nearest thing around it stands. */
  place(path: readonly (string | number)[]): Place;
}

type Node = Document["contents"];

/** Reads YAML 1.2, of which JSON is a part, in bounded time and space. Never throws for any text. */
export function readYaml(text: string): {
  readonly documents: readonly YamlDocument[];
  readonly faults: readonly YamlFault[];
} {
  const lines = new LineCounter();
  // The library's own check of unique keys is quadratic; `check` has one that is not.
  const composer = new Composer({
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: false,
    keepSourceTokens: false,
  });
  const documents: YamlDocument[] = [];
  try {
    for (const doc of composer.compose(new Parser(lines.addNewLine).parse(text))) {
      if (documents.length >= MAX_DOCUMENTS)
        return { documents, faults: [fault(lines, doc.range[0], `has more than ${MAX_DOCUMENTS} documents`)] };
      documents.push(readDocument(doc as Document.Parsed, lines));
    }
    return { documents, faults: [] };
  } catch (error) {
    // Nesting that is too deep for the composer's recursion; it has no limit of its own.
    const message = error instanceof RangeError ? "is nested too deep" : String(error);
    return { documents, faults: [{ line: 1, column: 1, path: "", message }] };
  }
}

function readDocument(doc: Document.Parsed, lines: LineCounter): YamlDocument {
  const start = placeAt(lines, startOf(doc.contents) ?? doc.range[0]);
  const place = (path: readonly (string | number)[]): Place => placeAt(lines, locate(doc, path) ?? doc.range[0]);
  const faults = doc.errors.slice(0, 20).map((e) => fault(lines, e.pos[0], explain(e.message)));
  if (faults.length === 0) check(doc.contents, lines, faults);
  if (faults.length > 0) return { value: undefined, faults, start, place };
  try {
    return { value: doc.toJS({ maxAliasCount: MAX_ALIASES }) as unknown, faults, start, place };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { value: undefined, faults: [{ ...start, path: "", message: `cannot be read: ${message}` }], start, place };
  }
}

/** The composer recurses without a limit of its own and lists the overflow among its errors. */
const explain = (message: string): string =>
  message.startsWith("Maximum call stack") ? "is nested too deep" : `is not YAML: ${message}`;

interface Visit {
  readonly node: unknown;
  readonly path: readonly (string | number)[];
  /** Anchors of the nodes around it. */
  readonly anchors: readonly string[];
}

/** What the syntax allows and we do not: keys twice or no text, merge keys, great depth, aliases that are many or circular. */
function check(root: Node, lines: LineCounter, faults: YamlFault[]): void {
  let aliases = 0;
  const stack: Visit[] = [{ node: root, path: [], anchors: [] }];
  for (let visit = stack.pop(); visit !== undefined && faults.length < 20; visit = stack.pop()) {
    const { node, path } = visit;
    const anchors = isCollection(node) && node.anchor !== undefined ? [...visit.anchors, node.anchor] : visit.anchors;
    const report = (at: unknown, message: string): void =>
      void faults.push({ ...placeAt(lines, startOf(at) ?? 0), path: formatPath(path), message });
    if (path.length > MAX_DEPTH) return report(node, `is nested deeper than ${MAX_DEPTH} levels`);
    if (isAlias(node) && ++aliases > MAX_ALIASES) return report(node, `has more than ${MAX_ALIASES} aliases`);
    if (isAlias(node) && anchors.includes(node.source)) return report(node, "has an alias that leads back to itself");
    if (isSeq(node)) node.items.forEach((item, i) => stack.push({ node: item, path: [...path, i], anchors }));
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? key.value : key;
      if (typeof name !== "string" && typeof name !== "number") report(key, "has a key that is not text");
      else if (name === "<<") report(key, "has a merge key (<<), which is not supported");
      else if (seen.has(String(name))) report(key, `has the key ${JSON.stringify(name)} twice`);
      seen.add(String(name));
      stack.push({ node: value, path: [...path, String(name)], anchors });
    }
  }
}

function locate(doc: Document, path: readonly (string | number)[]): number | undefined {
  let node: unknown = doc.contents;
  let at = startOf(node);
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(doc);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) return at;
      at = startOf(isScalar(pair.value) ? pair.value : pair.key) ?? at;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number" && step < node.items.length) {
      node = node.items[step];
      at = startOf(node) ?? at;
    } else return at;
  }
  return at;
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === "number" ? start : undefined;
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function fault(lines: LineCounter, offset: number, message: string): YamlFault {
  return { ...placeAt(lines, offset), path: "", message };
}
