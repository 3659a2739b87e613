import { type GatewayClasses, gatewayClasses } from "./gateway-classes.ts";
import { DEFAULT_VALUES, type InstallValues } from "./install-values.ts";
import type { JsonMap } from "./json.ts";

/** What an installation says of all the Gateways that it runs. */
export interface DeploymentSettings {
  readonly classes: GatewayClasses;
  readonly values: InstallValues;
  /** Of this control plane; `default` has no name. */
  readonly revision: string;
  readonly clusterId: string;
  /** Of the mesh's configuration; values may override it. */
  readonly trustDomain: string;
  /** Image of a proxy for which values name no registry. */
  readonly image: string;
  /** `defaultConfig` of the mesh. */
  readonly proxyConfig: JsonMap;
  /** PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS. */
  readonly copyMetadata: boolean;
  /** Whether ServiceAccounts go with their Gateway: safe from Kubernetes 1.28 on. */
  readonly ownedAccounts: boolean;
}

export function deploymentSettings(given: Partial<DeploymentSettings> = {}): DeploymentSettings {
  return {
    classes: gatewayClasses(),
    values: DEFAULT_VALUES,
    revision: "default",
    clusterId: "Kubernetes",
    trustDomain: "cluster.local",
    image: "lateen-waypoint",
    proxyConfig: {},
    copyMetadata: true,
    ownedAccounts: true,
    ...given,
  };
}
