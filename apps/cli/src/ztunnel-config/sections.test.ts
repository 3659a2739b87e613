import { describe, expect, test } from "vitest";
import { golden } from "@lateen/testkit";
import { type ConfigDump, parseConfigDump } from "./config-dump.ts";
import { renderAll, renderSection } from "./render.ts";
import type { SectionFilter } from "./sections.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const workload = (name: string, more: object = {}): object => ({
  uid: `Kubernetes//Pod/shop/${name}`,
  name,
  namespace: "shop",
  node: "node-1",
  workloadIps: ["10.0.0.1"],
  protocol: "HBONE",
  status: "Healthy",
  ...more,
});
const certificate = (serialNumber: string, validFrom = "2026-01-01T11:00:00Z"): object => ({
  pem: "",
  serialNumber,
  validFrom,
  expirationTime: "2026-01-02T12:00:00Z",
});
const DUMP = {
  workloads: [
    workload("web", {
      workloadIps: ["10.0.0.1", "fd00::1"],
      waypoint: { destination: "shop/way.shop.svc", port: 15008 },
    }),
    workload("db", { node: "node-2", workloadIps: ["10.0.0.2"], waypoint: { destination: "/10.96.0.2" } }),
    workload("outside", { workloadIps: [], hostname: "example.com", protocol: "TCP", namespace: "ext" }),
    workload("lost", { workloadIps: ["10.0.0.4"], waypoint: { destination: "net/10.9.9.9" }, status: "Unhealthy" }),
  ],
  services: {
    "shop/way.shop.svc": {
      name: "way",
      namespace: "shop",
      hostname: "way.shop.svc",
      vips: ["net/10.96.0.2", "/10.96.0.2"],
      endpoints: {},
    },
    "shop/db.shop.svc": {
      name: "db",
      namespace: "shop",
      hostname: "db.shop.svc",
      vips: ["/10.96.0.9"],
      endpoints: {
        a: { workloadUid: "Kubernetes//Pod/shop/db" },
        b: { workloadUid: "Kubernetes//Pod/shop/lost" },
        c: { workloadUid: "Kubernetes//Pod/shop/gone" },
      },
    },
  },
  policies: [
    { name: "z", namespace: "shop", action: "Allow", scope: "Namespace", rules: [] },
    { name: "a", namespace: "istio-system", action: "Deny", scope: "Global", rules: [] },
  ],
  certificates: [
    {
      identity: "spiffe://td/ns/shop/sa/web",
      state: "Available",
      certChain: [certificate("255"), certificate("16")],
      rootCerts: [certificate("4096", "2026-01-01T12:00:00Z")],
    },
    { identity: "spiffe://td/ns/shop/sa/old", state: "Available", certChain: [certificate("1"), certificate("2")] },
    { identity: "spiffe://td/ns/shop/sa/bad", state: { "Unavailable: no CA": 1 }, certChain: [] },
    { identity: "spiffe://td/ns/shop/sa/new", state: "Initializing" },
  ],
  workloadState: {
    "uid-web": {
      state: "Up",
      connections: {
        inbound: [{ src: "10.0.0.2:4000", originalDst: "db.shop.svc", actualDst: "10.0.0.1:8080", protocol: "HBONE" }],
        outbound: [
          { src: "10.0.0.1:5000", originalDst: "10.96.0.9:80", actualDst: "10.0.0.2:15008", protocol: "HBONE" },
        ],
      },
      info: { name: "web", namespace: "shop", trustDomain: "td", serviceAccount: "web" },
    },
    "uid-db": {
      state: "Up",
      connections: {
        inbound: [{ src: "[fd00::9]:1", originalDst: "", actualDst: "10.0.0.2:8080", protocol: "TCP" }],
        outbound: [],
      },
      info: { name: "db", namespace: "other", trustDomain: "td", serviceAccount: "db" },
    },
  },
};

function parsed(value: object): ConfigDump {
  const dump = parseConfigDump(JSON.stringify(value));
  if (!dump.ok) throw dump.error;
  return dump.value;
}
const dump = parsed(DUMP);
type Section = Parameters<typeof renderSection>[1]["section"];
const table = (section: Section, filter: SectionFilter = {}): string =>
  renderSection(dump, { section, format: "short", nowMs: NOW, filter });
const firstCells = (section: Section, filter: SectionFilter, column = 0): readonly string[] =>
  table(section, filter)
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(/ +/)[column] ?? "");

