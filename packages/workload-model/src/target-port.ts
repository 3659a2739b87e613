import type { ApplicationTunnel, PortMapping } from "./model.ts";

/** Whether a service is asked for by a user, or as the waypoint of another. */
export type ServiceUse = "standard" | "waypoint";

export interface PortQuestion {
  readonly use: ServiceUse;
  /** The port that was asked for. */
  readonly port: number;
  readonly servicePorts: readonly PortMapping[];
  /** The mapping that the endpoint itself gives for this service. */
  readonly endpointPorts: readonly PortMapping[];
  readonly applicationTunnel: ApplicationTunnel | null;
}

const find = (ports: readonly PortMapping[], port: number): number | null =>
  ports.find((p) => p.servicePort === port)?.targetPort ?? null;

function serves(q: PortQuestion): boolean {
  const onService = find(q.servicePorts, q.port);
  if (q.use === "waypoint") return onService !== null || q.applicationTunnel !== null;
  return onService !== null && (onService > 0 || find(q.endpointPorts, q.port) !== null);
}

/**
 * The port to dial on an endpoint for a port of its service: the endpoint's own mapping, else the service's, else, behind
 * an application tunnel with a port of its own, the port itself. Null: this endpoint does not serve that port.
 * @see dataplane 6.3
 */
export function resolveTargetPort(q: PortQuestion): number | null {
  if (!serves(q)) return null;
  const onEndpoint = find(q.endpointPorts, q.port);
  if (onEndpoint !== null && onEndpoint > 0) return onEndpoint;
  const onService = find(q.servicePorts, q.port) ?? 0;
  if (onService > 0) return onService;
  return q.applicationTunnel !== null && q.applicationTunnel.port > 0 ? q.port : null;
}
