import { Code, MeshError, suggest } from "@lateen/errors";
import type { ServicePlan, ServicePort } from "./cluster-ips.ts";

/**
 * The Service that `NAME[.NAMESPACE]` stands for. The namespace may be left out while the name is one namespace's.
 * @throws MeshError NO_ROUTE when there is none, BAD_INPUT when several namespaces have one
 */
export function findService(services: readonly ServicePlan[], text: string): ServicePlan {
  const found = services.filter((s) => s.name === text || `${s.name}.${s.namespace}` === text);
  const [service] = found;
  if (service === undefined) {
    const names = services.map((s) => (text.includes(".") ? `${s.name}.${s.namespace}` : s.name));
    throw new MeshError(Code.NoRoute, `Cannot find Service "${text}": ${suggest(text, names)}`);
  }
  if (found.length === 1) return service;
  const where = found.map((s) => s.namespace).join(" and ");
  throw new MeshError(
    Code.BadInput,
    `Cannot tell which Service "${text}" is: there is one in ${where}; say ${text}.NAMESPACE`,
  );
}

/** @throws MeshError NO_ROUTE for a port that the Service has not, or not for TCP */
export function findServicePort(
  service: ServicePlan,
  port: number,
): { readonly service: ServicePlan; readonly port: ServicePort } {
  const found = service.ports.find((p) => p.port === port && p.protocol === "TCP");
  if (found !== undefined) return { service, port: found };
  const name = `${service.name}.${service.namespace}`;
  const ports = service.ports.filter((p) => p.protocol === "TCP").map((p) => p.port);
  const has = ports.length === 0 ? "it has no TCP port" : `it has no TCP port ${port}, but ${ports.join(", ")}`;
  throw new MeshError(Code.NoRoute, `Cannot reach Service "${name}": ${has}`);
}
