import type { BlockMatch } from "./address-index.ts";
import type { Service } from "./model.ts";

/** Whether a client of that namespace may see the service; null stands for a client that may see all. */
export function isVisible(service: Service, clientNamespace: string | null): boolean {
  return service.visibility === "PUBLIC" || clientNamespace === null || service.namespace === clientNamespace;
}

/** Picks among services that share a VIP or hostname: own namespace, then canonical, then first. @see dataplane 6.1 */
export function bestService(candidates: readonly Service[], clientNamespace: string | null): Service | null {
  const visible = candidates.filter((s) => isVisible(s, clientNamespace));
  return visible.find((s) => s.namespace === clientNamespace) ?? visible.find((s) => s.canonical) ?? visible[0] ?? null;
}

function outranks(a: BlockMatch, b: BlockMatch, clientNamespace: string | null): boolean {
  const own = Number(a.service.namespace === clientNamespace) - Number(b.service.namespace === clientNamespace);
  if (own !== 0) return own > 0;
  if (a.length !== b.length) return a.length > b.length;
  return a.service.canonical && !b.service.canonical;
}

/** Picks among services whose blocks hold an address: own namespace, then longest block, then canonical, then first. */
export function bestBlock(candidates: readonly BlockMatch[], clientNamespace: string | null): Service | null {
  let best: BlockMatch | null = null;
  for (const c of candidates)
    if (isVisible(c.service, clientNamespace) && (best === null || outranks(c, best, clientNamespace))) best = c;
  return best?.service ?? null;
}
