import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** Files that each file imports by a relative path. Absolute paths on both sides. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

const IMPORT = /^\s*(?:import|export)\b[^"';]*?from\s+"(\.[^"]+)"|^\s*import\s+"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm;

/** Reads the relative imports of `files`. Type imports count: what cannot be read in order cannot be understood in order. */
export function readImports(files: readonly string[]): ImportGraph {
  const graph = new Map<string, readonly string[]>();
  for (const file of files) {
    const targets = [...readFileSync(file, "utf8").matchAll(IMPORT)]
      .map((m) => path.resolve(path.dirname(file), m[1] ?? m[2] ?? m[3] ?? "."))
      .filter((target) => existsSync(target));
    graph.set(file, [...new Set(targets)]);
  }
  return graph;
}

/**
 * Import cycles, each as the files along it, the first again at its end.
 * @returns at least one cycle for each group of files that reach each other; [] when there is none
 */
export function findCycles(graph: ImportGraph): readonly (readonly string[])[] {
  const state = new Map<string, "open" | "done">();
  const cycles: string[][] = [];
  const trail: string[] = [];
  const visit = (file: string): void => {
    state.set(file, "open");
    trail.push(file);
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === "open") cycles.push([...trail.slice(trail.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    trail.pop();
    state.set(file, "done");
  };
  for (const file of graph.keys()) if (!state.has(file)) visit(file);
  return cycles;
}
