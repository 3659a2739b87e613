import { type Gateway, type GatewayClass, namespaceOf } from "@lateen/resources";
import type { DeploymentSettings } from "./deployment-settings.ts";
import { type ClassInfo, classInfoOf } from "./gateway-classes.ts";
import {
  GATEWAY_CLASS_LABEL,
  GATEWAY_NAME_LABEL,
  type GatewayNames,
  MANAGED_LABEL,
  SERVICE_TYPE_ANNOTATION,
  type Texts,
  controllerVersion,
  gatewayNames,
  infrastructureMetadata,
  isManaged,
} from "./gateway-names.ts";
import type { JsonMap } from "./json.ts";
import { type Overlay, type OverlayProblem, applyOverlays, parametersOf } from "./overlay.ts";
import { API_VERSIONS, type GatewayOwner, type PlannedKind, type PlannedObject } from "./planned-object.ts";
import { podTemplate } from "./pod-template.ts";
import { type ListenerPort, servicePorts } from "./service-ports.ts";

export interface DeploymentInput {
  readonly gateway: Gateway;
  readonly gatewayClass: GatewayClass | undefined;
  /** Oldest of the ConfigMaps with defaults for the class. */
  readonly classDefaults: Overlay | undefined;
  /** ConfigMaps of the Gateway's namespace. */
  readonly configMap: (name: string) => Overlay | undefined;
  /** Listeners that ListenerSets add. */
  readonly moreListeners?: readonly ListenerPort[];
  /** The Deployment of that name, when there is one. */
  readonly deployment?: ExistingDeployment | undefined;
}

export interface ExistingDeployment {
  readonly selector: Texts;
  readonly podLabels: Texts;
}

export type DeploymentPlan =
  /** Not ours to run. */
  | { readonly t: "none"; readonly why: string }
  | {
      readonly t: "run";
      /** Whether the Gateway is to be marked with our controller's version. */
      readonly claim: boolean;
      /** What is to be applied; nothing when there is a problem. */
      readonly objects: readonly PlannedObject[];
      readonly problem: OverlayProblem | null;
    };

const none = (why: string): DeploymentPlan => ({ t: "none", why });

/**
 * What runs a Gateway: the objects that its namespace is to hold. They go with the Gateway, whose property they are.
 * @see control-plane 3.4
 */
export function planDeployment(input: DeploymentInput, settings: DeploymentSettings): DeploymentPlan {
  const { gateway } = input;
  const info = classInfoOf(settings.classes, gateway.spec.gatewayClassName, input.gatewayClass);
  if (info === null) return none(`class ${gateway.spec.gatewayClassName} is not ours`);
  if (info.form === null) return none(`nothing is deployed for class ${gateway.spec.gatewayClassName}`);
  if (!isManaged(gateway)) return none("its addresses point to what is run elsewhere");
  const version = controllerVersion(gateway);
  if (version === "newer") return none("a newer controller has it");
  const run = { t: "run", claim: version === "takeover" } as const;
  const overlays = overlaysFor(input);
  if ("reason" in overlays) return { ...run, objects: [], problem: overlays };
  const made = applyOverlays(objectsOf(input, info, settings), overlays.overlays);
  if ("reason" in made) return { ...run, objects: [], problem: made };
  const objects = made.objects.map((object) => finished(object, info, input.deployment));
  return { ...run, objects, problem: null };
}

function overlaysFor(input: DeploymentInput): { readonly overlays: readonly Overlay[] } | OverlayProblem {
  const overlays = input.classDefaults === undefined ? [] : [input.classDefaults];
  const parameters = parametersOf(input.gateway);
  if (parameters === null) return { overlays };
  if ("reason" in parameters) return parameters;
  const own = input.configMap(parameters.name);
  if (own !== undefined) return { overlays: [...overlays, own] };
  const at = `${namespaceOf(input.gateway)}/${parameters.name}`;
  return { reason: "InvalidParameters", message: `ConfigMap ${at} of its parametersRef does not exist` };
}

interface Parts {
  readonly input: DeploymentInput;
  readonly info: ClassInfo;
  readonly names: GatewayNames;
  readonly namespace: string;
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly settings: DeploymentSettings;
}

