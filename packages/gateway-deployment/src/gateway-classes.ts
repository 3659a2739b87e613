/** What a controller makes of the Gateways of its classes (control-plane 3.4). */
export interface ClassInfo {
  readonly controller: string;
  /** Which proxy is deployed; null: none, the Gateway only gets a status. */
  readonly form: "gateway" | "waypoint" | null;
  readonly serviceType: "LoadBalancer" | "ClusterIP";
  /** Whether names end in `-<class>`. */
  readonly suffixed: boolean;
  /** Value of the label `gateway.istio.io/managed`. */
  readonly managed: string;
  /** Of GatewayClasses that we make. */
  readonly description: string;
  /** Whether listeners of ListenerSets count. */
  readonly listenerSets: boolean;
  /** Which of its Service's addresses are reported; null: both names and addresses. */
  readonly addressType: "Hostname" | "IPAddress" | null;
}

export const WAYPOINT_CONTROLLER = "istio.io/mesh-controller";
export const EAST_WEST_CONTROLLER = "istio.io/eastwest-controller";
export const REMOTE_CONTROLLER = "istio.io/unmanaged-gateway";

/** Everything about classes that an installation can set. */
export interface ClassOptions {
  /** PILOT_GATEWAY_API_CONTROLLER_NAME. */
  readonly controllerName: string;
  /** PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME. */
  readonly defaultClass: string;
  /** AMBIENT_ENABLE_MULTI_NETWORK: whether `istio-east-west` exists. */
  readonly multiNetwork: boolean;
}

export const DEFAULT_CLASS_OPTIONS: ClassOptions = {
  controllerName: "istio.io/gateway-controller",
  defaultClass: "istio",
  multiNetwork: false,
};

export interface GatewayClasses {
  /** By controller name. */
  readonly controllers: ReadonlyMap<string, ClassInfo>;
  /** Controller by name of the class, for classes that are made when missing. */
  readonly builtin: ReadonlyMap<string, string>;
}

const managedLabel = (controller: string): string => controller.replaceAll("/", "-");

/** The classes of an installation. */
export function gatewayClasses(o: ClassOptions = DEFAULT_CLASS_OPTIONS): GatewayClasses {
  const waypointLike = { form: "waypoint", suffixed: false, listenerSets: false, addressType: null } as const;
  const infos: ClassInfo[] = [
    {
      controller: o.controllerName,
      form: "gateway",
      serviceType: "LoadBalancer",
      suffixed: true,
      managed: managedLabel(o.controllerName),
      description: "Ingress and egress gateways of the mesh",
      listenerSets: true,
      addressType: "Hostname",
    },
    {
      controller: REMOTE_CONTROLLER,
      form: null,
      serviceType: "ClusterIP",
      suffixed: true,
      managed: managedLabel(REMOTE_CONTROLLER),
      description: "Gateways of other clusters: nothing is deployed or configured for them",
      listenerSets: false,
      addressType: "Hostname",
    },
    {
      ...waypointLike,
      controller: WAYPOINT_CONTROLLER,
      serviceType: "ClusterIP",
      managed: managedLabel(WAYPOINT_CONTROLLER),
      description: "Waypoints of the mesh",
    },
  ];
  const builtin = new Map([
    [o.defaultClass, o.controllerName],
    ["istio-remote", REMOTE_CONTROLLER],
    ["istio-waypoint", WAYPOINT_CONTROLLER],
  ]);
  if (o.multiNetwork) {
    infos.push({
      ...waypointLike,
      controller: EAST_WEST_CONTROLLER,
      serviceType: "LoadBalancer",
      managed: managedLabel(EAST_WEST_CONTROLLER),
      description: "Gateways between networks of the mesh",
    });
    builtin.set("istio-east-west", EAST_WEST_CONTROLLER);
  }
  return { controllers: new Map(infos.map((info) => [info.controller, info])), builtin };
}

/**
 * What a class means to us; null: another controller's, or unknown.
 * @param declared the GatewayClass of that name, when there is one; the built-in classes count without
 */
export function classInfoOf(
  classes: GatewayClasses,
  name: string,
  declared: { readonly spec: { readonly controllerName: string } } | undefined,
): ClassInfo | null {
  const controller = declared?.spec.controllerName ?? classes.builtin.get(name);
  return controller === undefined ? null : (classes.controllers.get(controller) ?? null);
}
