import { Code, MeshError, suggest } from "@lateen/errors";
import { type MeshStatus, findPod } from "@lateen/local-mesh";
import { UsageError } from "../command.ts";
import type { SectionFilter } from "./sections.ts";

/** @returns the name @throws MeshError NO_ROUTE when the mesh has no such node */
export function checkNode(status: Pick<MeshStatus, "nodes">, node: string): string {
  const names = status.nodes.map((n) => n.name);
  if (names.includes(node)) return node;
  throw new MeshError(Code.NoRoute, `Cannot find node "${node}": ${suggest(node, names)}`);
}

/** A ztunnel by node, by its own pod's name, or by a pod of its node. */
export function chooseNode(
  status: Pick<MeshStatus, "nodes" | "pods">,
  o: { readonly node: string; readonly pod: string | undefined; readonly definite: boolean },
): { readonly node: string; readonly workload: SectionFilter["workload"] } {
  const names = status.nodes.map((n) => n.name);
  if (o.node !== "") return { node: checkNode(status, o.node), workload: undefined };
  const own = /^(?:pod\/)?ztunnel-(.*?)(?:\.istio-system)?$/.exec(o.pod ?? "")?.[1];
  if (own !== undefined && names.includes(own)) return { node: own, workload: undefined };
  if (o.pod !== undefined) {
    const pod = findPod(status.pods, o.pod);
    return { node: pod.node, workload: { name: pod.name, namespace: pod.namespace } };
  }
  const [first] = names;
  if (o.definite || first === undefined)
    throw new UsageError(`which ztunnel is meant? Name a pod, --file, or --node (there are ${names.join(", ")})`);
  return { node: first, workload: undefined };
}
