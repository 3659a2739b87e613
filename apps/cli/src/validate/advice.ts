import type { Deployment, Resource, Service } from "@lateen/resources";
import { portProtocol } from "@lateen/translation";

/** What is not wrong and keeps the mesh from knowing something: one line for each. */
export function adviceOn(resource: Resource): readonly string[] {
  if (resource.kind === "Service") return onService(resource);
  return resource.kind === "Deployment" ? onDeployment(resource) : [];
}

function onService({ spec }: Service): readonly string[] {
  return (spec.ports ?? []).flatMap((p, i) => {
    if (p.protocol !== "TCP" || portProtocol(p) !== "Unsupported") return [];
    const named = p.name === undefined || p.name === "" ? "has no name" : `is called ${JSON.stringify(p.name)}`;
    return [`spec.ports[${i}]: ${named}, which does not say what is spoken: call it PROTOCOL-…, or set appProtocol`];
  });
}

function onDeployment({ spec }: Deployment): readonly string[] {
  const labels = spec.template.metadata?.labels ?? {};
  const missing = ["app", "version"].filter((label) => labels[label] === undefined);
  if (missing.length === 0) return [];
  return [`spec.template.metadata.labels: without ${missing.join(" and ")}, metrics tell it apart by its name only`];
}
