import {
  DEFAULT_CLASS_OPTIONS,
  type DeploymentPlan,
  type Overlay,
  deploymentSettings,
  gatewayClasses,
  parseInstallValues,
  planDeployment,
} from "@lateen/gateway-deployment";
import type { Gateway, GatewayClass } from "@lateen/resources";
import { object, text } from "../read-json.ts";
import { type Json, type JsonObject, type SuiteDriver, type Verdict, compare, failed } from "../suite-driver.ts";
import { readObject } from "./ambient/objects.ts";

/** Names of the environment that stand for who a proxy is: all else of it is the peer's own. */
const IDENTITY = [
  "ISTIO_META_CLUSTER_ID",
  "ISTIO_META_NETWORK",
  "ISTIO_META_REQUESTED_NETWORK_VIEW",
  "ISTIO_META_WORKLOAD_NAME",
  "ISTIO_META_OWNER",
  "ISTIO_META_MESH_ID",
  "TRUST_DOMAIN",
];
const CONTROLLER_VERSION = { "gateway.istio.io/controller-version": "5" };

export const driver: SuiteDriver = {
  suite: "gateway-deployments",
  judge({ input, expected }): Verdict {
    const wanted = object(expected);
    const plan = planOf(input);
    const claim = plan.t === "run" && plan.claim;
    const patch = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { annotations: CONTROLLER_VERSION },
    };
    const marked = compare(claim ? patch : null, wanted["gatewayPatch"] ?? null);
    if (marked.t !== "passed") return failed(plan, "the mark on the Gateway differs");
    const objects = plan.t === "run" ? plan.objects : [];
    return compareObjects(objects as unknown as readonly JsonObject[], wanted["objects"] as readonly JsonObject[]);
  },
};

function planOf(input: JsonObject): DeploymentPlan {
  const gateway = readObject(object(input["gateway"])) as Gateway;
  const { namespace } = gateway.metadata;
  const seen = input["discoveryNamespaces"] as readonly string[] | undefined;
  if (seen !== undefined && !seen.includes(namespace ?? "")) return { t: "none", why: "nobody sees its namespace" };
  const others = allObjects(input);
  const values = parseInstallValues(input["values"]);
  if (!values.ok) throw values.error;
  const maps = others.filter((o) => o["kind"] === "ConfigMap").map(overlay);
  const flag = object(input["flags"] ?? {})["PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS"];
  return planDeployment(
    {
      gateway,
      gatewayClass: others
        .filter((o) => o["kind"] === "GatewayClass")
        .map((o) => readObject(o) as GatewayClass)
        .find((c) => c.metadata.name === gateway.spec.gatewayClassName),
      classDefaults: maps.find((m) => m.defaultsFor === gateway.spec.gatewayClassName),
      configMap: (name) => maps.find((m) => m.name === name && m.namespace === namespace),
      deployment: existing(others.find((o) => o["kind"] === "Deployment")),
    },
    deploymentSettings({
      classes: gatewayClasses({ ...DEFAULT_CLASS_OPTIONS, multiNetwork: true }),
      values: values.value,
      copyMetadata: flag !== false,
    }),
  );
}

/** Everything beside the Gateway that the case puts into the cluster, wherever it names it. */
function allObjects(input: JsonObject): readonly JsonObject[] {
  const isObject = (x: Json): x is JsonObject => typeof x === "object" && x !== null && "kind" in x && "metadata" in x;
  return Object.entries(input)
    .filter(([field]) => field !== "gateway")
    .flatMap(([, value]) => (Array.isArray(value) ? (value as readonly Json[]) : [value]))
    .filter(isObject);
}

function overlay(map: JsonObject): Overlay & { readonly defaultsFor: string | undefined } {
  const { name, namespace, labels } = object(map["metadata"]);
  const label = object(labels ?? {})["gateway.istio.io/defaults-for-class"];
  return {
    name: text(name),
    namespace: text(namespace),
    data: object(map["data"] ?? {}) as Readonly<Record<string, string>>,
    defaultsFor: label === undefined ? undefined : text(label),
  };
}

function existing(deployment: JsonObject | undefined): Parameters<typeof planDeployment>[0]["deployment"] {
  if (deployment === undefined) return undefined;
  const spec = object(deployment["spec"]);
  const podLabels = object(object(spec["template"])["metadata"])["labels"];
  return {
    selector: object(object(spec["selector"])["matchLabels"]) as Readonly<Record<string, string>>,
    podLabels: (podLabels ?? {}) as Readonly<Record<string, string>>,
  };
}

function compareObjects(got: readonly JsonObject[], wanted: readonly JsonObject[]): Verdict {
  const name = (o: JsonObject): string => `${text(o["kind"])}/${text(object(o["metadata"])["name"])}`;
  const expected = new Map(wanted.map((o) => [name(o), normal(o)]));
  const made = got.map((o): readonly [string, unknown] => {
    const like = wanted.find((w) => name(w) === name(o));
    return [name(o), normal(o["kind"] === "Deployment" && like !== undefined ? reduced(o, like) : o)];
  });
  return compare(Object.fromEntries(made), Object.fromEntries(expected));
}

/** A Gateway of a case has no uid, which the peer writes in several ways; empty maps say as much as none. */
function normal(o: JsonObject): JsonObject {
  const metadata = object(o["metadata"]);
  const owners = (metadata["ownerReferences"] ?? []) as readonly JsonObject[];
  const annotations = object(metadata["annotations"] ?? {});
  return { ...o, metadata: { ...metadata, annotations, ownerReferences: owners.map((r) => ({ ...r, uid: "" })) } };
}

/** The parts of a Deployment that a case speaks of. */
function reduced(o: JsonObject, like: JsonObject): JsonObject {
  const spec = object(o["spec"]);
  const likeSpec = object(like["spec"]);
  const template = object(spec["template"]);
  const pod = object(template["spec"]);
  const likePod = object(object(likeSpec["template"])["spec"]);
  const containers = pod["containers"] as readonly JsonObject[];
  const shown = containers.map((c) => container(c, object(likePod["container"])))[0] ?? null;
  return {
    ...o,
    spec: {
      ...only(spec, Object.keys(likeSpec)),
      template: { ...template, spec: { ...only(pod, Object.keys(likePod)), container: shown } },
    },
  };
}

const only = (o: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(keys.flatMap((key) => (o[key] === undefined ? [] : [[key, o[key]]])));

function container(c: JsonObject, like: JsonObject): JsonObject {
  const { path, port, scheme } = object(object(c["readinessProbe"] ?? {})["httpGet"] ?? {});
  const names = new Set([...IDENTITY, ...Object.keys(object(like["env"] ?? {}))]);
  const env = (c["env"] as readonly JsonObject[]).flatMap((e): readonly (readonly [string, Json])[] =>
    names.has(text(e["name"])) ? [[text(e["name"]), e["value"] ?? null]] : [],
  );
  return {
    ...only(c, [...new Set([...Object.keys(like), "ports", "securityContext", "resources"])]),
    readinessProbe: { path, port, scheme } as JsonObject,
    env: Object.fromEntries(env),
  };
}
