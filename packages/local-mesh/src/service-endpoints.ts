import type { ServicePlan, ServicePort } from "./cluster-ips.ts";
import { type NamedPod, selectedPods } from "./hosts-file.ts";

/** A pod as a Service sends traffic to it. */
export interface ServingPod extends NamedPod {
  /** Its spec as written: named ports stand there. */
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where one port of a Service leads, pod by pod. */
export interface ServiceEndpoint {
  readonly pod: ServingPod;
  readonly port: number;
}

/** The ready pods behind one port of a Service. A pod that has no port of the name asked for is none. */
export function endpointsOf(
  service: ServicePlan,
  port: ServicePort,
  pods: readonly ServingPod[],
): readonly ServiceEndpoint[] {
  return selectedPods(service, pods)
    .filter((p) => p.ready)
    .flatMap((pod) => {
      const target = typeof port.targetPort === "number" ? port.targetPort : namedPort(pod.spec, port.targetPort);
      return target === null ? [] : [{ pod, port: target }];
    });
}

function namedPort(spec: Readonly<Record<string, unknown>>, name: string): number | null {
  for (const container of listOf(spec["containers"]))
    for (const port of listOf(container["ports"]))
      if (port["name"] === name && typeof port["containerPort"] === "number") return port["containerPort"];
  return null;
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? (value as readonly Readonly<Record<string, unknown>>[]) : [];
}
