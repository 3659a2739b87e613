import { describe, expect, test } from "vitest";
import { desiredPods } from "./desired-pods.ts";
import type { ManifestObject } from "./manifest-object.ts";

const namespace = (name: string, labels: Record<string, string> = {}): ManifestObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});
const container = { name: "app", image: "any", command: ["node", "echo.mjs"], args: ["8080"] };

function deployment(
  o: { replicas?: unknown; spec?: Record<string, unknown>; labels?: Record<string, string> } = {},
): ManifestObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "echo", namespace: "demo" },
    spec: {
      ...("replicas" in o ? { replicas: o.replicas } : {}),
      template: { metadata: { labels: { app: "echo", ...o.labels } }, spec: { containers: [container], ...o.spec } },
    },
  };
}
function pod(
  o: { labels?: Record<string, string>; annotations?: Record<string, string>; spec?: unknown } = {},
): ManifestObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "demo", labels: o.labels ?? {}, annotations: o.annotations ?? {} },
    spec: o.spec ?? { containers: [container] },
  };
}

describe("pods that manifests ask for", () => {
  test("a Deployment gives its replicas, each with the labels of the template", () => {
    const { pods, problems } = desiredPods([deployment({ replicas: 2 })]);
    expect(problems).toEqual([]);
    expect(pods).toHaveLength(2);
    expect(new Set(pods.map((p) => p.name)).size).toBe(2);
    for (const p of pods) {
      expect(p.name.startsWith(`${p.owner?.replicaSet ?? "?"}-`)).toBe(true);
      expect(p.owner?.replicaSet).toBe(`echo-${p.labels["pod-template-hash"] ?? "?"}`);
      expect(p.labels["app"]).toBe("echo");
      expect(p.template.containers[0]?.argv).toEqual(["node", "echo.mjs", "8080"]);
    }
  });

  test("one replica is the default", () => expect(desiredPods([deployment()]).pods).toHaveLength(1));

  test("scaling keeps the names of the pods that stay", () => {
    const names = (n: number): string[] => desiredPods([deployment({ replicas: n })]).pods.map((p) => p.name);
    expect(names(3).slice(0, 2)).toEqual(names(2));
  });

  test("a changed template gives other pods, a changed number does not", () => {
    const hash = (o: Parameters<typeof deployment>[0]): string | undefined =>
      desiredPods([deployment(o)]).pods[0]?.hash;
    expect(hash({ replicas: 1 })).toBe(hash({ replicas: 5 }));
    expect(hash({ labels: { v: "2" } })).not.toBe(hash({}));
    expect(hash({ spec: { serviceAccountName: "other" } })).not.toBe(hash({}));
  });

  test("the same pod twice is a problem of the second", () => {
    const { pods, problems } = desiredPods([pod(), pod()]);
    expect(pods).toHaveLength(1);
    expect(problems).toEqual([
      { object: "Pod demo/client", field: "metadata.name", message: "a pod demo/client exists already" },
    ]);
  });
});

describe("which pods the mesh captures", () => {
  const ambient = { "istio.io/dataplane-mode": "ambient" };
  const none = { "istio.io/dataplane-mode": "none" };
  const rows: readonly [string, Record<string, string>, Parameters<typeof pod>[0], boolean][] = [
    ["neither labelled", {}, {}, false],
    ["the namespace is ambient", ambient, {}, true],
    ["the pod is ambient", {}, { labels: ambient }, true],
    ["the pod says none in an ambient namespace", ambient, { labels: none }, false],
    ["the pod has a sidecar", ambient, { annotations: { "sidecar.istio.io/status": "{}" } }, false],
  ];
  for (const [name, labels, o, meshed] of rows)
    test(`${name}: ${meshed ? "captured" : "left alone"}`, () =>
      expect(desiredPods([namespace("demo", labels), pod(o)]).pods[0]?.meshed).toBe(meshed));

  test("a namespace written after its pods counts", () =>
    expect(desiredPods([pod(), namespace("demo", ambient)]).pods[0]?.meshed).toBe(true));
});

describe("bad templates name the field", () => {
  const rows: readonly [string, ManifestObject, string][] = [
    ["too many replicas", deployment({ replicas: 5_000 }), "spec.replicas"],
    ["replicas as text", deployment({ replicas: "two" }), "spec.replicas"],
    ["args without a command", pod({ spec: { containers: [{ name: "a", args: ["x"] }] } }), "spec.containers.0.args"],
    [
      "an env from elsewhere",
      pod({ spec: { containers: [{ name: "a", command: ["x"], env: [{ name: "A", valueFrom: {} }] }] } }),
      "spec.containers.0.env.0.valueFrom",
    ],
    [
      "a probe of an unknown port name",
      pod({ spec: { containers: [{ name: "a", command: ["x"], readinessProbe: { tcpSocket: { port: "web" } } }] } }),
      "spec.containers.0.readinessProbe",
    ],
    ["the network of the node", pod({ spec: { hostNetwork: true, containers: [container] } }), "spec.hostNetwork"],
    [
      "a template without a spec's types",
      deployment({ spec: { containers: "none" } }),
      "spec.template.spec.containers",
    ],
  ];
  for (const [name, object, field] of rows)
    test(name, () => {
      const { pods, problems } = desiredPods([object]);
      expect(pods).toEqual([]);
      expect(problems.map((p) => p.field)).toEqual([field]);
    });
});

test("a probe may name a port of its container", () => {
  const spec = {
    containers: [
      {
        name: "a",
        command: ["x"],
        ports: [{ name: "web", containerPort: 80 }],
        readinessProbe: { httpGet: { port: "web", path: "/ok" }, periodSeconds: 1 },
      },
    ],
  };
  expect(desiredPods([pod({ spec })]).pods[0]?.template.containers[0]?.readiness).toEqual({
    t: "http",
    port: 80,
    path: "/ok",
    periodMs: 1_000,
    initialDelayMs: 0,
  });
});