function objectsOf(input: DeploymentInput, info: ClassInfo, settings: DeploymentSettings): readonly PlannedObject[] {
  const { gateway } = input;
  const metadata = infrastructureMetadata(gateway, info, {
    copies: settings.copyMetadata,
    network: settings.values.global.network,
  });
  const parts = { input, info, names: gatewayNames(gateway, info), namespace: namespaceOf(gateway), settings };
  const all: Parts = { ...parts, ...metadata };
  const selector = { [GATEWAY_NAME_LABEL]: gateway.metadata.name };
  return [
    object("ServiceAccount", all, undefined),
    object("Deployment", all, {
      selector: { matchLabels: selector },
      template: podTemplate({ ...all, gateway }),
    }),
    object("Service", all, serviceSpec(all, selector)),
    object("HorizontalPodAutoscaler", all, {
      scaleTargetRef: { apiVersion: API_VERSIONS.Deployment, kind: "Deployment", name: all.names.deployment },
      maxReplicas: 1,
    }),
    object("PodDisruptionBudget", all, { selector: { matchLabels: selector } }),
  ];
}

const TRAFFIC_DISTRIBUTION = "networking.istio.io/traffic-distribution";

function object(kind: PlannedKind, p: Parts, spec: JsonMap | undefined): PlannedObject {
  const { gateway } = p.input;
  const owner: GatewayOwner = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    name: gateway.metadata.name,
    uid: gateway.metadata.uid ?? "",
  };
  const owned = kind !== "ServiceAccount" || p.settings.ownedAccounts;
  const near = kind === "Service" && p.info.form === "waypoint" ? { [TRAFFIC_DISTRIBUTION]: "PreferClose" } : {};
  return {
    apiVersion: API_VERSIONS[kind],
    kind,
    metadata: {
      name: kind === "ServiceAccount" ? p.names.serviceAccount : p.names.deployment,
      namespace: p.namespace,
      labels: {
        ...p.labels,
        [GATEWAY_NAME_LABEL]: gateway.metadata.name,
        [GATEWAY_CLASS_LABEL]: gateway.spec.gatewayClassName,
      },
      annotations: { ...near, ...p.annotations },
      ...(owned ? { ownerReferences: [owner] } : {}),
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

function serviceSpec(p: Parts, selector: Texts): JsonMap {
  const { gateway, moreListeners = [] } = p.input;
  const type = gateway.metadata.annotations?.[SERVICE_TYPE_ANNOTATION] ?? p.info.serviceType;
  const address = gateway.spec.addresses?.[0]?.value;
  return {
    ipFamilyPolicy: "PreferDualStack",
    ports: servicePorts([...gateway.spec.listeners, ...moreListeners]).map((port) => ({ ...port })),
    selector,
    ...(type === "LoadBalancer" && address !== undefined ? { loadBalancerIP: address } : {}),
    type,
  };
}

/** Selected by in releases before 1.24; a selector cannot be changed. */
const OLD_NAME_LABEL = "istio.io/gateway-name";

/** What no overlay takes away. */
function finished(o: PlannedObject, info: ClassInfo, existing: ExistingDeployment | undefined): PlannedObject {
  const labels = { ...o.metadata.labels, [MANAGED_LABEL]: info.managed };
  const marked = { ...o, metadata: { ...o.metadata, labels } };
  const old = existing?.selector[OLD_NAME_LABEL];
  if (o.kind !== "Deployment" || existing === undefined || !old) return marked;
  return withSelector(marked, existing, existing.podLabels[OLD_NAME_LABEL] ?? old);
}

function withSelector(o: PlannedObject, existing: ExistingDeployment, oldName: string): PlannedObject {
  const template = (o.spec?.["template"] ?? {}) as JsonMap;
  const metadata = (template["metadata"] ?? {}) as JsonMap;
  const labels = { ...((metadata["labels"] ?? {}) as JsonMap), [OLD_NAME_LABEL]: oldName };
  const spec = {
    ...o.spec,
    selector: { matchLabels: existing.selector },
    template: { ...template, metadata: { ...metadata, labels } },
  };
  return { ...o, spec };
}
