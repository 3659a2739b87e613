import {
  type ClassInfo,
  EAST_WEST_CONTROLLER,
  WAYPOINT_CONTROLLER,
  classInfoOf,
  parametersOf,
} from "@lateen/gateway-deployment";
import { type Gateway, namespaceOf } from "@lateen/resources";
import { takesListenersOf } from "./allowed-namespaces.ts";
import { addressesOf, programmed, reachOf, serviceNames } from "./gateway-services.ts";
import type { GatewayWorld } from "./gateway-world.ts";
import { type Conflicts, GATEWAY_ITSELF, listenerConflicts } from "./listener-conflicts.ts";
import { type JudgedListener, type ListenerContext, conflictingListener, judgeListener } from "./listener-status.ts";
import { clientCertificateFault, isInsecureFallback } from "./listener-tls.ts";
import { GATEWAY_GROUP, kindOf } from "./reference-grants.ts";
import {
  type Fault,
  type GatewayStatus,
  type ListenerStatus,
  type StatusAddress,
  type StatusCondition,
  holds,
} from "./status-conditions.ts";
import { type Listener, type ListenerSet, readGatewayTls } from "./status-objects.ts";

/** A listener that routes can be attached to. */
export interface Attachable {
  readonly kind: "Gateway" | "ListenerSet";
  /** `namespace/name` of the object that it stands in. */
  readonly key: string;
  readonly namespace: string;
  readonly listener: Listener;
  readonly port: number;
  /** Kinds of routes that it takes. */
  readonly kinds: ReadonlySet<string>;
}

/** What is made of a Gateway or a ListenerSet, but for the count of its routes. */
export interface JudgedParent {
  readonly kind: "Gateway" | "ListenerSet";
  readonly key: string;
  readonly generation: number | undefined;
  readonly status: GatewayStatus;
  readonly attachable: readonly Attachable[];
}

const HBONE_PORT = 15_008;
const ACCEPTED = { reason: "Accepted", message: "it is accepted" };

/** Everything that Gateways and ListenerSets are told of themselves; those of foreign classes are absent. */
export function judgeParents(world: GatewayWorld): readonly JudgedParent[] {
  const setsOf = new Map<string, [string, ListenerSet][]>();
  for (const [key, set] of world.listenerSets) {
    const parent = parentOf(set);
    if (parent !== null) setsOf.set(parent, [...(setsOf.get(parent) ?? []), [key, set]]);
  }
  return [...world.gateways].flatMap(([key, gateway]): readonly JudgedParent[] => {
    const { gatewayClassName } = gateway.spec;
    const info = classInfoOf(world.classes, gatewayClassName, world.gatewayClasses.get(gatewayClassName));
    if (info === null) return [];
    if (info.form === null) return [remote(key, gateway)];
    return judgeGateway({ world, info, key, gateway }, setsOf.get(key) ?? []);
  });
}

/** The Gateway of a ListenerSet; null: it is not for a Gateway. */
function parentOf({ metadata, spec: { parentRef } }: ListenerSet): string | null {
  const { group, kind } = kindOf(parentRef, { group: GATEWAY_GROUP, kind: "Gateway" });
  if (group !== GATEWAY_GROUP || kind !== "Gateway") return null;
  return `${parentRef.namespace ?? metadata.namespace}/${parentRef.name}`;
}

/** Nobody here programs it. */
function remote(key: string, gateway: Gateway): JudgedParent {
  const addresses = (gateway.spec.addresses ?? []).map(({ type, value = "" }): StatusAddress => {
    return { type: type === "Hostname" ? "Hostname" : "IPAddress", value };
  });
  const message = "it is of another cluster, and nothing here programs it";
  const conditions = [holds("Accepted", ACCEPTED, null), holds("Programmed", { reason: "Programmed", message }, null)];
  const status = { conditions, addresses, listeners: [], attachedListenerSets: null };
  return { kind: "Gateway", key, generation: gateway.metadata.generation, status, attachable: [] };
}

