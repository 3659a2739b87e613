import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Kind,
  type Resource,
  formatPath,
  labelsMatch,
  namespaceOf,
  parseResource,
  resourceKey,
  schemas,
  selectorMatches,
} from "./index.ts";

type Tree = Readonly<Record<string, unknown>>;

const podSpec = { containers: [{ name: "main", ports: [{ containerPort: 80 }] }] };
const rule = {
  from: [{ source: { principals: ["cluster.local/ns/a/sa/b"], notNamespaces: ["x*"] } }],
  to: [{ operation: { ports: ["80"], notMethods: ["GET"] } }],
  when: [{ key: "source.ip", values: ["10.0.0.0/8"] }],
};
/** One valid object of each kind. */
const good: Readonly<Record<Kind, Tree>> = {
  Namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } },
  ServiceAccount: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "a" } },
  Pod: { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec: podSpec },
  Service: {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "a" },
    spec: { selector: { app: "a" }, ports: [{ port: 80, targetPort: "http" }] },
  },
  Node: { apiVersion: "v1", kind: "Node", metadata: { name: "a" } },
  Deployment: {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a" },
    spec: {
      selector: { matchLabels: { app: "a" } },
      template: { metadata: { labels: { app: "a", v: "1" } }, spec: podSpec },
    },
  },
  AuthorizationPolicy: {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "a" },
    spec: { selector: { matchLabels: { app: "a" } }, action: "DENY", rules: [rule] },
  },
  PeerAuthentication: {
    apiVersion: "security.istio.io/v1beta1",
    kind: "PeerAuthentication",
    metadata: { name: "a" },
    spec: {
      selector: { matchLabels: { app: "a" } },
      mtls: { mode: "STRICT" },
      portLevelMtls: { "80": { mode: "DISABLE" } },
    },
  },
  EndpointSlice: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "a" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true }, targetRef: { kind: "Pod", name: "a" } }],
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
  },
  ServiceEntry: {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: "a" },
    spec: {
      hosts: ["a.example.com", "*.b.example.com"],
      addresses: ["10.0.0.0/24"],
      ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      resolution: "STATIC",
      endpoints: [{ address: "10.0.0.1", ports: { http: 8080 } }],
    },
  },
  WorkloadEntry: {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "WorkloadEntry",
    metadata: { name: "a" },
    spec: { address: "10.0.0.1", weight: 2, labels: { app: "a" } },
  },
  Gateway: {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name: "a" },
    spec: { gatewayClassName: "istio-waypoint", listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
    status: { addresses: [{ type: "IPAddress", value: "10.0.0.1" }] },
  },
  GatewayClass: {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name: "a" },
    spec: { controllerName: "istio.io/mesh-controller" },
  },
};

type Path = readonly (string | number)[];
/** A copy with a value put at a path; undefined takes it away. */
function put(tree: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === "number") {
    const copy: unknown[] = Array.isArray(tree) ? [...(tree as unknown[])] : [];
    copy[step] = put(copy[step], rest, value);
    return copy;
  }
  return { ...(tree as Tree | undefined), [step]: put((tree as Tree | undefined)?.[step], rest, value) };
}

function told(value: unknown): readonly string[] {
  const parsed = parseResource(value);
  return parsed.t === "invalid" ? parsed.problems.map((p) => `${formatPath(p.path)}: ${p.message}`) : [`(${parsed.t})`];
}

const kinds = Object.keys(schemas) as Kind[];

