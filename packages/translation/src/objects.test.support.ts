import type { Workload } from "@lateen/workload-model";
import type { Rig } from "./mesh.test.support.ts";

type Extra = Readonly<Record<string, unknown>>;

// Small builders of whole objects; tests vary one field of them.

export const namespace = (name: string, labels: object = {}, annotations: object = {}): object => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels, annotations },
});

export const pod = (
  name: string,
  o: {
    readonly labels?: object;
    readonly ip?: string;
    readonly metadata?: Extra;
    readonly spec?: Extra;
    readonly status?: Extra;
  } = {},
): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name, ...o.labels }, ...o.metadata },
  spec: { containers: [{ name: "main", ports: [{ name: "web", containerPort: 8080 }] }], ...o.spec },
  status: {
    phase: "Running",
    podIP: o.ip ?? "10.0.0.1",
    conditions: [{ type: "Ready", status: "True" }],
    ...o.status,
  },
});

export const service = (name: string, o: { readonly metadata?: Extra; readonly spec?: Extra } = {}): object => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "shop", ...o.metadata },
  spec: {
    clusterIP: "10.96.0.1",
    selector: { app: name },
    ports: [{ name: "http", port: 80, targetPort: 8080 }],
    ...o.spec,
  },
});

export const serviceEntry = (name: string, spec: Extra, metadata: Extra = {}): object => ({
  apiVersion: "networking.istio.io/v1",
  kind: "ServiceEntry",
  metadata: { name, namespace: "shop", ...metadata },
  spec: { hosts: ["a.example.com"], ports: [{ number: 80, name: "http" }], ...spec },
});

export const workloadEntry = (name: string, spec: Extra, metadata: Extra = {}): object => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: { name, namespace: "shop", ...metadata },
  spec,
});

export const waypoint = (
  name: string,
  o: { readonly for?: string; readonly from?: string; readonly namespace?: string; readonly ready?: boolean } = {},
): object => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { name, namespace: o.namespace ?? "shop", labels: { "istio.io/waypoint-for": o.for ?? "service" } },
  spec: {
    gatewayClassName: "istio-waypoint",
    listeners: [
      { name: "mesh", port: 15_008, protocol: "HBONE", allowedRoutes: { namespaces: { from: o.from ?? "Same" } } },
    ],
  },
  status: o.ready === false ? {} : { addresses: [{ type: "Hostname", value: `${name}.example` }] },
});

export const policy = (name: string, spec: Extra, metadata: Extra = {}): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name, namespace: "shop", ...metadata },
  spec,
});

/** Ports of each service on a workload, as `service port → target`. */
export function portsOf(w: Workload | undefined): readonly string[] {
  return [...(w?.services ?? [])].flatMap(([key, ports]) =>
    ports.map((p) => `${key.split("/")[1]?.split(".")[0] ?? ""} ${p.servicePort} → ${p.targetPort}`),
  );
}

/** The condition of that type, in short. */
export function condition(r: Rig, object: string, type: string): string | undefined {
  const found = r.model.conditions.get(object)?.conditions.find((c) => c.type === type);
  return found && `${found.status} ${found.reason}`;
}

/** Names of everything that is told to proxies for the change. */
export function toldBy(r: Rig, change: () => void): readonly string[] {
  const told = new Set<string>();
  const hear = (changes: readonly { readonly key: string }[]): void => changes.forEach((c) => void told.add(c.key));
  const { workloads, services, authorizations } = r.model;
  const heard = [workloads.subscribe(hear), services.subscribe(hear), authorizations.subscribe(hear)];
  told.clear();
  change();
  for (const h of heard) h[Symbol.dispose]();
  return [...told].sort();
}
