import { type Gateway, type GatewayClass, parseResource } from "@lateen/resources";
import { describe, expect, test } from "vitest";
import { deploymentSettings } from "./deployment-settings.ts";
import { DEFAULT_CLASS_OPTIONS, gatewayClasses } from "./gateway-classes.ts";
import { isOfRevision } from "./gateway-names.ts";
import { parseInstallValues } from "./install-values.ts";
import type { JsonMap } from "./json.ts";
import type { Overlay } from "./overlay.ts";
import { type DeploymentInput, planDeployment } from "./plan-deployment.ts";
import type { PlannedKind, PlannedObject } from "./planned-object.ts";
import { servicePorts } from "./service-ports.ts";

interface Given {
  readonly className?: string;
  readonly metadata?: object;
  readonly spec?: object;
}

function gateway({ className = "istio-waypoint", metadata = {}, spec = {} }: Given = {}): Gateway {
  const parsed = parseResource({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name: "wp", namespace: "shop", uid: "u1", ...metadata },
    spec: { gatewayClassName: className, listeners: [{ name: "mesh", port: 15008, protocol: "HBONE" }], ...spec },
  });
  if (parsed.t === "resource" && parsed.resource.kind === "Gateway") return parsed.resource;
  throw new TypeError(JSON.stringify(parsed));
}

const overlay = (data: Record<string, string>, name = "options"): Overlay => ({ namespace: "shop", name, data });
const parametersRef = { group: "", kind: "ConfigMap", name: "options" };

function plan(given: Given, more: Partial<DeploymentInput> = {}, settings = deploymentSettings()) {
  const input = { gateway: gateway(given), gatewayClass: undefined, classDefaults: undefined };
  return planDeployment({ ...input, configMap: () => undefined, ...more }, settings);
}

function objects(...args: Parameters<typeof plan>): ReadonlyMap<PlannedKind, PlannedObject> {
  const made = plan(...args);
  if (made.t !== "run" || made.problem !== null) throw new TypeError(JSON.stringify(made));
  return new Map(made.objects.map((o) => [o.kind, o]));
}

const pod = (o: PlannedObject | undefined): JsonMap => (o?.spec?.["template"] as JsonMap)["spec"] as JsonMap;
const proxy = (o: PlannedObject | undefined): JsonMap => (pod(o)["containers"] as readonly JsonMap[])[0]!;

