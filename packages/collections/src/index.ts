export type { Change, Collection, Fetch, Index, IndexOf, Listener } from "./collection.ts";
export { type DeriveMany, type Derivation, Graph, type Source } from "./graph.ts";
export { equal } from "./equal.ts";
