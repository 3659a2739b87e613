import type { Resource } from "@lateen/resources";

export type Labels = Readonly<Record<string, string>>;

interface Named {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}
interface Labelled {
  readonly metadata: { readonly labels?: Labels | null | undefined; readonly annotations?: Labels | null | undefined };
}

const NONE: Labels = {};

export const namespaceOf = (o: Named): string => o.metadata.namespace ?? "default";
/** `namespace/name`: how objects of one kind are told apart. */
export const keyOf = (o: Named): string => `${namespaceOf(o)}/${o.metadata.name}`;
export const labelsOf = (o: Labelled): Labels => o.metadata.labels ?? NONE;
export const annotationsOf = (o: Labelled): Labels => o.metadata.annotations ?? NONE;

const CLUSTER_SCOPED: ReadonlySet<string> = new Set(["Namespace", "Node", "GatewayClass"]);

/** The key of an object within its kind: `namespace/name`, or the name of kinds without a namespace. */
export function keyInKind(o: Pick<Resource, "kind" | "metadata">): string {
  return CLUSTER_SCOPED.has(o.kind) ? o.metadata.name : keyOf(o);
}

/** Orders objects by age, then by key: which of several counts does not depend on the order of their coming. */
export function compareAge(
  a: { readonly created: string; readonly key: string },
  b: { readonly created: string; readonly key: string },
): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