describe("valid objects", () => {
  test.each(kinds)("%s", (kind) => {
    expect(parseResource(good[kind])).toMatchObject({ t: "resource", resource: good[kind] });
  });

  test("get the defaults of the API server", () => {
    const service = parseResource(put(good.Service, ["spec", "ports"], [{ port: 80 }]));
    expect(service).toMatchObject({ resource: { spec: { type: "ClusterIP", ports: [{ protocol: "TCP" }] } } });
    expect(parseResource(put(good.Deployment, ["spec", "replicas"], undefined))).toMatchObject({
      resource: { spec: { replicas: 1 } },
    });
    expect(parseResource(put(good.PeerAuthentication, ["spec"], { mtls: {} }))).toMatchObject({
      resource: { spec: { mtls: { mode: "UNSET" } } },
    });
  });

  test.each([undefined, null, {}])("a policy whose spec is %s allows nobody", (spec) => {
    expect(parseResource(put(good.AuthorizationPolicy, ["spec"], spec))).toMatchObject({
      t: "resource",
      resource: { spec: { action: "ALLOW" } },
    });
  });

  test("fields that are null count as absent", () => {
    const nulls = { labels: null, annotations: null, creationTimestamp: null, ownerReferences: null };
    const parsed = parseResource({ ...good.Pod, metadata: { name: "a", ...nulls }, status: null });
    expect(parsed).toMatchObject({ t: "resource", resource: { metadata: { name: "a" } } });
  });
});

