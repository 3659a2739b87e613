import type { ServicePlan } from "./cluster-ips.ts";

/** A pod as a hosts file and the Services see it. */
export interface NamedPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ips: readonly string[];
  readonly ready: boolean;
}

const CLUSTER_DOMAIN = "cluster.local";

/**
 * The content of a pod's `/etc/hosts`: itself, and every Service under the names by which Kubernetes' DNS has it, so that
 * names resolve with no resolver. A headless Service stands for its ready pods.
 */
export function hostsFile(
  pod: Pick<NamedPod, "name" | "namespace" | "ips">,
  services: readonly ServicePlan[],
  pods: readonly NamedPod[],
): string {
  const lines = ["# kept by lateenctl local: every change here is lost", "127.0.0.1\tlocalhost", "::1\tlocalhost"];
  for (const ip of pod.ips) lines.push(`${ip}\t${pod.name}`);
  const sorted = [...services].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  for (const service of sorted) {
    const names = serviceNames(service, pod.namespace).join(" ");
    for (const ip of addressesOf(service, pods)) lines.push(`${ip}\t${names}`);
  }
  return `${lines.join("\n")}\n`;
}

const sortKey = (s: ServicePlan): string => `${s.namespace}/${s.name}`;

function serviceNames(service: ServicePlan, from: string): readonly string[] {
  const { name, namespace } = service;
  const full = [`${name}.${namespace}.svc.${CLUSTER_DOMAIN}`, `${name}.${namespace}.svc`, `${name}.${namespace}`];
  return namespace === from ? [...full, name] : full;
}

function addressesOf(service: ServicePlan, pods: readonly NamedPod[]): readonly string[] {
  if (!service.headless) return service.clusterIps;
  return selectedPods(service, pods)
    .filter((p) => p.ready)
    .flatMap((p) => p.ips);
}

/** The pods behind a Service. One without a selector has none here: its endpoints are its author's. */
export function selectedPods<P extends Pick<NamedPod, "namespace" | "labels">>(
  service: Pick<ServicePlan, "namespace" | "selector">,
  pods: readonly P[],
): readonly P[] {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return [];
  return pods.filter((p) => p.namespace === service.namespace && wanted.every(([k, v]) => p.labels[k] === v));
}

/** The content of a pod's `/etc/resolv.conf`: no server, since nothing outside is reachable; the search list is Kubernetes'. */
export function resolvConf(namespace: string): string {
  return [
    "# kept by lateenctl local: names of Services are in /etc/hosts",
    `search ${namespace}.svc.${CLUSTER_DOMAIN} svc.${CLUSTER_DOMAIN} ${CLUSTER_DOMAIN}`,
    "options ndots:5 timeout:1 attempts:1",
    "",
  ].join("\n");
}