describe("what runs a Gateway", () => {
  test("a waypoint is an account, a Deployment and a Service that are its property", () => {
    const made = objects({});
    expect([...made.keys()]).toEqual(["ServiceAccount", "Deployment", "Service"]);
    for (const { metadata } of made.values()) {
      expect(metadata).toMatchObject({ name: "wp", namespace: "shop" });
      expect(metadata.labels).toMatchObject({ "gateway.istio.io/managed": "istio.io-mesh-controller" });
      expect(metadata.ownerReferences).toEqual([
        { apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", name: "wp", uid: "u1" },
      ]);
    }
    expect(made.get("Deployment")?.spec).not.toHaveProperty("replicas");
    expect(made.get("Service")?.spec).toMatchObject({ type: "ClusterIP" });
  });

  test("old clusters keep accounts, since owners of those were once deleted in the wrong order", () =>
    expect(
      objects({}, {}, deploymentSettings({ ownedAccounts: false })).get("ServiceAccount")?.metadata,
    ).not.toHaveProperty("ownerReferences"));

  const others: readonly (readonly [name: string, given: Given, why: RegExp])[] = [
    ["of a class that nobody declared", { className: "nginx" }, /nginx is not ours/],
    ["of another cluster", { className: "istio-remote" }, /nothing is deployed/],
    ["that names where it is run", { spec: { addresses: [{ type: "Hostname", value: "x" }] } }, /run elsewhere/],
    ["with several addresses", { spec: { addresses: [{ value: "1.2.3.4" }, { value: "1.2.3.5" }] } }, /run elsewhere/],
    ["of a newer controller", { metadata: { annotations: { "gateway.istio.io/controller-version": "6" } } }, /newer/],
    ["of a strange controller", { metadata: { annotations: { "gateway.istio.io/controller-version": "x" } } }, /newer/],
    ["between networks, while there is one", { className: "istio-east-west" }, /not ours/],
  ];
  test.each(others)("nothing for one %s", (_, given, why) =>
    expect(plan(given)).toEqual({ t: "none", why: expect.stringMatching(why) as string }),
  );

  test("a class of any name counts by its controller", () => {
    const spec = { controllerName: "istio.io/mesh-controller" };
    const gatewayClass = { spec, metadata: { name: "ours" } } as unknown as GatewayClass;
    expect([...objects({ className: "ours" }, { gatewayClass }).keys()]).toContain("Deployment");
  });

  test("a declared class wins over the built-in one of its name", () => {
    const gatewayClass = { spec: { controllerName: "other.example" } } as unknown as GatewayClass;
    expect(plan({}, { gatewayClass }).t).toBe("none");
  });

  test("the controller's name can be another one", () => {
    const classes = gatewayClasses({ ...DEFAULT_CLASS_OPTIONS, controllerName: "x.example/gw", defaultClass: "gw" });
    const made = objects({ className: "gw" }, {}, deploymentSettings({ classes }));
    expect(made.get("Service")?.metadata).toMatchObject({
      name: "wp-gw",
      labels: { "gateway.istio.io/managed": "x.example-gw" },
    });
  });

  test.each([
    ["is claimed when it is new", {}, true],
    ["is claimed from an older controller", { "gateway.istio.io/controller-version": "1" }, true],
    ["is not claimed twice", { "gateway.istio.io/controller-version": "5" }, false],
  ])("a Gateway %s", (_, annotations, claim) => expect(plan({ metadata: { annotations } })).toMatchObject({ claim }));

  test("sizes, secrets and places come from the installation's values", () => {
    const values = parseInstallValues({
      global: {
        hub: "registry.example",
        tag: 1.31,
        imagePullSecrets: ["key"],
        platform: "openshift",
        waypoint: { resources: { limits: { cpu: null, memory: "1Gi" } }, nodeSelector: { a: "b" } },
      },
    });
    if (!values.ok) throw values.error;
    const deployment = objects({}, {}, deploymentSettings({ values: values.value })).get("Deployment");
    expect(pod(deployment)).toMatchObject({ imagePullSecrets: [{ name: "key" }], nodeSelector: { a: "b" } });
    expect(pod(deployment)).not.toHaveProperty("affinity");
    expect(proxy(deployment)).toMatchObject({
      image: "registry.example/proxyv2:1.31",
      resources: { limits: { memory: "1Gi" } },
    });
    expect(proxy(deployment)["securityContext"]).not.toHaveProperty("runAsUser");
  });

  test("values that cannot be used are named", () => {
    const values = parseInstallValues({ global: { hub: 3, waypoint: { tolerations: "all" } } });
    expect(values.ok ? "" : values.error.message).toMatch(/global\.hub.*global\.waypoint\.tolerations/);
  });

  test("each variable of the environment stands once, whoever says it", () => {
    const proxyConfig = { proxyMetadata: { TRUST_DOMAIN: "evil", MORE: "1" } };
    const env = proxy(objects({}, {}, deploymentSettings({ proxyConfig })).get("Deployment"))["env"] as JsonMap[];
    expect(env.filter((e) => e["name"] === "TRUST_DOMAIN")).toEqual([{ name: "TRUST_DOMAIN", value: "cluster.local" }]);
    expect(env).toContainEqual({ name: "MORE", value: "1" });
  });
});

describe("overlays", () => {
  const infrastructure = { parametersRef };
  const withOverlay = (data: Record<string, string>, more: Partial<DeploymentInput> = {}) =>
    plan({ spec: { infrastructure } }, { configMap: () => overlay(data), ...more });
  const merged = (data: Record<string, string>, more: Partial<DeploymentInput> = {}) => {
    const made = withOverlay(data, more);
    if (made.t !== "run" || made.problem !== null) throw new TypeError(JSON.stringify(made));
    return new Map(made.objects.map((o) => [o.kind, o]));
  };

  test("change containers by name, and leave the rest", () => {
    const yaml = "spec: {template: {spec: {containers: [{name: istio-proxy, resources: {limits: {cpu: 4}}}]}}}";
    const container = proxy(merged({ deployment: yaml }).get("Deployment"));
    expect(container["resources"]).toMatchObject({ limits: { cpu: 4, memory: "1Gi" } });
    expect(container["ports"]).toHaveLength(3);
  });

  test("make the objects that exist only by them", () => {
    const made = merged({ horizontalPodAutoscaler: "spec: {minReplicas: 2, maxReplicas: 5}", podDisruptionBudget: "" });
    expect(made.get("HorizontalPodAutoscaler")?.spec).toEqual({
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "wp" },
      minReplicas: 2,
      maxReplicas: 5,
    });
    expect(made.get("PodDisruptionBudget")?.spec).toEqual({
      selector: { matchLabels: { "gateway.networking.k8s.io/gateway-name": "wp" } },
    });
  });

  test("of the Gateway come after those of its class", () => {
    const classDefaults = overlay({ service: "spec: {type: NodePort, externalTrafficPolicy: Local}" }, "class");
    const made = merged({ service: "spec: {type: LoadBalancer}" }, { classDefaults });
    expect(made.get("Service")?.spec).toMatchObject({ type: "LoadBalancer", externalTrafficPolicy: "Local" });
  });

  test("cannot take the mark away that the object is ours", () =>
    expect(
      merged({ service: "metadata: {labels: {gateway.istio.io/managed: null}}" }).get("Service")?.metadata.labels,
    ).toMatchObject({ "gateway.istio.io/managed": "istio.io-mesh-controller" }));

  const bad: readonly (readonly [name: string, data: Record<string, string>, message: RegExp])[] = [
    [
      "another name",
      { deployment: "metadata: {name: other}" },
      /shop\/options, deployment: must not change metadata.name/,
    ],
    ["another namespace", { service: "metadata: {namespace: kube-system}" }, /must not change metadata.namespace/],
    ["another kind", { deployment: "kind: DaemonSet" }, /must not change kind/],
    [
      "another owner",
      { service: "metadata: {ownerReferences: [{uid: x}]}" },
      /must not change metadata.ownerReferences/,
    ],
    ["finalizers", { service: "metadata: {finalizers: [x]}" }, /must not change metadata.finalizers/],
    ["no metadata", { service: "metadata: null" }, /must not change metadata/],
    ["labels that are no texts", { service: "metadata: {labels: {a: 1}}" }, /metadata.labels/],
    ["a kind that is not made", { daemonSet: "" }, /has the key "daemonSet": known are serviceAccount, deployment/],
    ["what is no YAML", { service: "{" }, /service: is no YAML/],
    ["what is no map", { service: "[]" }, /service: is no map/],
    ["too much", { service: `a: ${"x".repeat(300_000)}` }, /is longer than/],
    ["an entry without its key", { service: "spec: {ports: [{name: a}]}" }, /spec.ports: an entry has no "port"/],
  ];
  test.each(bad)("with %s make nothing, and say why", (_, data, message) =>
    expect(withOverlay(data)).toEqual({
      t: "run",
      claim: true,
      objects: [],
      problem: { reason: "InvalidParameters", message: expect.stringMatching(message) as string },
    }),
  );

  test("that do not exist make nothing", () =>
    expect(plan({ spec: { infrastructure } })).toMatchObject({
      objects: [],
      problem: { message: "ConfigMap shop/options of its parametersRef does not exist" },
    }));

  test("of another kind than ConfigMap make nothing", () =>
    expect(plan({ spec: { infrastructure: { parametersRef: { group: "x", kind: "Y", name: "z" } } } })).toMatchObject({
      objects: [],
      problem: { reason: "InvalidParameters" },
    }));
});