describe("invalid objects say which field", () => {
  const ports = ["spec", "rules", 0, "to", 0, "operation", "ports"] as const;
  const source = ["spec", "rules", 0, "from", 0, "source"] as const;
  const when = ["spec", "rules", 0, "when", 0] as const;
  const container = ["spec", "containers", 0] as const;
  test.each<[Kind, Path, unknown, RegExp]>([
    ["Namespace", ["metadata", "name"], "Shop", /must be lower-case/],
    ["Namespace", ["metadata", "name"], "a.b", /must be lower-case/],
    ["Namespace", ["metadata", "name"], "a".repeat(64), /63/],
    ["Namespace", ["metadata", "name"], 7, /must be a string, not 7$/],
    ["Namespace", ["metadata", "labels", "x"], "a\nb", /is not a label value/],
    ["Namespace", ["metadata", "labels", "x"], "a\n", /is not a label value/],
    ["Namespace", ["metadata", "labels", "x"], "a".repeat(64), /63 characters/],
    ["Namespace", ["metadata", "labels", "x"], true, /must be a string, not a boolean$/],
    ["Namespace", ["metadata", "labels", "a\nb"], "x", /./],
    ["Namespace", ["metadata", "annotations", "x"], 1, /must be a string, not 1$/],
    ["ServiceAccount", ["metadata", "namespace"], "a/b", /must be lower-case/],
    ["Pod", ["spec", "containers"], [], /needs a container/],
    ["Pod", [...container, "name"], "", /must not be empty/],
    ["Pod", [...container, "ports", 0, "containerPort"], 0, /is not a port/],
    ["Pod", [...container, "ports", 0, "containerPort"], "80", /must be a number, not a string$/],
    ["Pod", [...container, "command"], "sh", /must be a list, not a string$/],
    ["Pod", ["spec", "serviceAccountName"], "A", /lower-case/],
    ["Pod", ["status", "phase"], "running", /./],
    ["Pod", ["status", "conditions", 0], { type: "Ready", status: "yes" }, /./],
    ["Service", ["spec", "ports", 0, "port"], 65_536, /is not a port/],
    ["Service", ["spec", "ports", 0, "port"], 1.5, /must be a whole number, not 1.5$/],
    ["Service", ["spec", "ports", 0, "protocol"], "tcp", /./],
    ["Service", ["spec", "ports"], [{ port: 1 }, { port: 2 }], /every port needs a name/],
    ["Service", ["spec", "type"], "Cluster", /must be one of .*ClusterIP/],
    ["Service", ["spec", "selector", "a b"], "x", /./],
    ["Node", ["metadata", "name"], "-a", /lower-case/],
    ["Deployment", ["spec", "replicas"], -1, /at least 0$/],
    ["Deployment", ["spec", "replicas"], 1e9, /at most 10000$/],
    ["Deployment", ["spec", "selector"], { matchLabels: { app: "b" } }, /does not match the labels/],
    ["Deployment", ["spec", "selector", "matchExpressions", 0], { key: "a", operator: "In" }, /need values/],
    ["Deployment", ["spec", "template", "spec", "containers"], [], /needs a container/],
    ["EndpointSlice", ["addressType"], "IPv5", /./],
    ["EndpointSlice", ["endpoints", 0, "addresses"], "10.0.0.1", /must be a list, not a string$/],
    ["EndpointSlice", ["ports", 0, "port"], 0, /is not a port/],
    ["ServiceEntry", ["spec", "hosts"], [], /needs a host/],
    ["ServiceEntry", ["spec", "hosts", 0], "*", /cannot be wildcard/],
    ["ServiceEntry", ["spec", "hosts", 0], "a/b", /is not a host name/],
    ["ServiceEntry", ["spec", "hosts", 0], "a\nb", /is not a host name/],
    ["ServiceEntry", ["spec", "addresses", 0], "10.0.0.0/33", /is not an IP address or block/],
    ["ServiceEntry", ["spec", "ports", 1], { number: 80, name: "again" }, /cannot be duplicated/],
    ["ServiceEntry", ["spec", "ports", 1], { number: 81, name: "http" }, /name stands twice/],
    ["ServiceEntry", ["spec", "resolution"], "MAGIC", /./],
    ["ServiceEntry", ["spec", "endpoints", 0, "address"], "unix://relative", /absolute path/],
    ["WorkloadEntry", ["spec", "weight"], -1, /at least 0$/],
    ["WorkloadEntry", ["spec", "ports", "http"], 70_000, /port must be between/],
    ["Gateway", ["spec", "listeners", 0, "port"], 0, /is not a port/],
    ["Gateway", ["spec", "gatewayClassName"], undefined, /is missing$/],
    ["GatewayClass", ["spec"], undefined, /is missing$/],
    ["AuthorizationPolicy", ["spec", "action"], "allow", /one of ALLOW, .*; did you mean ALLOW\?$/],
    ["AuthorizationPolicy", ["spec", "rules", 0, "from"], [], /must not be empty/],
    ["AuthorizationPolicy", ["spec", "rules", 0, "from", 0], {}, /./],
    ["AuthorizationPolicy", source, {}, /would match everyone/],
    ["AuthorizationPolicy", [...source, "principals", 0], "", /must not be empty/],
    ["AuthorizationPolicy", [...source, "trustDomains"], ["a*b"], /"a\*b" may hold one/],
    ["AuthorizationPolicy", [...source, "ipBlocks"], ["10.0.0.0/33"], /"10\.0\.0\.0\/33" is not an IP/],
    ["AuthorizationPolicy", source, { serviceAccounts: ["a/b/c"] }, /is not a service account/],
    ["AuthorizationPolicy", source, { serviceAccounts: ["a"], namespaces: ["b"] }, /Cannot set serviceAccounts with/],
    ["AuthorizationPolicy", [...ports, 0], "abc", /"abc" is not a port/],
    ["AuthorizationPolicy", [...ports, 0], "70000", /is not a port/],
    ["AuthorizationPolicy", [...ports, 0], 80, /./],
    ["AuthorizationPolicy", [...when, "key"], "source.host", /is not a known condition/],
    ["AuthorizationPolicy", when, { key: "source.ip" }, /needs values or notValues/],
    ["AuthorizationPolicy", [...when, "values", 0], "nowhere", /source\.ip: "nowhere" is not an IP/],
    [
      "AuthorizationPolicy",
      when,
      { key: "destination.port", notValues: ["x"] },
      /destination\.port: "x" is not a port/,
    ],
    [
      "AuthorizationPolicy",
      ["spec", "targetRef"],
      { kind: "Service", name: "a" },
      /only one of targetRefs or selector/,
    ],
    ["AuthorizationPolicy", ["spec", "action"], "CUSTOM", /needs a provider/],
    ["AuthorizationPolicy", ["spec", "provider"], { name: "a" }, /nothing else takes one/],
    ["AuthorizationPolicy", ["metadata", "annotations"], { "istio.io/dry-run": "maybe" }, /must be true or false/],
    ["PeerAuthentication", ["spec", "mtls", "mode"], "strict", /did you mean STRICT\?$/],
    ["PeerAuthentication", ["spec", "portLevelMtls"], { http: { mode: "STRICT" } }, /./],
    ["PeerAuthentication", ["spec", "portLevelMtls"], {}, /must not be empty/],
    ["PeerAuthentication", ["spec", "selector"], undefined, /requires selector/],
  ])("%s %j = %j", (kind, path, value, message) => {
    const lines = told(put(good[kind], path, value));
    expect(lines.join("\n")).toMatch(message);
    // The place is the field, something in it, or the object around it that contradicts itself.
    const near = formatPath(path.slice(0, 2));
    expect(lines.every((line) => line.startsWith(near.split(".")[0] ?? ""))).toBe(true);
    expect(lines).not.toContain("(resource)");
  });

  test("all at once, each exactly", () => {
    const bad = put(put(good.AuthorizationPolicy, [...ports], ["1", "x"]), ["spec", "rules", 0, "form"], []);
    expect(told(put(bad, ["metadata", "name"], "A"))).toEqual([
      "metadata.name: must be lower-case letters, digits, '-' or '.', as in DNS",
      'spec.rules[0].to[0].operation.ports[1]: "x" is not a port',
      "spec.rules[0].form: is not a known field",
    ]);
  });

  test("at most fifty, and how many more", () => {
    const lines = told(
      put(
        good.AuthorizationPolicy,
        [...ports],
        Array.from({ length: 500 }, () => "x"),
      ),
    );
    expect([lines.length, lines.at(-1)]).toEqual([51, ": and 450 more problems"]);
  });
});

