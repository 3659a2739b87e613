import { Code, MeshError } from "@lateen/errors";
import { type MeshStatus, findPod } from "@lateen/local-mesh";
import { UsageError } from "../command.ts";
import type { SectionFilter } from "./sections.ts";

/** A ztunnel by node, by its own pod's name, or by a pod of its node. */
export function chooseNode(
  status: MeshStatus,
  o: { readonly node: string; readonly pod: string | undefined; readonly definite: boolean },
): { readonly node: string; readonly workload: SectionFilter["workload"] } {
  const names = status.nodes.map((n) => n.name);
  if (o.node !== "") {
    if (names.includes(o.node)) return { node: o.node, workload: undefined };
    throw new MeshError(Code.NoRoute, `Cannot find node "${o.node}": there are ${names.join(", ")}`);
  }
  const own = /^(?:pod\/)?ztunnel-(.*?)(?:\.istio-system)?$/.exec(o.pod ?? "")?.[1];
  if (own !== undefined && names.includes(own)) return { node: own, workload: undefined };
  if (o.pod !== undefined) {
    const pod = findPod(status.pods, o.pod);
    return { node: pod.node, workload: { name: pod.name, namespace: pod.namespace } };
  }
  const [first] = names;
  if (o.definite || first === undefined) throw new UsageError("need a pod, --node or --file: which ztunnel is meant?");
  return { node: first, workload: undefined };
}
