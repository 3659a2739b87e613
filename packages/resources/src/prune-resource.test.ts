import { expect, test } from "vitest";
import { apiKinds } from "./api-kinds.ts";
import { parseResource, schemas, type Kind } from "./parse-resource.ts";
import { pruneResource } from "./prune-resource.ts";

const metadata = {
  name: "a",
  namespace: "b",
  uid: "u",
  labels: { app: "a", "any.example/thing": "x" },
  annotations: {
    "ambient.istio.io/redirection": "enabled",
    "kubectl.kubernetes.io/last-applied-configuration": "{}",
    "example.com/notes": "long",
    plain: "x",
  },
  managedFields: [{ manager: "kubectl" }],
  resourceVersion: "7",
};
const keptMetadata = {
  name: "a",
  namespace: "b",
  uid: "u",
  labels: metadata.labels,
  annotations: { "ambient.istio.io/redirection": "enabled" },
};

test("of a pod nothing is kept that only a kubelet needs", () => {
  const container = {
    name: "c",
    image: "i",
    env: [{ name: "SECRET", value: "x" }],
    ports: [{ containerPort: 80, hostIP: "" }],
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { nodeName: "n", volumes: [{}], containers: [container], initContainers: [container], tolerations: [] },
    status: {
      phase: "Running",
      podIPs: [{ ip: "10.0.0.1" }],
      containerStatuses: [{}],
      conditions: [{ type: "Ready", status: "True", lastProbeTime: null }],
    },
  };
  const kept = { name: "c", ports: [{ containerPort: 80 }] };
  expect(pruneResource("Pod", pod)).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: keptMetadata,
    spec: { nodeName: "n", containers: [kept], initContainers: [kept] },
    status: { phase: "Running", podIPs: [{ ip: "10.0.0.1" }], conditions: [{ type: "Ready", status: "True" }] },
  });
  expect(parseResource(pruneResource("Pod", pod)).t).toBe("resource");
});

test("a field that an Istio kind does not know stays, so that it is refused", () => {
  const policy = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec: { acton: "DENY" } };
  const pruned = pruneResource("AuthorizationPolicy", policy);
  expect(pruned).toEqual({ ...policy, metadata: keptMetadata });
  expect(parseResource(pruned)).toMatchObject({ t: "invalid", problems: [{ path: ["spec", "acton"] }] });
});

test.each([null, 3, "text", [], [[[]]], { metadata: 3, spec: null }, JSON.parse('{"__proto__": {"a": 1}}') as unknown])(
  "%j is left to the schema",
  (raw) =>
    expect(pruneResource("Service", raw)).toEqual(raw === null || typeof raw !== "object" ? raw : expect.anything()),
);

test.each(Object.keys(schemas) as Kind[])("the API server's names of %s fit its schema", (kind) => {
  const { group, versions, plural } = apiKinds[kind];
  const one = kind.toLowerCase();
  expect(plural).toBe(one.endsWith("s") ? `${one}es` : /[^aeiou]y$/.test(one) ? `${one.slice(0, -1)}ies` : `${one}s`);
  for (const version of versions) {
    const apiVersion = group === "" ? version : `${group}/${version}`;
    expect(schemas[kind].shape.apiVersion.safeParse(apiVersion).success, apiVersion).toBe(true);
  }
});

test("no kind is missing", () => expect(Object.keys(apiKinds).sort()).toEqual(Object.keys(schemas).sort()));
