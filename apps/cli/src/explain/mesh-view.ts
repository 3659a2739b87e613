import { Graph, type Source } from "@lateen/collections";
import { watchManifests } from "@lateen/manifests";
import { PolicyStore } from "@lateen/policy";
import type { Kind, Resources } from "@lateen/resources";
import { meshModel } from "@lateen/translation";
import { WorkloadStore } from "@lateen/workload-model";
import type { MeshView } from "./explain-connection.ts";

/** What every local mesh is started with. */
const OPTIONS = {
  clusterId: "Kubernetes",
  trustDomain: "cluster.local",
  domain: "cluster.local",
  network: "",
  rootNamespace: "istio-system",
  dryRun: false,
  httpOnlyDeny: "enforce",
} as const;

/** What the proxies of a mesh are told, from the folders that its control plane reads. */
export async function readMeshView(dirs: readonly string[]): Promise<MeshView> {
  await using watch = await watchManifests({ dirs, onChange: () => undefined });
  const graph = new Graph();
  const sources = new Map<Kind, Source<unknown>>();
  const source = <K extends Kind>(kind: K): Source<Resources[K]> => {
    const made = graph.source<Resources[K]>(kind);
    sources.set(kind, made as Source<unknown>);
    return made;
  };
  const model = meshModel(
    graph,
    {
      pods: source("Pod"),
      services: source("Service"),
      namespaces: source("Namespace"),
      nodes: source("Node"),
      authorizationPolicies: source("AuthorizationPolicy"),
      peerAuthentications: source("PeerAuthentication"),
    },
    OPTIONS,
  );
  graph.update(() => {
    for (const { resource } of watch.snapshot.resources.values()) {
      const { name, namespace = "default" } = resource.metadata;
      const clusterScoped = resource.kind === "Namespace" || resource.kind === "Node";
      sources.get(resource.kind)?.set(clusterScoped ? name : `${namespace}/${name}`, resource);
    }
  });
  const workloads = new WorkloadStore(null);
  workloads.apply({ workloads: model.workloads.values(), services: model.services.values(), removed: [] });
  const policies = new PolicyStore();
  for (const policy of model.authorizations.values()) policies.upsert(policy);
  return { workloads, policies };
}
