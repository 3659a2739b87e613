import { type EntryVisibility, type MeshConfig, selectorMatches } from "@lateen/resources";
import type { Labels } from "./objects.ts";

/**
 * Who may see ServiceEntries of a namespace: the first policy that matches decides, else the default.
 * @see control-plane 2.9
 */
export function entryVisibility(mesh: MeshConfig, namespaceLabels: Labels): EntryVisibility {
  const config = mesh.serviceEntryVisibility;
  const policy = config?.policies.find((p) =>
    p.matchingRules.some(
      ({ namespaceSelector }) => namespaceSelector !== undefined && selectorMatches(namespaceSelector, namespaceLabels),
    ),
  );
  return (policy === undefined ? config?.defaultVisibility : policy.visibility) ?? "PUBLIC";
}

/**
 * Whether a service is its cluster's own or the whole mesh's: the first configuration whose selectors all match decides.
 * @see control-plane 7.9
 */
export function serviceScope(mesh: MeshConfig, labels: Labels, namespaceLabels: Labels): "LOCAL" | "GLOBAL" {
  const config = mesh.serviceScopeConfigs.find(
    ({ namespaceSelector: ns, servicesSelector: s }) =>
      (ns ?? s) !== undefined &&
      (ns === undefined || selectorMatches(ns, namespaceLabels)) &&
      (s === undefined || selectorMatches(s, labels)),
  );
  return config?.scope ?? "LOCAL";
}
