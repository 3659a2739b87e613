import type { MeshStatus, NodeStatus, PodReport } from "./api-types.ts";
import type { BoundedLog } from "./bounded-log.ts";
import { selectedPods } from "./hosts-file.ts";
import type { MeshPods } from "./mesh-pods.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import type { ProcessStatus } from "./supervised-process.ts";
import type { NodePlan } from "./topology.ts";

/** What a status is made of. */
export interface StatusSources {
  readonly mesh: string;
  readonly manifests: string | null;
  readonly controlPlane: { readonly status: ProcessStatus | null; readonly ready: boolean };
  readonly nodes: readonly {
    readonly plan: NodePlan;
    readonly cni: ProcessStatus;
    readonly ztunnel: ProcessStatus | null;
    readonly ztunnelReady: boolean;
    readonly ztunnels: number;
    readonly problem: string | null;
  }[];
  readonly pods: MeshPods | null;
  /** Of the manifests. */
  readonly problems: readonly string[];
  readonly logs: readonly BoundedLog[];
}

const notStarted = (name: string): ProcessStatus => ({ name, state: "waiting", pid: null, restarts: 0, lastEnd: null });

export function meshStatus(s: StatusSources): MeshStatus {
  const missing = missingParts(s);
  const pods = (s.pods?.pods ?? []).filter((p) => p.stage !== "gone").map(podReport);
  const open = pods.filter((p) => !p.ready && !hasFailed(p));
  return {
    mesh: s.mesh,
    manifests: s.manifests,
    ready: missing.length === 0,
    settled: missing.length === 0 && s.pods !== null && open.length === 0,
    waitingFor: [
      ...missing,
      ...open.map((p) => `pod ${p.namespace}/${p.name}${p.problem === null ? "" : `: ${p.problem}`}`),
    ],
    controlPlane: s.controlPlane.status ?? notStarted("controlplane"),
    nodes: s.nodes.map(nodeStatus),
    pods,
    services: serviceReports(s.pods),
    problems: allProblems(s),
  };
}

function missingParts(s: StatusSources): string[] {
  const because = (p: ProcessStatus | null): string => (p?.lastEnd ? ` (${p.name} ${p.lastEnd})` : "");
  return [
    ...(s.controlPlane.ready ? [] : [`the control plane${because(s.controlPlane.status)}`]),
    ...s.nodes.flatMap((n) => [
      ...(n.problem === null ? [] : [`the CNI agent of ${n.plan.name}${because(n.cni)}`]),
      ...(n.ztunnelReady && n.ztunnels > 0 ? [] : [`ztunnel of ${n.plan.name}${because(n.ztunnel)}`]),
    ]),
  ];
}

function nodeStatus(n: StatusSources["nodes"][number]): NodeStatus {
  return {
    name: n.plan.name,
    ip: n.plan.fabric.v4,
    cni: n.cni,
    ztunnel: n.ztunnel ?? notStarted(`ztunnel-${n.plan.name}`),
    ztunnels: n.ztunnels,
    problem: n.problem,
  };
}

function podReport(p: PodRuntime): PodReport {
  return {
    namespace: p.pod.namespace,
    name: p.pod.name,
    uid: p.uid,
    deployment: p.pod.owner?.deployment ?? null,
    serviceAccount: p.pod.template.serviceAccount,
    node: p.node.name,
    ips: p.ips,
    phase: p.stage === "stopping" ? "Terminating" : p.status.phase,
    ready: p.ready,
    meshed: p.pod.meshed,
    enrolled: p.status.enrolled,
    containers: p.containers.map((c) => c.status),
    problem: p.problem,
  };
}

/** Nothing to wait for: it ended, or it ended once and is tried again. */
function hasFailed(p: PodReport): boolean {
  return (
    p.phase === "Succeeded" ||
    p.phase === "Failed" ||
    p.phase === "Terminating" ||
    p.containers.some((c) => c.restarts > 0 || c.state === "backing-off")
  );
}

function serviceReports(pods: MeshPods | null): MeshStatus["services"] {
  if (pods === null) return [];
  const ready = pods.pods.filter((p) => p.ready).map((p) => ({ namespace: p.pod.namespace, labels: p.pod.labels }));
  return pods.services.map((s) => ({
    namespace: s.namespace,
    name: s.name,
    clusterIps: s.clusterIps,
    ports: s.ports.map((p) => `${p.port}/${p.protocol}`),
    endpoints: selectedPods(s, ready).length,
  }));
}

function allProblems(s: StatusSources): readonly string[] {
  const pods = s.pods;
  const logs = s.logs.flatMap((log) =>
    log.failure === null ? [] : [`Cannot write log "${log.path}": ${log.failure}`],
  );
  if (pods === null) return [...s.problems, ...logs];
  return [
    ...s.problems,
    ...logs,
    ...pods.problems.map((p) => `${p.object}: ${p.field === "" ? "" : `${p.field}: `}${p.message}`),
    ...pods.pending.map((p) => `Pod ${p.key} cannot start: ${p.why}`),
    ...pods.failures,
  ];
}
