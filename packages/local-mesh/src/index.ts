export {
  type AddressPair,
  MAX_NODES,
  type NodePlan,
  type NodeRoute,
  type TopologyPlan,
  nextHost,
  nodeRoutes,
  planTopology,
  podAddresses,
} from "./topology.ts";
export type { ManifestObject, ObjectMeta, PlanProblem } from "./manifest-object.ts";
export type { ContainerPlan, PodTemplate, Probe, RestartPolicy } from "./pod-template.ts";
export { type DesiredPod, type DesiredPods, MAX_REPLICAS, desiredPods, isEnrolled, podKey } from "./desired-pods.ts";
export { type PlacedPod, type Placement, type PodChanges, nodeLabels, planPods } from "./placement.ts";
export { type ServicePlan, type ServicePlans, planServices } from "./cluster-ips.ts";
export { type NamedPod, hostsFile, resolvConf, selectedPods } from "./hosts-file.ts";
