import { type CustomKindName, checkSpec, customKinds } from "@lateen/resources";
import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { generateCrds } from "./generate-crds.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const DEADLINE_MS = 300_000;
const WAIT_MS = 60_000;

interface Stored {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly { type: string; status: string; message: string }[] };
}

const port = { name: "a", number: 1 };
const hosts = ["a.example"];
const env = (...of: readonly unknown[]): unknown => ({ url: "http://a", vmConfig: { env: of } });
const warmup = (of: unknown): unknown => ({ host: "a", trafficPolicy: { loadBalancer: { warmup: of } } });
const match = (of: unknown): unknown => ({ configPatches: [{ match: of }] });
/** Specs, and what the API server says of those that do not fit. */
const specs: readonly (readonly [CustomKindName, unknown, string | null])[] = [
  ["ServiceEntry", { hosts, ports: [port], endpoints: [{ address: "10.0.0.1" }], resolution: "STATIC" }, null],
  ["ServiceEntry", { hosts: ["*"] }, "cannot be wildcard"],
  ["ServiceEntry", { hosts, ports: [port, { name: "b", number: 1 }] }, "number cannot be duplicated"],
  ["ServiceEntry", { hosts, ports: [port, { name: "a", number: 2 }] }, "Duplicate value"],
  ["ServiceEntry", { hosts, ports: [{ name: "a", number: 0 }] }, "between 1-65535"],
  ["ServiceEntry", { hosts, endpoints: [{ address: "10.0.0.1" }] }, "NONE mode"],
  ["ServiceEntry", { hosts, addresses: ["10.0.0.0/8"], resolution: "DNS" }, "CIDR addresses"],
  ["ServiceEntry", { hosts, addresses: ["10.0.0.0/8"] }, null],
  [
    "ServiceEntry",
    { hosts, resolution: "DNS_ROUND_ROBIN", endpoints: [{ address: "a" }, { address: "b" }] },
    "multiple",
  ],
  ["ServiceEntry", { hosts, workloadSelector: {}, endpoints: [], resolution: "DNS" }, "only one of"],
  ["ServiceEntry", { hosts, workloadSelector: { labels: { a: "*" } } }, "wildcard is not supported"],
  ["ServiceEntry", { hosts, nothing: 1 }, "unknown field"],
  ["WorkloadEntry", { address: "unix://@a" }, null],
  ["WorkloadEntry", { address: "unix://a" }, "absolute path"],
  ["WorkloadEntry", { address: "unix:///a/" }, "may not be a dir"],
  ["WorkloadEntry", { address: "unix:///a", ports: { a: 1 } }, "may not include ports"],
  ["WorkloadEntry", { address: "a", ports: { "a b": 1 } }, "port name must be valid"],
  ["WorkloadEntry", {}, "Address is required"],
  ["WorkloadGroup", { template: {}, probe: { httpGet: { port: 1, scheme: "X" } } }, "scheme must be"],
  ["WorkloadGroup", { template: {}, probe: { httpGet: { port: 1 }, tcpSocket: { port: 1 } } }, "oneOf"],
  ["PeerAuthentication", { selector: { matchLabels: { a: "b" } }, portLevelMtls: { "80": { mode: "STRICT" } } }, null],
  ["PeerAuthentication", { portLevelMtls: { "80": {} } }, "requires selector"],
  ["PeerAuthentication", { selector: { matchLabels: { a: "b" } }, portLevelMtls: { "70000": {} } }, "between 1-65535"],
  ["PeerAuthentication", { selector: { matchLabels: { a: "b" } }, portLevelMtls: { x: {} } }, "portLevelMtls"],
  ["PeerAuthentication", { selector: { matchLabels: { "": "b" } } }, "key must not be empty"],
  ["AuthorizationPolicy", { selector: {}, targetRef: { kind: "Service", name: "a" } }, "only one of targetRefs"],
  [
    "AuthorizationPolicy",
    { rules: [{ from: [{ source: { serviceAccounts: ["a"], principals: ["b"] } }] }] },
    "Cannot set serviceAccounts",
  ],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwksUri: "https://a/b", timeout: "5s" }] }, null],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwksUri: "file:///a" }] }, "must have scheme"],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", jwks: "b", jwksUri: "https://a" }] }, "only one of jwks"],
  ["RequestAuthentication", { jwtRules: [{ issuer: "a", timeout: "1us" }] }, "valid duration"],
  ["DestinationRule", warmup({ duration: "1m30s", aggression: null }), null],
  ["DestinationRule", warmup({ duration: "apple" }), "valid duration"],
  [
    "DestinationRule",
    { host: "a", trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true, httpHeaderName: "a" } } } },
    "oneOf",
  ],
  ["EnvoyFilter", match({ context: "WAYPOINT", waypoint: { portNumber: 1 } }), null],
  ["EnvoyFilter", match({ waypoint: {} }), "only support waypointMatch"],
  ["EnvoyFilter", match({ listener: {}, cluster: {} }), "oneOf"],
  [
    "Telemetry",
    { metrics: [{ overrides: [{ tagOverrides: { a: { operation: "REMOVE", value: "b" } } }] }] },
    "must not be set",
  ],
  ["Telemetry", { metrics: [{ overrides: [{ tagOverrides: { a: { operation: "UPSERT" } } }] }] }, "must be set"],
  ["Telemetry", { metrics: [{ overrides: [{ match: { metric: "REQUEST_COUNT", customMetric: "a" } }] }] }, "oneOf"],
  ["WasmPlugin", env({ name: "a" }, { name: "b", valueFrom: "HOST" }), null],
  ["WasmPlugin", env({ name: "a" }, { name: "a" }), "Duplicate value"],
  ["WasmPlugin", env({ name: "a", valueFrom: "HOST", value: "b" }), "only be set when"],
  ["WasmPlugin", { url: "a.example/b:c" }, null],
  ["WasmPlugin", { url: "ftp://a" }, "schema one of"],
  ["WasmPlugin", { url: "%%" }, "schema one of"],
  ["TrafficExtension", { lua: { inlineCode: "x" }, wasm: { url: "a" } }, "exactly one of"],
  [
    "Gateway",
    { servers: [{ hosts, port: { ...port, protocol: "TLS" }, tls: { credentialName: "a", credentialNames: ["b"] } }] },
    "credentialName",
  ],
  ["VirtualService", { hosts, http: [{ redirect: { port: 1, derivePort: "FROM_REQUEST_PORT" } }] }, "oneOf"],
  ["ProxyConfig", { concurrency: null }, null],
  ["Sidecar", { egress: [{}] }, "hosts"],
];

