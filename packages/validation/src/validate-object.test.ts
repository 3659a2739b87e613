import { type CustomKindName, customKinds } from "@lateen/resources";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatReview, validateObject } from "./index.ts";

type Tree = Readonly<Record<string, unknown>>;

/** Shortened: what an object of a kind is told, errors as `E` and warnings as `W`. */
function told(kind: CustomKindName, spec: unknown, metadata: Tree = {}): readonly string[] {
  const { group, versions } = customKinds[kind];
  const object = {
    apiVersion: `${group}/${versions[0]}`,
    kind,
    metadata: { name: "a", namespace: "n", ...metadata },
    spec,
  };
  const { errors, warnings } = validateObject(object);
  return [...formatReview(errors).map((e) => `E ${e}`), ...formatReview(warnings).map((w) => `W ${w}`)];
}

const rules = (fields: Tree): Tree => ({ action: "DENY", rules: [fields] });
const policy: readonly (readonly [unknown, RegExp | null])[] = [
  [{}, null],
  [{ action: "DENY" }, /^E spec\.rules: DENY without rules never applies/],
  [{ action: "CUSTOM", provider: { name: "x" } }, /^E spec\.rules: CUSTOM without rules/],
  [{ action: "CUSTOM", rules: [{}] }, /^E spec\.provider: CUSTOM needs a provider/],
  [{ selector: {} }, /^W spec\.selector: selects every workload/],
  [{ selector: { matchLabels: { "a*": "b" } } }, /^E spec\.selector\.matchLabels: wildcard/],
  [{ targetRef: { kind: "Service", name: "a" } }, null],
  [{ targetRef: { kind: "Pod", name: "a" } }, /^E spec\.targetRef: must be a Service/],
  [{ targetRefs: [{ kind: "Service", name: "a", namespace: "b" }] }, /^E spec\.targetRefs\[0\]\.namespace: cross/],
  [rules({ to: [{ operation: { methods: ["GET"] } }] }), /^W spec\.rules\[0\]: names only what HTTP has/],
  [rules({ to: [{ operation: { methods: ["GET"], ports: ["80"] } }] }), null],
  [rules({ from: [{ source: { requestPrincipals: ["a"] } }] }), /^W/],
  [rules({ from: [{ source: { principals: ["a"] } }] }), null],
  [rules({ from: [{ source: { principals: ["a/*/b"] } }] }), /^W .*principals\[0\]: "a\/\*\/b" is compared/],
  [rules({ to: [{ operation: { paths: ["/a/{*}/b"], ports: ["1"] } }] }), null],
  [
    rules({ to: [{ operation: { notPaths: ["/{**}/{*}"], ports: ["1"] } }] }),
    /^E .*notPaths\[0\]:.*nothing like \{\*\}/,
  ],
  [rules({ to: [{ operation: { paths: ["/a{*}"], ports: ["1"] } }] }), /braces can only be/],
  [rules({ to: [{ operation: { paths: ["/{*}/a*"], ports: ["1"] } }] }), /cannot be a segment/],
  [rules({ when: [{ key: "destination.port", values: ["x"] }] }), /^E .*when\[0\]\.values: destination\.port/],
  [rules({ when: [{ key: "request.headers", values: ["x"] }] }), /^E .*when\[0\]\.key:/],
  [
    { action: "CUSTOM", provider: { name: "x" }, rules: [{ from: [{ source: { namespaces: ["a"] } }] }] },
    /^E spec\.rules\[0\]\.from\[0\]\.source\.namespaces: cannot be used with CUSTOM/,
  ],
  [{ rulez: [] }, /^E spec\.rulez: is not a known field/],
];
const port = { number: 80, name: "http", protocol: "HTTP" };
const entry = (fields: Tree): Tree => ({ hosts: ["a.example"], ports: [port], resolution: "STATIC", ...fields });
const serviceEntry: readonly (readonly [unknown, RegExp | null])[] = [
  [entry({}), null],
  [undefined, /^E spec: is missing/],
  [entry({ hosts: ["a*b.example"] }), /^E spec\.hosts\[0\]:/],
  [entry({ hosts: ["*a.example"] }), /^W spec\.hosts\[0\]: .*whole first parts/],
  [entry({ hosts: ["a.1"] }), /its last part is a number/],
  [entry({ addresses: ["10.0.0.0/8"] }), null],
  [entry({ addresses: ["10.0.0.0/8"], resolution: "DNS" }), /^E spec\.addresses: CIDR addresses/],
  [entry({ endpoints: [{ address: "b.example" }] }), /^E spec\.endpoints\[0\]\.address: .*is not an IP address/],
  [
    entry({ endpoints: [{ address: "10.0.0.1", ports: { x: 1 } }] }),
    /^E spec\.endpoints\[0\]\.ports\.x: is not the name/,
  ],
  [entry({ endpoints: [{ network: "n" }] }), /^W spec\.endpoints\[0\]\.address: is missing/],
  [entry({ endpoints: [{}] }), /^E spec\.endpoints\[0\]: Address is required/],
  [entry({ endpoints: [{ address: "unix:///a", ports: { http: 1 } }] }), /UDS may not include ports/],
  [entry({ endpoints: [{ address: "unix://@a" }] }), null],
  [entry({ resolution: "DNS", hosts: ["*.example"] }), /^E spec\.hosts\[0\]: must be a whole name/],
  [entry({ resolution: "DNS", endpoints: [{ address: "b.example" }] }), null],
  [entry({ resolution: "DYNAMIC_DNS" }), /^E spec\.hosts\[0\]: must begin with a wildcard/],
  [entry({ resolution: "DYNAMIC_DNS", hosts: ["*.example"] }), null],
  [
    entry({ resolution: "NONE", ports: [{ ...port, protocol: "TCP" }] }),
    /^W spec\.ports\[0\]: a TCP port needs addresses/,
  ],
  [entry({ ports: [{ ...port, protocol: "TCP" }] }), null],
  [entry({ hosts: ["a.example", "b.example"], ports: [{ ...port, protocol: "TCP" }] }), /cannot be told apart/],
  [entry({ ports: [{ ...port, protocol: "X" }] }), /^E spec\.ports\[0\]\.protocol/],
  [entry({ ports: [port, { ...port, name: "b" }] }), /port number cannot be duplicated/],
  [entry({ exportTo: [".", "n"] }), /^E spec\.exportTo\[1\]: "n" stands twice/],
  [entry({ exportTo: ["~"] }), null],
  [entry({ exportTo: ["*", "a"] }), /nothing can stand beside it/],
  [entry({ workloadSelector: {} }), /^W spec\.workloadSelector/],
];
const peer: readonly (readonly [unknown, RegExp | null])[] = [
  [{}, null],
  [{ portLevelMtls: { "80": {} } }, /requires selector/],
  [{ selector: { matchLabels: { a: "b" } }, portLevelMtls: { "0": {} } }, /"0" is not a port/],
  [{ selector: { matchLabels: { a: "b" } }, portLevelMtls: { "80": null } }, /portLevelMtls\["80"\]: must not be null/],
  [{ mtls: { mode: "strict" } }, /did you mean STRICT/],
];
const other: readonly (readonly [CustomKindName, unknown, RegExp | null])[] = [
  ["WorkloadEntry", { address: "10.0.0.1" }, null],
  ["WorkloadEntry", { address: "a b" }, /neither a whole name nor an IP/],
  ["WorkloadEntry", { address: "10.0.0.1", labels: { "a b": "c" } }, /^E spec\.labels: "a b"/],
  ["WorkloadGroup", { template: {}, probe: { tcpSocket: { port: 1 } } }, null],
  ["WorkloadGroup", { template: {}, probe: { grpc: { port: 1 } } }, /needs a way to probe/],
  ["DestinationRule", { host: "a", trafficPolicy: {} }, /^E spec\.trafficPolicy: must not be empty/],
  ["DestinationRule", { host: "a", subsets: [{ name: "v1" }, { name: "v1" }] }, /"v1" stands twice/],
  ["VirtualService", { hosts: ["a"], http: [{ route: [{ destination: { host: "b" } }] }] }, null],
  ["VirtualService", { hosts: ["a"] }, /needs routes/],
  ["VirtualService", { hosts: ["a.b", "*.b"], http: [{ redirect: { uri: "/" } }] }, /overlap/],
  [
    "VirtualService",
    { hosts: ["a"], http: [{ redirect: { uri: "/" } }, { redirect: { uri: "/" } }] },
    /^W .*never reached/,
  ],
  ["Gateway", { servers: [{ hosts: ["*"], port }] }, null],
  ["Gateway", {}, /needs a server/],
  ["Sidecar", {}, /must not be empty/],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwks: '{"keys":[]}' }] }, null],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwks: '{"keys":[{"kty":"RSA"}]}' }] }, /lacks n/],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwks: '{"kty":"oct","k":"AA"}' }] }, /^W .*private key/],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwksUri: "ftp://a" }] }, /http:\/\/ or https:\/\//],
  ["Telemetry", { accessLogging: [{ filter: { expression: "a &&" } }] }, /no expression of CEL/],
  ["EnvoyFilter", { configPatches: [{}] }, /applyTo: is missing/],
  ["WasmPlugin", { url: "oci://a/b:c" }, null],
  ["TrafficExtension", {}, /exactly one of wasm or lua/],
  ["ProxyConfig", { concurrency: -1 }, /at least 0/],
];