interface Subject {
  readonly world: GatewayWorld;
  readonly info: ClassInfo;
  readonly key: string;
  readonly gateway: Gateway;
}

function judgeGateway(s: Subject, sets: readonly (readonly [string, ListenerSet])[]): readonly JudgedParent[] {
  const { world, info, key, gateway } = s;
  const namespace = namespaceOf(gateway);
  const services = serviceNames(gateway, info, world.domain);
  const unreachable = services.hostnames.length === 0 && services.fault !== null;
  const tls = readGatewayTls(gateway.spec.tls);
  const from = { group: GATEWAY_GROUP, kind: "Gateway", namespace };
  const allowed = info.listenerSets
    ? sets.filter(([, set]) => takesListenersOf(set.metadata.namespace, gateway, world.namespaces))
    : [];
  const conflicts: Conflicts = info.listenerSets ? listenerConflicts(gateway, allowed) : new Map();
  const context: ListenerContext = { world, info, from, tls };
  const own = unreachable ? [] : judgeAll(gateway.spec.listeners, conflicts.get(GATEWAY_ITSELF), context);
  const judgedSets = sets.map(([setKey, set]) => {
    const isAllowed = allowed.some(([other]) => other === setKey);
    return judgeSet(s, { setKey, set, isAllowed, conflicts, context, services, unreachable });
  });
  const attached = judgedSets.filter((set) => set.valid);
  const ports = new Set(
    [...own, ...attached.flatMap((set) => set.listeners)].filter((l) => l.serves).map((l) => l.port),
  );
  const reach = reachOf(world, namespace, services.hostnames, ports);
  const conditions: readonly StatusCondition[] = [
    acceptedGateway(s, services.fault, own, unreachable),
    programmed(reach, services.hostnames, world.deploymentProblem(key)),
    holds(
      "ResolvedRefs",
      { reason: "ResolvedRefs", message: "everything that it refers to is there" },
      clientCertificateFault(world, tls, from),
    ),
    ...(isInsecureFallback(tls) ? [INSECURE] : []),
  ];
  const status: GatewayStatus = {
    conditions,
    addresses: addressesOf(gateway, info, reach),
    listeners: own.map((l) => l.status),
    attachedListenerSets: attached.length === 0 ? null : attached.length,
  };
  const attachable = own.flatMap((l) => attachableOf({ kind: "Gateway", key, namespace }, l, info));
  const parent: JudgedParent = { kind: "Gateway", key, generation: gateway.metadata.generation, status, attachable };
  return [parent, ...judgedSets.map((set) => set.parent)];
}

const INSECURE: StatusCondition = {
  type: "InsecureFrontendValidationMode",
  status: "True",
  reason: "ConfigurationChanged",
  message: "clients are let in although their certificates were not verified",
};

function judgeAll(
  listeners: readonly Listener[],
  conflicts: ReadonlyMap<string, "ProtocolConflict" | "HostnameConflict"> | undefined,
  context: ListenerContext,
): readonly JudgedListener[] {
  return listeners.map((listener) => {
    const conflict = conflicts?.get(listener.name);
    return conflict === undefined ? judgeListener(listener, context) : conflictingListener(listener, conflict);
  });
}

/** Routes of a waypoint are attached to services, not to its listeners. */
function attachableOf(
  at: Pick<Attachable, "kind" | "key" | "namespace">,
  { listener, port, serves, status }: JudgedListener,
  { controller }: ClassInfo,
): readonly Attachable[] {
  const isTunnel = controller === WAYPOINT_CONTROLLER || (controller === EAST_WEST_CONTROLLER && port === HBONE_PORT);
  if (!serves || isTunnel) return [];
  return [{ ...at, listener, port, kinds: new Set(status.supportedKinds.map((k) => k.kind)) }];
}