describe("ports of a Service", () => {
  const names = (...listeners: readonly (readonly [string, number])[]): readonly string[] =>
    servicePorts(listeners.map(([name, port]) => ({ name, port, protocol: "HTTP" }))).map((p) => p.name);
  test("each port stands once", () =>
    expect(names(["a", 80], ["b", 80], ["c", 81])).toEqual(["status-port", "a", "c"]));
  test("no two have the same name", () => {
    const long = "l".repeat(70);
    const made = names(["a.b", 80], ["a-b", 81], [`${long}1`, 82], [`${long}2`, 83], ["status-port", 84]);
    expect(new Set(made).size).toBe(6);
    expect(made.every((name) => name.length <= 63 && !name.includes("."))).toBe(true);
  });
});

test.each([
  ["unlabelled, at the default revision", {}, {}, ["default"], true],
  ["unlabelled, at another revision", {}, {}, ["canary"], false],
  ["by its own label", { "istio.io/rev": "canary" }, { "istio.io/rev": "default" }, ["canary"], true],
  ["by its namespace's label", {}, { "istio.io/rev": "canary" }, ["default"], false],
  ["by a tag", { "istio.io/rev": "prod" }, {}, ["canary", "prod"], true],
])("a Gateway is of a revision: %s", (_, labels, namespaceLabels, revisions, ours) =>
  expect(isOfRevision(gateway({ metadata: { labels } }), namespaceLabels, revisions)).toBe(ours),
);
