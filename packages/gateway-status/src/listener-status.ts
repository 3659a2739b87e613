import { type ClassInfo, EAST_WEST_CONTROLLER, WAYPOINT_CONTROLLER } from "@lateen/gateway-deployment";
import type { GatewayWorld } from "./gateway-world.ts";
import type { ConflictReason } from "./listener-conflicts.ts";
import { supportedKinds } from "./listener-kinds.ts";
import { effectivePort } from "./listener-port.ts";
import { UNACCEPTABLE, tlsFault } from "./listener-tls.ts";
import type { Referrer } from "./reference-grants.ts";
import { type Fault, type ListenerStatus, type StatusCondition, holds } from "./status-conditions.ts";
import type { GatewayTls, Listener } from "./status-objects.ts";

const HBONE_PORT = 15_008;
const PROXY_PROTOCOL = "istio.io/PROXY";
const NO_ERRORS = "no errors found";
const PROTOCOLS: ReadonlySet<string> = new Set(["HTTP", "HTTPS", "TLS", "TCP", "HBONE"]);

/** What is made of one listener. */
export interface JudgedListener {
  readonly listener: Listener;
  readonly port: number;
  readonly status: ListenerStatus;
  /** Whether it counts as valid for its Gateway or ListenerSet. */
  readonly valid: boolean;
  /** Whether its port is listened on at all. */
  readonly serves: boolean;
}

export interface ListenerContext {
  readonly world: GatewayWorld;
  readonly info: ClassInfo;
  /** The object that the listener stands in. */
  readonly from: Referrer;
  readonly tls: GatewayTls | null;
}

/** A listener that lost to another one. */
export function conflictingListener(listener: Listener, reason: ConflictReason): JudgedListener {
  const fault: Fault = { reason, message: "another listener of the Gateway has its port and name" };
  const conditions = [
    holds("Accepted", fault, fault),
    { type: "Conflicted", status: "True", ...fault } as const,
    holds("Programmed", fault, fault),
  ];
  return { ...judged(listener, conditions), valid: false, serves: false };
}

/** @see control-plane 3.7, "Gateway status" */
export function judgeListener(listener: Listener, at: ListenerContext): JudgedListener {
  const port = effectivePort(listener);
  const tls = tlsFault(at.world, listener, { from: at.from, tls: at.tls, port: port ?? 0 });
  const protocol = protocolFault(listener, port, at.info);
  const needsTls = listener.tls === undefined && (listener.protocol === "HTTPS" || listener.protocol === "TLS");
  const noTls: Fault | null =
    needsTls && at.from.kind === "ListenerSet"
      ? { reason: "UnsupportedProtocol", message: `${listener.protocol} needs a section tls` }
      : null;
  const badTls: Fault | null =
    tls === null && noTls === null ? null : { reason: "Invalid", message: "its TLS configuration cannot be used" };
  const unacceptable: Fault | null =
    tls !== null && UNACCEPTABLE.has(tls.reason) ? { reason: "NoValidCACertificate", message: tls.message } : null;
  const shape = shapeFault(listener, port, at.info);
  const conditions: readonly StatusCondition[] = [
    holds("Accepted", { reason: "Accepted", message: NO_ERRORS }, noTls ?? shape ?? protocol ?? unacceptable),
    { type: "Conflicted", status: "False", reason: "NoConflicts", message: NO_ERRORS },
    holds("Programmed", { reason: "Programmed", message: NO_ERRORS }, badTls),
    holds("ResolvedRefs", { reason: "ResolvedRefs", message: NO_ERRORS }, tls),
  ];
  const valid = tls === null && protocol === null && noTls === null;
  return { ...judged(listener, conditions), valid, serves: !needsTls };
}

function judged(
  listener: Listener,
  conditions: readonly StatusCondition[],
): Pick<JudgedListener, "listener" | "port" | "status"> {
  const { kinds, allKnown } = supportedKinds(listener);
  const unknown: StatusCondition = {
    type: "ResolvedRefs",
    status: "False",
    reason: "InvalidRouteKinds",
    message: "it names kinds of routes that it cannot take",
  };
  const all = allKnown ? conditions : [...conditions.filter((c) => c.type !== "ResolvedRefs"), unknown];
  const status = { name: listener.name, attachedRoutes: 0, supportedKinds: kinds, conditions: all };
  return { listener, port: effectivePort(listener) ?? 0, status };
}

function protocolFault({ protocol }: Listener, port: number | null, info: ClassInfo): Fault | null {
  const reason = "UnsupportedProtocol";
  if (protocol === PROXY_PROTOCOL && info.controller === WAYPOINT_CONTROLLER) return null;
  if (protocol === "HBONE" && info.form !== "waypoint")
    return { reason, message: "HBONE is only for waypoints and gateways between networks" };
  if (!PROTOCOLS.has(protocol)) {
    const upper = protocol.toUpperCase();
    const hint = PROTOCOLS.has(upper) ? `: did you mean ${upper}?` : "";
    return { reason, message: `protocol ${JSON.stringify(protocol.slice(0, 100))} is not supported${hint}` };
  }
  return port === null ? { reason, message: `${protocol} needs a port` } : null;
}

/** What listeners of waypoints and of gateways between networks must look like. */
function shapeFault(listener: Listener, port: number | null, info: ClassInfo): Fault | null {
  const reason = "UnsupportedProtocol";
  const { protocol, tls } = listener;
  if (info.controller === WAYPOINT_CONTROLLER) {
    if (protocol === PROXY_PROTOCOL || (protocol === "HBONE" && port === HBONE_PORT)) return null;
    return { reason, message: `a waypoint has one listener, on port ${HBONE_PORT} with protocol HBONE` };
  }
  if (info.controller !== EAST_WEST_CONTROLLER) return null;
  const isMesh = port === HBONE_PORT && protocol === "HBONE" && tls?.mode === "Terminate";
  const passes = port !== HBONE_PORT && protocol === "TLS" && tls?.mode === "Passthrough";
  if (isMesh || passes) return null;
  const message = `listeners are port ${HBONE_PORT} with protocol HBONE and TLS mode Terminate, or protocol TLS and mode Passthrough`;
  return { reason, message };
}
