import { type Gateway, type LabelSelector, selectorMatches } from "@lateen/resources";
import type { GatewayWorld, Labels } from "./gateway-world.ts";
import type { Listener } from "./status-objects.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";

/** Every Namespace carries its name as a label, also where the API server is too old to put it there. */
const withName = (name: string, labels: Labels): Labels => ({ ...labels, [NAME_LABEL]: name });

/** Namespaces whose routes a listener takes. */
export type RouteNamespaces = { readonly t: "all" } | { readonly t: "some"; readonly names: ReadonlySet<string> };

export function routeNamespaces(
  listener: Listener,
  own: string,
  namespaces: GatewayWorld["namespaces"],
): RouteNamespaces {
  const { from = "Same", selector } = listener.allowedRoutes?.namespaces ?? {};
  if (from === "Same") return { t: "some", names: new Set([own]) };
  if (from === "All" || selector == null) return { t: "all" };
  return { t: "some", names: new Set(matching(selector, namespaces)) };
}

/** The API server has judged the selector by the type of the field. */
function matching(selector: unknown, namespaces: GatewayWorld["namespaces"]): readonly string[] {
  return [...namespaces].flatMap(([name, labels]) =>
    selectorMatches(selector as LabelSelector, withName(name, labels)) ? [name] : [],
  );
}

/** Whether a Gateway takes ListenerSets of a namespace; by default of none. */
export function takesListenersOf(
  namespace: string,
  { metadata, spec }: Gateway,
  namespaces: GatewayWorld["namespaces"],
): boolean {
  const allowed = spec.allowedListeners?.namespaces;
  if (allowed === undefined) return false;
  if (allowed.from === "All") return true;
  if (allowed.from === "Same") return namespace === (metadata.namespace ?? "default");
  if (allowed.from !== undefined && allowed.from !== "Selector") return false;
  const labels = namespaces.get(namespace);
  return (
    allowed.selector !== undefined &&
    labels !== undefined &&
    matching(allowed.selector, new Map([[namespace, labels]])).length > 0
  );
}