describe("fields that nobody knows", () => {
  const places: Readonly<Partial<Record<Kind, readonly Path[]>>> = {
    AuthorizationPolicy: [
      [],
      ["spec"],
      ["spec", "selector"],
      ["spec", "rules", 0],
      ["spec", "rules", 0, "from", 0, "source"],
    ],
    PeerAuthentication: [[], ["spec"], ["spec", "mtls"], ["spec", "selector"], ["spec", "portLevelMtls", "80"]],
    ServiceEntry: [[], ["spec"], ["spec", "ports", 0], ["spec", "endpoints", 0]],
    WorkloadEntry: [[], ["spec"]],
  };
  test.each(Object.entries(places))("%s refuses them at every level", (kind, paths) => {
    for (const path of paths)
      expect(told(put(good[kind as Kind], [...path, "extra"], 1))).toEqual([
        `${formatPath([...path, "extra"])}: is not a known field`,
      ]);
  });

  test.each(kinds.filter((k) => !(k in places)))("%s lets them through and keeps them", (kind) => {
    const parsed = parseResource({ ...good[kind], extra: { deep: [1] } });
    expect(parsed).toMatchObject({ t: "resource", resource: { extra: { deep: [1] } } });
  });
});

describe("kinds", () => {
  test.each([
    [{ apiVersion: "v1", kind: "Secret" }, "unknown-kind"],
    [{ apiVersion: "serving.knative.dev/v1", kind: "Service" }, "unknown-kind"],
    [{ apiVersion: "v1", kind: "toString" }, "unknown-kind"],
    [{ apiVersion: "v1", kind: "__proto__" }, "unknown-kind"],
    [{ apiVersion: "v2", kind: "Namespace", metadata: { name: "a" } }, "invalid"],
    [{ apiVersion: "security.istio.io/v9", kind: "AuthorizationPolicy", metadata: { name: "a" } }, "invalid"],
    [{ kind: "Pod" }, "invalid"],
    [{ apiVersion: 1, kind: "Pod" }, "invalid"],
    ["Pod", "invalid"],
    [null, "invalid"],
    [[], "invalid"],
  ])("%j is %s", (value, t) => expect(parseResource(value).t).toBe(t));
});

