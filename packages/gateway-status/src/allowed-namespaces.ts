import { type Gateway, type LabelSelector, selectorMatches } from "@lateen/resources";
import type { GatewayWorld, Labels } from "./gateway-world.ts";
import type { Listener } from "./status-objects.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";

/** Every Namespace carries its name as a label, also where the API server is too old to put it there. */
const withName = (name: string, labels: Labels): Labels =>
  labels[NAME_LABEL] === name ? labels : { ...labels, [NAME_LABEL]: name };

/** Whether a listener takes routes of a namespace; by default only of its own. */
export function takesRoutesOf(
  namespace: string,
  { listener, own }: { readonly listener: Listener; readonly own: string },
  namespaces: GatewayWorld["namespaces"],
): boolean {
  const { from = "Same", selector } = listener.allowedRoutes?.namespaces ?? {};
  if (from === "Same") return namespace === own;
  return from === "All" || selector === undefined || selects(selector, namespace, namespaces);
}

function selects(selector: LabelSelector, namespace: string, namespaces: GatewayWorld["namespaces"]): boolean {
  const labels = namespaces.get(namespace);
  return labels !== undefined && selectorMatches(selector, withName(namespace, labels));
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
  return allowed.selector !== undefined && selects(allowed.selector, namespace, namespaces);
}
