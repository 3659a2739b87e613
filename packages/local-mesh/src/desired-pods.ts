import { namespaceOf } from "@lateen/resources";
import { z } from "zod";
import { type ManifestObject, type PlanProblem, describeObject, withoutNulls } from "./manifest-object.ts";
import { type PodTemplate, parsePodTemplate } from "./pod-template.ts";
import { shortHash } from "./short-hash.ts";

/** The Deployment (and its ReplicaSet) behind a pod. */
export interface PodOwner {
  readonly deployment: string;
  readonly replicaSet: string;
  readonly replicas: number;
}

/** A pod that should exist. */
export interface DesiredPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owner: PodOwner | null;
  /** As written: what the mesh does not heed stays in the pod's object. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly template: PodTemplate;
  /** Changes whenever the pod would have to be made anew. */
  readonly hash: string;
  /** Whether the mesh captures it. */
  readonly meshed: boolean;
}

export interface DesiredPods {
  readonly pods: readonly DesiredPod[];
  readonly problems: readonly PlanProblem[];
}

/** More would not fit one node's block; a typing error in `replicas` must not start thousands of processes. */
export const MAX_REPLICAS = 200;

const stringMap = z.record(z.string(), z.string()).default({});
const deploymentSpec = z.object({
  replicas: z.int().min(0).max(MAX_REPLICAS).default(1),
  template: z.object({
    metadata: z.object({ labels: stringMap, annotations: stringMap }).default({ labels: {}, annotations: {} }),
    spec: z.unknown(),
  }),
});

/** `namespace/name`. */
export function podKey(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`;
}

/**
 * The pods that a folder of manifests asks for: its Pods, and the replicas of its Deployments. Pure; names are a function of
 * the content, so the same manifests give the same pods.
 */
export function desiredPods(objects: readonly ManifestObject[]): DesiredPods {
  const namespaceLabels = new Map<string, Readonly<Record<string, string>>>();
  for (const o of objects) if (o.kind === "Namespace") namespaceLabels.set(o.metadata.name, o.metadata.labels ?? {});
  const pods = new Map<string, DesiredPod>();
  const problems: PlanProblem[] = [];
  for (const o of objects) {
    const made =
      o.kind === "Pod" ? fromPod(o) : o.kind === "Deployment" ? fromDeployment(o) : { pods: [], problems: [] };
    problems.push(...made.problems);
    for (const pod of made.pods) {
      const key = podKey(pod);
      if (pods.has(key))
        problems.push({ object: describeObject(o), field: "metadata.name", message: `a pod ${key} exists already` });
      else pods.set(key, { ...pod, meshed: isEnrolled(namespaceLabels.get(pod.namespace) ?? {}, pod) });
    }
  }
  return { pods: [...pods.values()], problems };
}

const MODE_LABEL = "istio.io/dataplane-mode";

/** Which pods are captured (dataplane 1.7): by label of the pod, else of its namespace; never on the node's own network. */
export function isEnrolled(
  namespaceLabels: Readonly<Record<string, string>>,
  pod: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly template: { readonly hostNetwork: boolean };
  },
): boolean {
  if (pod.template.hostNetwork || pod.annotations["sidecar.istio.io/status"] !== undefined) return false;
  const mode = pod.labels[MODE_LABEL];
  return mode === "ambient" || (namespaceLabels[MODE_LABEL] === "ambient" && mode !== "none");
}

type Made = { readonly pods: readonly DesiredPod[]; readonly problems: readonly PlanProblem[] };

function fromPod(object: ManifestObject): Made {
  const parsed = parsePodTemplate(object.spec);
  if (!parsed.ok) return failed(object, parsed.problems, "spec");
  const labels = object.metadata.labels ?? {};
  const annotations = object.metadata.annotations ?? {};
  const pod: DesiredPod = {
    name: object.metadata.name,
    namespace: namespaceOf(object),
    labels,
    annotations,
    owner: null,
    spec: record(object.spec),
    template: parsed.template,
    hash: shortHash([labels, annotations, parsed.template], 8),
    meshed: false,
  };
  return checked(object, [pod]);
}

function fromDeployment(object: ManifestObject): Made {
  const spec = deploymentSpec.safeParse(withoutNulls(object.spec));
  if (!spec.success)
    return failed(
      object,
      spec.error.issues.map((i) => ({ field: i.path.join("."), message: i.message })),
      "spec",
    );
  const { replicas, template } = spec.data;
  const parsed = parsePodTemplate(template.spec);
  if (!parsed.ok) return failed(object, parsed.problems, "spec.template.spec");
  const { labels, annotations } = template.metadata;
  const hash = shortHash([labels, annotations, parsed.template], 8);
  const deployment = object.metadata.name;
  const replicaSet = `${deployment}-${hash}`;
  const pods = Array.from({ length: replicas }, (_, i) => ({
    name: `${replicaSet}-${shortHash([replicaSet, i], 5)}`,
    namespace: namespaceOf(object),
    labels: { ...labels, "pod-template-hash": hash },
    annotations,
    owner: { deployment, replicaSet, replicas },
    spec: record(template.spec),
    template: parsed.template,
    hash,
    meshed: false,
  }));
  return checked(object, pods);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function checked(object: ManifestObject, pods: readonly DesiredPod[]): Made {
  const [first] = pods;
  if (first?.template.hostNetwork === true)
    return failed(
      object,
      [{ field: "hostNetwork", message: "is not supported here: a pod has its own network" }],
      "spec",
    );
  return { pods, problems: [] };
}

function failed(
  object: ManifestObject,
  problems: readonly { readonly field: string; readonly message: string }[],
  under: string,
): Made {
  const name = describeObject(object);
  return {
    pods: [],
    problems: problems.map((p) => ({
      object: name,
      field: p.field === "" ? under : `${under}.${p.field}`,
      message: p.message,
    })),
  };
}
