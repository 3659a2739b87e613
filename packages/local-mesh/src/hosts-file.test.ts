import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planServices } from "./cluster-ips.ts";
import { hostsFile, resolvConf } from "./hosts-file.ts";
import type { ManifestObject } from "./manifest-object.ts";

function service(name: string, spec: Record<string, unknown> = {}, namespace = "demo"): ManifestObject {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { ports: [{ port: 80 }], ...spec } };
}
const ips = (objects: ManifestObject[], had?: Map<string, string[]>): string[] =>
  planServices(objects, had).services.map((s) => `${s.namespace}/${s.name} ${s.clusterIps.join(",")}`);

describe("ClusterIPs", () => {
  test("are the same every time, whatever the order of the files", () =>
    expect(ips([service("a"), service("b")])).toEqual(ips([service("b"), service("a")])));

  test("stay when other Services come", () => {
    const before = planServices([service("m")]).services[0]?.clusterIps ?? [];
    const had = new Map([["demo/m", [...before]]]);
    expect(ips([service("a", { clusterIP: "10.96.0.77" }), service("m")], had)).toContain(`demo/m ${before.join()}`);
  });

  const rows: readonly [string, Record<string, unknown>, RegExp][] = [
    ["one family by default", {}, /^demo\/a 10\.96\.\d+\.\d+$/],
    ["both when asked", { ipFamilyPolicy: "PreferDualStack" }, /^demo\/a 10\.96\.\d+\.\d+,fd00:10:96::[0-9a-f]+$/],
    ["IPv6 when asked", { ipFamilies: ["IPv6"] }, /^demo\/a fd00:10:96::[0-9a-f]+$/],
    ["the one asked for", { clusterIP: "10.96.3.3" }, /^demo\/a 10\.96\.3\.3$/],
    ["none when headless", { clusterIP: "None" }, /^demo\/a $/],
    ["none for an ExternalName", { type: "ExternalName" }, /^demo\/a $/],
  ];
  for (const [name, spec, want] of rows) test(name, () => expect(ips([service("a", spec)])[0]).toMatch(want));

  test("the same address for two is a problem of the second", () => {
    const { problems } = planServices([
      service("a", { clusterIP: "10.96.9.9" }),
      service("b", { clusterIP: "10.96.9.9" }),
    ]);
    expect(problems).toEqual([
      { object: "Service demo/b", field: "spec.clusterIP", message: "10.96.9.9 belongs to Service demo/a already" },
    ]);
  });

  test("text that is no address is a problem, and the Service gets another", () => {
    const { problems, services } = planServices([service("a", { clusterIP: "ten" })]);
    expect(problems.map((p) => p.message)).toEqual(['"ten" is no IP address']);
    expect(services[0]?.clusterIps).toHaveLength(1);
  });

  test("no two Services share one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 60 }), (names) => {
        const all = planServices(names.map((n) => service(n))).services.flatMap((s) => s.clusterIps);
        expect(new Set(all).size).toBe(names.length);
      }),
    );
  });
});

describe("the hosts file", () => {
  const pod = { name: "client-1", namespace: "demo", ips: ["10.244.1.2", "fd00:244:1::2"] };
  const { services } = planServices([
    service("echo", { clusterIP: "10.96.1.1" }),
    service("far", { clusterIP: "10.96.1.2" }, "other"),
    service("db", { clusterIP: "None", selector: { app: "db" } }),
  ]);
  const db = (n: number, ready: boolean): Parameters<typeof hostsFile>[2][number] => ({
    name: `db-${n}`,
    namespace: "demo",
    labels: { app: "db" },
    ips: [`10.244.2.${n}`],
    ready,
  });
  const lines = hostsFile(pod, services, [db(5, true), db(6, false)]).split("\n");

  test("has the pod itself, in both families", () =>
    expect(lines).toEqual(expect.arrayContaining(["10.244.1.2\tclient-1", "fd00:244:1::2\tclient-1"])));
  test("has short names for the own namespace", () =>
    expect(lines).toContain("10.96.1.1\techo.demo.svc.cluster.local echo.demo.svc echo.demo echo"));
  test("but not for another's", () =>
    expect(lines).toContain("10.96.1.2\tfar.other.svc.cluster.local far.other.svc far.other"));
  test("has the ready pods of a headless Service", () => {
    expect(lines).toContain("10.244.2.5\tdb.demo.svc.cluster.local db.demo.svc db.demo db");
    expect(lines.join("\n")).not.toContain("10.244.2.6");
  });
});

test("resolv.conf searches as in Kubernetes and names no server", () => {
  expect(resolvConf("demo")).toContain("search demo.svc.cluster.local svc.cluster.local cluster.local");
  expect(resolvConf("demo")).not.toContain("nameserver");
});
