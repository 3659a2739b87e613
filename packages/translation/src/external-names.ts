import type { Collection, Fetch, Graph } from "@lateen/collections";
import type { Service } from "@lateen/resources";
import { kubeHostname } from "./kube-service.ts";
import type { ModelOptions } from "./model-options.ts";
import { keyOf, namespaceOf } from "./objects.ts";
import type { ServiceInfo } from "./service-info.ts";
import type { MeshSources } from "./sources.ts";

/** A Service that is only another name. */
export interface ExternalName {
  readonly hostname: string;
  /** The host at the end of the chain of names; null when it goes in a circle. */
  readonly target: string | null;
  /** `namespace/hostname` of the mesh's service of that host, whose rules apply; null when the mesh knows none. */
  readonly service: string | null;
}

const MAX_CHAIN = 32;

/**
 * ExternalName Services as other names of their targets; none while they are opaque, as before 1.21.
 * @see control-plane 8.2
 */
export function externalNames(
  graph: Graph,
  sources: MeshSources,
  services: Collection<ServiceInfo>,
  o: ModelOptions,
): Collection<ExternalName> {
  const hostOf = (s: Service): string => kubeHostname(s.metadata.name, namespaceOf(s), o.domain);
  const aliases = graph.derive("aliases", sources.Service, (service) => {
    const alias = service.spec.type === "ExternalName" && o.behaviour.externalNames === "alias";
    return alias && service.spec.externalName
      ? { host: hostOf(service), to: withoutDot(service.spec.externalName) }
      : undefined;
  });
  const byHost = graph.index(aliases, "host", (a) => [a.host]);
  const canonical = graph.index(services, "canonical host", (i) => (i.service.canonical ? [i.service.hostname] : []));
  const end = (host: string, fetch: Fetch): string | null => {
    let at = host;
    for (let step = 0; step < MAX_CHAIN; step++) {
      const next = fetch.by(byHost, at)[0];
      if (next === undefined) return at;
      at = next.to;
    }
    return null;
  };
  return graph.deriveMany<Service, ExternalName>("external names", sources.Service, (service, fetch) => {
    if (fetch(aliases, keyOf(service)) === undefined) return [];
    const hostname = hostOf(service);
    const target = end(hostname, fetch);
    const found = target === null ? undefined : fetch.by(canonical, target)[0];
    const at = found && `${found.service.namespace}/${found.service.hostname}`;
    return [[`${namespaceOf(service)}/${hostname}`, { hostname, target, service: at ?? null }]];
  });
}

const withoutDot = (host: string): string => (host.endsWith(".") ? host.slice(0, -1) : host);
