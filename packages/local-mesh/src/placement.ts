import { type DesiredPod, podKey } from "./desired-pods.ts";
import type { NodePlan } from "./topology.ts";

/** A pod that exists, as the planner sees it. */
export interface PlacedPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly hash: string;
  readonly meshed: boolean;
  readonly deployment: string | null;
  readonly ready: boolean;
  /** Already on its way out. */
  readonly stopping: boolean;
}

export interface Placement {
  readonly pod: DesiredPod;
  readonly node: string;
}

export interface PodChanges {
  readonly start: readonly Placement[];
  /** Keys of pods to stop. */
  readonly stop: readonly string[];
  /** Pods that cannot be placed, and why. */
  readonly pending: readonly { readonly key: string; readonly why: string }[];
}

/**
 * What to start and stop so that `running` becomes `desired`: the scheduler and the Deployment controller of a local mesh, as
 * one function of state. A pod that changed is stopped first and started when it is gone (its name and files are its own); an
 * old replica of a Deployment stays until a new one is ready in its place.
 */
export function planPods(
  desired: readonly DesiredPod[],
  running: readonly PlacedPod[],
  nodes: readonly NodePlan[],
): PodChanges {
  const wanted = new Map(desired.map((pod) => [podKey(pod), pod]));
  const present = new Map(running.map((pod) => [podKey(pod), pod]));
  const stop = stops(wanted, running);
  const load = countLoad(running);
  const start: Placement[] = [];
  const pending: { key: string; why: string }[] = [];
  for (const pod of desired) {
    const key = podKey(pod);
    if (present.has(key)) continue;
    const node = choose(pod, nodes, load);
    if (node === null) {
      pending.push({ key, why: whyNowhere(pod) });
      continue;
    }
    start.push({ pod, node });
    addLoad(load, node, pod);
  }
  return { start, stop, pending };
}

function stops(wanted: ReadonlyMap<string, DesiredPod>, running: readonly PlacedPod[]): string[] {
  const stop: string[] = [];
  const spare = surplusAllowance(wanted, running);
  for (const pod of running) {
    if (pod.stopping) continue;
    const want = wanted.get(podKey(pod));
    if (want !== undefined) {
      if (want.hash !== pod.hash || want.meshed !== pod.meshed) stop.push(podKey(pod));
      continue;
    }
    const owner = `${pod.namespace}/${pod.deployment ?? ""}`;
    const left = pod.deployment === null || !pod.ready ? 0 : (spare.get(owner) ?? 0);
    if (left > 0) spare.set(owner, left - 1);
    else stop.push(podKey(pod));
  }
  return stop;
}

/** How many old replicas of each Deployment may still serve: as many as new ones are not ready yet. */
function surplusAllowance(wanted: ReadonlyMap<string, DesiredPod>, running: readonly PlacedPod[]): Map<string, number> {
  const ready = new Set(running.filter((p) => p.ready && !p.stopping).map(podKey));
  const allowance = new Map<string, number>();
  for (const [key, pod] of wanted) {
    if (pod.owner === null || ready.has(key)) continue;
    const owner = `${pod.namespace}/${pod.owner.deployment}`;
    allowance.set(owner, (allowance.get(owner) ?? 0) + 1);
  }
  return allowance;
}

type Load = Map<string, number>;

function countLoad(running: readonly PlacedPod[]): Load {
  const load: Load = new Map();
  for (const pod of running) addCount(load, pod.node, pod.namespace, pod.deployment);
  return load;
}

function addLoad(load: Load, node: string, pod: DesiredPod): void {
  addCount(load, node, pod.namespace, pod.owner?.deployment ?? null);
}

function addCount(load: Load, node: string, namespace: string, deployment: string | null): void {
  load.set(node, (load.get(node) ?? 0) + 1);
  if (deployment === null) return;
  const key = `${node} ${namespace}/${deployment}`;
  load.set(key, (load.get(key) ?? 0) + 1);
}

/** The node with the fewest pods of the same Deployment, then with the fewest pods, then the first. */
function choose(pod: DesiredPod, nodes: readonly NodePlan[], load: Load): string | null {
  const { nodeName, nodeSelector } = pod.template;
  const fit = nodes.filter(
    (n) => (nodeName === null || n.name === nodeName) && matchesNode(nodeSelector, nodeLabels(n)),
  );
  const owner = pod.owner === null ? null : `${pod.namespace}/${pod.owner.deployment}`;
  const weight = (n: NodePlan): number =>
    (owner === null ? 0 : (load.get(`${n.name} ${owner}`) ?? 0)) * 1_000 + (load.get(n.name) ?? 0);
  let best: NodePlan | null = null;
  for (const n of fit) if (best === null || weight(n) < weight(best)) best = n;
  return best?.name ?? null;
}

/** The labels that every node has. */
export function nodeLabels(node: NodePlan): Readonly<Record<string, string>> {
  return { "kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux", "lateen.dev/node": String(node.index) };
}

function matchesNode(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function whyNowhere(pod: DesiredPod): string {
  const { nodeName, nodeSelector } = pod.template;
  const asked = [
    ...(nodeName === null ? [] : [`spec.nodeName "${nodeName}"`]),
    ...Object.entries(nodeSelector).map(([k, v]) => `spec.nodeSelector ${k}=${v}`),
  ];
  return `no node fits ${asked.join(" and ")}`;
}
