export { type DeploymentSettings, deploymentSettings } from "./deployment-settings.ts";
export {
  type ClassInfo,
  type ClassOptions,
  DEFAULT_CLASS_OPTIONS,
  EAST_WEST_CONTROLLER,
  type GatewayClasses,
  REMOTE_CONTROLLER,
  WAYPOINT_CONTROLLER,
  classInfoOf,
  gatewayClasses,
} from "./gateway-classes.ts";
export {
  ACCOUNT_ANNOTATION,
  CLASS_DEFAULTS_LABEL,
  CONTROLLER_VERSION,
  GATEWAY_NAME_LABEL,
  type GatewayNames,
  MANAGED_LABEL,
  VERSION_ANNOTATION,
  gatewayNames,
  isManaged,
  isOfRevision,
} from "./gateway-names.ts";
export { DEFAULT_VALUES, type InstallValues, parseInstallValues } from "./install-values.ts";
export type { Json, JsonMap } from "./json.ts";
export { type Overlay, type OverlayProblem, parametersOf } from "./overlay.ts";
export {
  type DeploymentInput,
  type DeploymentPlan,
  type ExistingDeployment,
  planDeployment,
} from "./plan-deployment.ts";
export { API_VERSIONS, PLANNED_KINDS, type PlannedKind, type PlannedObject } from "./planned-object.ts";
export { type ListenerPort, servicePorts } from "./service-ports.ts";
export { type MergeRules, PatchError, strategicMerge } from "./strategic-merge.ts";