describe.skipIf(requireApiServer())("a real API server", () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer();
  }, DEADLINE_MS);
  afterAll(() => api[Symbol.asyncDispose]());

  test("takes every definition and serves every version of it", { timeout: DEADLINE_MS }, async () => {
    const definitions = [...(await generateCrds()).values()].map((text) => parse(text) as Stored);
    for (const definition of definitions) await api.done("POST", CRDS, definition);
    for (const { metadata } of definitions)
      await eventually(
        async () => {
          const stored = await api.done<Stored>("GET", `${CRDS}/${metadata.name}`);
          const conditions = stored.status?.conditions ?? [];
          expect(conditions.filter((c) => c.type === "NonStructuralSchema")).toEqual([]);
          return conditions.some((c) => c.type === "Established" && c.status === "True");
        },
        { deadlineMs: WAIT_MS, what: `${metadata.name} to be established` },
      );
    for (const [kind, { group, plural, versions }] of Object.entries(customKinds))
      for (const version of versions)
        await eventually(async () => (await api.call("GET", `/apis/${group}/${version}/${plural}`)).status === 200, {
          deadlineMs: WAIT_MS,
          what: `${kind} of ${version} to be served`,
        });
  });

  test.each(specs)("says of a %s what we say: %j", { timeout: DEADLINE_MS }, async (kind, spec, refusal) => {
    const { group, plural, versions } = customKinds[kind];
    const object = { apiVersion: `${group}/${versions[0]}`, kind, metadata: { name: "a" }, spec };
    const path = `/apis/${group}/${versions[0]}/namespaces/default/${plural}?dryRun=All&fieldValidation=Strict`;
    const answer = await api.call("POST", path, object);
    expect(checkSpec(kind, spec).ok).toBe(refusal === null);
    if (refusal === null) expect(answer.body).toMatchObject({ kind, spec });
    else expect(answer.body).toMatchObject({ message: expect.stringContaining(refusal) as string });
  });
});
