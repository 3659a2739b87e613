import type { Collection, Fetch, Graph, Index } from "@lateen/collections";
import { labelsMatch } from "@lateen/resources";
import type { Labels } from "./objects.ts";

/** Something of a namespace that selects by labels; without any it selects everything. */
export interface Selecting {
  readonly namespace: string;
  readonly selector: Labels;
}

/** The pair of a selector that it is filed under: whoever it selects carries it. */
function filedUnder({ selector }: Selecting): readonly [key: string, value: string] | null {
  const key = Object.keys(selector).sort()[0];
  return key === undefined ? null : [key, selector[key] ?? ""];
}

// Neither namespaces nor label keys hold a space, and a namespace that is none of Kubernetes' finds nothing.
const pairName = (namespace: string, key: string, value: string): string => `${namespace} ${key} ${value}`;

/**
 * Finds what selects some labels without looking at everything of the namespace: a reader depends on the few label keys that
 * selectors of the namespace use, and on what is filed under its own values of these.
 */
export class SelectorIndex<T extends Selecting> {
  readonly #pairs: Index<T>;
  readonly #keys: Collection<readonly string[]>;

  constructor(graph: Graph, of: Collection<T>) {
    this.#pairs = graph.index(of, "selector", (s) => {
      const [key, value] = filedUnder(s) ?? ["", ""];
      return [pairName(s.namespace, key, value)];
    });
    const byNamespace = graph.index(of, "namespace", (s) => [s.namespace]);
    this.#keys = graph.deriveGroups(`${of.name} label keys`, byNamespace, (all, _, namespace) => [
      [namespace, [...new Set(all.map((s) => filedUnder(s)?.[0] ?? ""))].sort()],
    ]);
  }

  /** What selects the labels in the namespace, by the key that it is filed under, then by its own. */
  matching(fetch: Fetch, namespace: string, labels: Labels): readonly T[] {
    const keys = fetch(this.#keys, namespace) ?? [];
    return keys.flatMap((key) => {
      const value = key === "" ? "" : labels[key];
      if (value === undefined) return [];
      return fetch.by(this.#pairs, pairName(namespace, key, value)).filter((s) => labelsMatch(s.selector, labels));
    });
  }
}
