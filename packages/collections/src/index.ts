export type { Change, Collection, Fetch, Index, IndexOf, Listener, Source } from "./collection.ts";
export { equal } from "./equal.ts";
export type { Derivation, DeriveMany, OnDeriveError, Read } from "./derived.ts";
export { Graph, type GraphOptions, type Provenance } from "./graph.ts";