function acceptedGateway(
  { world, gateway }: Subject,
  addressFault: Fault | null,
  own: readonly JudgedListener[],
  unreachable: boolean,
): StatusCondition {
  const fault = addressFault ?? parametersFault(world, gateway);
  const reason = "ListenersNotValid";
  const valid = own.filter((l) => l.valid).length;
  if (fault !== null || unreachable || own.length === 0 || valid === own.length)
    return holds("Accepted", ACCEPTED, fault);
  if (valid === 0) return holds("Accepted", ACCEPTED, { reason, message: "none of its listeners is valid" });
  return holds("Accepted", { reason, message: "not all of its listeners are valid" }, null);
}

function parametersFault(world: GatewayWorld, gateway: Gateway): Fault | null {
  const parameters = parametersOf(gateway);
  if (parameters === null || "reason" in parameters) return parameters;
  const key = `${namespaceOf(gateway)}/${parameters.name}`;
  if (world.hasParameters(key)) return null;
  return { reason: "InvalidParameters", message: `ConfigMap ${key} of its parametersRef does not exist` };
}

interface SetSubject {
  readonly setKey: string;
  readonly set: ListenerSet;
  readonly isAllowed: boolean;
  readonly conflicts: Conflicts;
  readonly context: ListenerContext;
  readonly services: ReturnType<typeof serviceNames>;
  readonly unreachable: boolean;
}

interface JudgedSet {
  readonly parent: JudgedParent;
  readonly valid: boolean;
  readonly listeners: readonly JudgedListener[];
}

function judgeSet({ world, info, gateway }: Subject, s: SetSubject): JudgedSet {
  const { set, setKey, services } = s;
  const { generation } = set.metadata;
  const parent = (
    conditions: readonly StatusCondition[],
    listeners: readonly ListenerStatus[],
    attachable: readonly Attachable[],
  ): JudgedParent => {
    const status = { conditions, addresses: null, listeners, attachedListenerSets: null };
    return { kind: "ListenerSet", key: setKey, generation, status, attachable };
  };
  if (!s.isAllowed) {
    const message = info.listenerSets
      ? "its Gateway takes no ListenerSets of this namespace: see allowedListeners"
      : `class ${gateway.spec.gatewayClassName} takes no ListenerSets`;
    const fault = { reason: "NotAllowed", message };
    const conditions = [holds("Accepted", ACCEPTED, fault), holds("Programmed", ACCEPTED, fault)];
    return { parent: parent(conditions, [], []), valid: false, listeners: [] };
  }
  const { namespace } = set.metadata;
  const context = { ...s.context, from: { ...s.context.from, kind: "ListenerSet", namespace } };
  const listeners = s.unreachable ? [] : judgeAll(set.spec.listeners, s.conflicts.get(setKey), context);
  const valid = s.unreachable || listeners.some((l) => l.valid);
  const ports = new Set(listeners.filter((l) => l.serves).map((l) => l.port));
  const reach = reachOf(world, namespaceOf(gateway), services.hostnames, ports);
  const none: Fault | null = valid ? null : { reason: "ListenersNotValid", message: "none of its listeners is valid" };
  const ofParent =
    services.fault === null
      ? null
      : { ...services.fault, message: `its Gateway is not accepted: ${services.fault.message}` };
  const reached = programmed(reach, services.hostnames, null);
  const conditions = [
    holds("Accepted", ACCEPTED, ofParent ?? none),
    none === null ? reached : holds("Programmed", reached, none),
  ];
  const attachable = listeners.flatMap((l) => attachableOf({ kind: "ListenerSet", key: setKey, namespace }, l, info));
  const anyValid = listeners.some((l) => l.valid);
  return {
    parent: parent(
      conditions,
      listeners.map((l) => l.status),
      anyValid ? attachable : [],
    ),
    valid: anyValid,
    listeners: listeners.filter((l) => l.valid),
  };
}