describe("hostile values", () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const circle: Record<string, unknown> = { ...good.Namespace };
  circle["self"] = circle;
  test.each<[string, unknown, RegExp]>([
    ["too long a text", put(good.Namespace, ["metadata", "annotations", "x"], "x".repeat(65_537)), /./],
    [
      "too large",
      put(
        good.Namespace,
        ["data"],
        Array.from({ length: 20 }, () => "x".repeat(60_000)),
      ),
      /larger than 1048576 bytes/,
    ],
    [
      "too many values",
      put(
        good.Namespace,
        ["data"],
        Array.from({ length: 100_001 }, () => 0),
      ),
      /more than 100000 values/,
    ],
    [
      "too long a list",
      put(
        good.Pod,
        ["spec", "containers", 0, "args"],
        Array.from({ length: 10_001 }, () => ""),
      ),
      /10000/,
    ],
    [
      "too many rules",
      put(
        good.AuthorizationPolicy,
        ["spec", "rules"],
        Array.from({ length: 513 }, () => rule),
      ),
      /512/,
    ],
    ["too deep", put(good.Namespace, ["data"], nested(100)), /deeper than 64 levels/],
    ["a circle", circle, /deeper than 64 levels/],
    [
      "__proto__",
      JSON.parse('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","__proto__":{"x":1}}}'),
      /not allowed/,
    ],
    ["a function", put(good.Namespace, ["f"], () => 1), /no value of YAML/],
  ])("%s", (_, value, message) => expect(told(value).join()).toMatch(message));

  test("no value makes it throw, and what it takes it takes again unchanged", () => {
    const anyField = fc.constantFrom(
      "metadata",
      "spec",
      "status",
      "name",
      "labels",
      "rules",
      "from",
      "source",
      "ports",
      "x",
    );
    const replaced = fc
      .tuple(fc.constantFrom(...kinds), fc.array(fc.oneof(anyField, fc.constant(0)), { maxLength: 5 }), fc.jsonValue())
      .map(([kind, path, value]) => put(good[kind], path, value));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.anything(), replaced), (value) => {
        const parsed = parseResource(value);
        if (parsed.t === "resource") expect(parseResource(parsed.resource)).toEqual(parsed);
        if (parsed.t === "invalid") expect(parsed.problems.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe("keys", () => {
  const of = (kind: Kind, metadata: Tree): string => resourceKey({ kind, metadata } as unknown as Resource);
  test("name kind, namespace and name", () => {
    expect(of("Pod", { name: "a", namespace: "n" })).toBe("Pod/n/a");
    expect(of("Pod", { name: "a" })).toBe("Pod/default/a");
    expect(of("Namespace", { name: "a" })).toBe("Namespace/a");
    expect(namespaceOf({ kind: "Node", metadata: { namespace: "n" } })).toBe("");
  });

  test("paths are written as Kubernetes writes them", () => {
    expect(formatPath(["a", 0, "b", "istio.io/x", "c"])).toBe('a[0].b["istio.io/x"].c');
    expect(formatPath([])).toBe("");
  });
});

describe("selectors", () => {
  const labels = { app: "web", tier: "" };
  test.each([
    [{}, true],
    [{ matchLabels: { app: "web" } }, true],
    [{ matchLabels: { app: "web", x: "y" } }, false],
    [{ matchLabels: { tier: "" } }, true],
    [{ matchExpressions: [{ key: "app", operator: "In", values: ["a", "web"] }] }, true],
    [{ matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] }, false],
    [{ matchExpressions: [{ key: "none", operator: "NotIn", values: ["web"] }] }, true],
    [{ matchExpressions: [{ key: "none", operator: "In", values: [""] }] }, false],
    [{ matchExpressions: [{ key: "tier", operator: "Exists" }] }, true],
    [{ matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
  ] as const)("%j: %s", (selector, want) =>
    expect(selectorMatches(selector as unknown as Parameters<typeof selectorMatches>[0], labels)).toBe(want),
  );

  test("nothing wanted matches everything, also no labels", () => {
    expect([labelsMatch({}, null), labelsMatch(undefined, {}), labelsMatch({ a: "" }, undefined)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
