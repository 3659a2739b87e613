import type { Pod } from "@lateen/resources";
import type { PortMapping } from "@lateen/workload-model";
import type { NamedPort, ServiceOrigin } from "./service-info.ts";

interface Served {
  readonly origin: ServiceOrigin;
  readonly ports: readonly NamedPort[];
}

/** The TCP port that a container gives a name, where init containers that stay count too. */
function containerPort(pod: Pod, name: string): number | undefined {
  const staying = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  for (const container of [...pod.spec.containers, ...staying])
    for (const port of container.ports ?? [])
      if (port.name === name && port.protocol === "TCP") return port.containerPort;
  return undefined;
}

function mapped(ports: readonly NamedPort[], target: (p: NamedPort) => number | undefined): readonly PortMapping[] {
  return ports.flatMap((p) => {
    const targetPort = target(p);
    return targetPort === undefined ? [] : [{ servicePort: p.servicePort, targetPort }];
  });
}

/**
 * The ports of a service on a pod: a Service's named target is left out where no container has the name; a ServiceEntry's
 * port goes by its own name first.
 * @see control-plane 2.3
 */
export function podPorts({ origin, ports }: Served, pod: Pod): readonly PortMapping[] {
  if (origin.kind === "ServiceEntry")
    return mapped(ports, (p) => containerPort(pod, p.name) ?? (p.targetPort || p.servicePort));
  return mapped(ports, (p) =>
    p.targetPortName === "" ? p.targetPort || p.servicePort : containerPort(pod, p.targetPortName),
  );
}

/**
 * The ports of a service on an address that names its ports itself.
 * @see control-plane 2.6
 */
export function entryPorts({ origin, ports }: Served, own: Readonly<Record<string, number>>): readonly PortMapping[] {
  const named = (name: string): number | undefined => (Object.hasOwn(own, name) ? own[name] : undefined);
  if (origin.kind === "ServiceEntry") return mapped(ports, (p) => named(p.name) ?? (p.targetPort || p.servicePort));
  return mapped(ports, (p) =>
    p.targetPortName === "" ? (named(p.name) ?? (p.targetPort || p.servicePort)) : named(p.targetPortName),
  );
}