test("all tables, with titles", () => {
  golden("ztunnel-config-all", renderAll(dump, { headers: true, nowMs: NOW }));
});

test("without titles the tables are the same", () => {
  const tables = renderAll(dump, { headers: false, nowMs: NOW });
  for (const section of ["workload", "service", "policy", "certificate", "connections"] as const)
    expect(tables).toContain(`\n${table(section)}`);
  expect(tables).not.toContain("INFO");
});

describe("filters", () => {
  test.each([
    ["workload", { address: "FD00::1" }, 1, ["web"]],
    ["workload", { workloadNamespace: "SHOP" }, 1, ["db", "lost", "web"]],
    ["workload", { workloadNode: "Node-2" }, 1, ["db"]],
    ["workload", { workload: { name: "web", namespace: "shop" } }, 1, ["web"]],
    ["workload", { workload: { name: "web", namespace: "other" } }, 1, []],
    ["service", { serviceNamespace: "shop" }, 1, ["db", "way"]],
    ["service", { serviceNamespace: "none" }, 1, []],
    ["policy", { policyNamespace: "ISTIO-system" }, 1, ["a"]],
    ["connections", { workloadNamespace: "other" }, 0, ["db.other"]],
    ["connections", { direction: "outbound" }, 0, ["web.shop"]],
    ["connections", { direction: "inbound" }, 1, ["Inbound", "Inbound"]],
    ["connections", { workload: { name: "web", namespace: "shop" } }, 1, ["Inbound", "Outbound"]],
  ] as const)("%s %j", (section, filter, column, want) => {
    expect(firstCells(section, filter, column)).toEqual(want);
  });

  test("addresses are names unless raw", () => {
    expect(table("connections", { direction: "outbound" })).toContain("web.shop:5000 db.shop:15008 db.shop.svc:80");
    expect(table("connections", { direction: "outbound", raw: true })).toContain(
      "10.0.0.1:5000 10.0.0.2:15008 10.96.0.9:80",
    );
  });
});

describe("JSON and YAML", () => {
  test("are the filtered slice of the dump, with four spaces", () => {
    const json = renderSection(dump, {
      section: "policy",
      format: "json",
      nowMs: NOW,
      filter: { policyNamespace: "shop" },
    });
    expect(JSON.parse(json)).toEqual([DUMP.policies[0]]);
    expect(json.split("\n")[1]).toBe("    {");
    expect(renderSection(dump, { section: "policy", format: "yaml", nowMs: NOW })).toMatch(/^- name: a\n/);
  });

  test("fields that no table shows pass through", () => {
    const odd = parsed({ workloads: [workload("web", { capacity: 3, future: { x: [1] } })] });
    const json = renderSection(odd, { section: "workload", format: "json", nowMs: NOW });
    expect(JSON.parse(json)).toMatchObject([{ capacity: 3, future: { x: [1] } }]);
  });

  test("a connection filter leaves the other direction out", () => {
    const json = renderSection(dump, {
      section: "connections",
      format: "json",
      nowMs: NOW,
      filter: { direction: "outbound", workloadNamespace: "shop" },
    });
    expect(JSON.parse(json)).toMatchObject([{ connections: { inbound: [], outbound: [{ protocol: "HBONE" }] } }]);
  });
});

describe("a config dump", () => {
  test("may be empty, null, lists or maps", () => {
    const empty = { workloads: [], services: [], policies: [], certificates: [] };
    expect(parsed({})).toMatchObject(empty);
    expect(parsed({ workloads: null, services: {}, certificates: null, workloadState: null })).toMatchObject(empty);
    expect(renderAll(parsed({}), { headers: false, nowMs: NOW }).trim().split("\n\n")).toHaveLength(5);
  });

  test.each([
    ["", /^Cannot read config dump: it is no JSON: /],
    ["[]", /^Cannot read config dump: \(top\): /],
    ["null", /^Cannot read config dump: \(top\): /],
    ['{"workloads": 3}', /^Cannot read config dump: workloads: /],
    ['{"workloads": [{"name": 3}], "policies": ["x"]}', /workloads\.0\.name: .*; policies\.0: /],
  ])("%j is refused", (text, message) => {
    const dump = parseConfigDump(text);
    expect(dump.ok ? "read" : [dump.error.code, dump.error.message]).toEqual([
      "BAD_INPUT",
      expect.stringMatching(message),
    ]);
  });
});
