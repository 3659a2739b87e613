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
export { type AppProgram, appProgram } from "./app-program.ts";
export type { ManifestObject, ObjectMeta, PlanProblem } from "./manifest-object.ts";
export type { ContainerPlan, PodTemplate, Probe, RestartPolicy } from "./pod-template.ts";
export { type DesiredPod, type DesiredPods, MAX_REPLICAS, desiredPods, isEnrolled, podKey } from "./desired-pods.ts";
export { type PlacedPod, type Placement, type PodChanges, nodeLabels, planPods } from "./placement.ts";
export { type ServicePlan, type ServicePlans, planServices } from "./cluster-ips.ts";
export { type NamedPod, hostsFile, resolvConf, selectedPods } from "./hosts-file.ts";
export { type MeshFolders, meshFolders, removeRunFolder } from "./mesh-folders.ts";
export type {
  AttachRequest,
  CapturedOutput,
  DialRequest,
  ExecRequest,
  MeshStatus,
  NodeStatus,
  PodReport,
  RunRequest,
  ZtunnelUpgrade,
} from "./api-types.ts";
export type { ProcessStatus } from "./supervised-process.ts";
export type { ObjectName } from "./api-server.ts";
export { lastLines, logTail } from "./bounded-log.ts";
export type { EntryPoints } from "./components.ts";
export type { DaemonOptions } from "./daemon.ts";
export { type KeeperRecord, isMeshKept, keepMesh, keptMeshes, signalKeeper } from "./keeper.ts";
export { type AttachedCommand, type MeshClient, openMeshClient } from "./client.ts";
export { findPod } from "./find-pod.ts";
export { type Fabric, type PodNetwork, BRIDGE, FABRIC_LINK, openFabric } from "./fabric.ts";
export { type NamespaceSettings, readNamespaceSettings, whyNoUserNamespace } from "./user-namespaces.ts";