describe("specs", () => {
  const table = [
    ...policy.map(([spec, want]) => ["AuthorizationPolicy", spec, want] as const),
    ...serviceEntry.map(([spec, want]) => ["ServiceEntry", spec, want] as const),
    ...peer.map(([spec, want]) => ["PeerAuthentication", spec, want] as const),
    ...other,
  ];
  test.each(table)("%s %j", (kind, spec, want) => {
    const lines = told(kind, spec);
    if (want === null) expect(lines).toEqual([]);
    else
      expect(
        lines.some((line) => want.test(line)),
        lines.join("\n"),
      ).toBe(true);
  });

  test("what one release of Istio warns of and another does not", () => {
    const spec = { hosts: ["a.example"], workloadSelector: { labels: { a: "b" } } };
    const object = { apiVersion: "networking.istio.io/v1", kind: "ServiceEntry", metadata: { name: "a" }, spec };
    expect(validateObject(object).warnings.length).toBe(1);
    expect(validateObject(object, { release: "1.21" }).warnings).toEqual([]);
  });
});

describe("objects", () => {
  const annotated = (name: string, value: string): Tree => ({ annotations: { [name]: value } });
  test.each([
    ["AuthorizationPolicy", "internal.istio.io/webhook-always-reject", "true", /always refused/],
    ["AuthorizationPolicy", "internal.istio.io/parents", "x", /cannot be set by users/],
    ["AuthorizationPolicy", "istio.io/dry-run", "maybe", /must be true or false/],
    ["AuthorizationPolicy", "istio.io/dry-run", "true", null],
    ["PeerAuthentication", "istio.io/dry-run", "true", /has no meaning on a PeerAuthentication/],
  ] as const)("%s with %s: %s", (kind, name, value, want) => {
    const lines = told(kind, {}, annotated(name, value));
    if (want === null) expect(lines).toEqual([]);
    else expect(lines.join("\n")).toMatch(want);
  });

  test.each<[Tree, RegExp | null]>([
    [{ apiVersion: "security.istio.io/v9", kind: "PeerAuthentication", metadata: { name: "a" } }, null],
    [{ apiVersion: "security.istio.io/v1", kind: "Other" }, /not a kind of Istio's API/],
    [{ apiVersion: "networking.istio.io/v1", kind: "AuthorizationPolicy" }, /not a kind of Istio's API/],
    [{ apiVersion: "apps/v1", kind: "DaemonSet" }, null],
    [{ apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", metadata: { name: "a" } }, /spec: is missing/],
    [{ apiVersion: "security.istio.io/v1", kind: "PeerAuthentication", sepc: {} }, /sepc: is not a known field/],
    [{ kind: "Pod" }, /apiVersion: is missing/],
  ])("%j", (object, want) => {
    const lines = formatReview(validateObject(object).errors);
    if (want === null) expect(lines).toEqual([]);
    else expect(lines.join("\n")).toMatch(want);
  });
});

describe("hostile objects", () => {
  test("a policy of a megabyte, of ten thousand ports, a label with an end of line", () => {
    const wide = Array.from({ length: 10_000 }, (_, i) => `x${i}`);
    const ports = rules({ to: [{ operation: { ports: wide } }] });
    expect(told("AuthorizationPolicy", ports).at(-1)).toMatch(/and \d+ more problems/);
    expect(told("AuthorizationPolicy", { rules: ["x".repeat(1 << 21)] })).toEqual([
      "E the object is larger than 1048576 bytes (at spec.rules[0])",
    ]);
    const labels = told("AuthorizationPolicy", { selector: { matchLabels: { "a\nb": "c*\n" } } });
    expect(labels.length).toBe(1);
    expect(labels.every((line) => !line.includes("\n"))).toBe(true);
  });

  test("many routes cost little", () => {
    const match = Array.from({ length: 5_000 }, (_, i) => ({ uri: { prefix: `/${i}` } }));
    expect(told("VirtualService", { hosts: ["a"], http: [{ match, redirect: { uri: "/" } }] })[0]).toMatch(/^W/);
  });

  test("no value makes it throw", () => {
    const kinds = fc.constantFrom(...(Object.keys(customKinds) as CustomKindName[]));
    fc.assert(
      fc.property(kinds, fc.anything(), fc.jsonValue(), (kind, anything, json) => {
        validateObject(anything);
        expect(told(kind, json)).toBeInstanceOf(Array);
        expect(told(kind, anything)).toBeInstanceOf(Array);
      }),
    );
  });
});
