import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { golden } from "@lateen/testkit";
import { formatKept, parseManifests } from "@lateen/manifests";
import { explainConnection } from "./explain-connection.ts";
import { findDestination, findWorkload } from "./find-ends.ts";
import { readMeshView, viewSources } from "./mesh-view.ts";
import { renderExplanation } from "./render-explanation.ts";

interface PodRow {
  readonly name: string;
  readonly ip: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly captured?: boolean;
  readonly ready?: boolean;
}
const pod = ({ name, ip, namespace = "shop", node = "node-1", captured = true, ready = true }: PodRow): string => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}-1
  namespace: ${namespace}
  labels: { app: ${name}, service.istio.io/workload-name: ${name} }
  annotations: ${captured ? '{ ambient.istio.io/redirection: "enabled" }' : "{}"}
spec: { nodeName: ${node}, serviceAccountName: ${name}, containers: [{ name: c }] }
status: { phase: Running, podIP: ${ip}, conditions: [{ type: Ready, status: "${ready ? "True" : "False"}" }] }
`;
const service = (name: string, clusterIp: string, namespace = "shop"): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { clusterIP: ${clusterIp}, selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] }
`;
const POLICIES = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: open, namespace: shop }
spec: { selector: { matchLabels: { app: open } }, mtls: { mode: PERMISSIVE } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-web, namespace: shop }
spec:
  selector: { matchLabels: { app: db } }
  rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-report, namespace: shop }
spec:
  selector: { matchLabels: { app: remote } }
  action: DENY
  rules:
    - to: [{ operation: { ports: ["9999"] } }]
    - from: [{ source: { namespaces: ["shop"] } }]
      to: [{ operation: { ports: ["8080"] } }]
`;
const OBJECTS = [
  pod({ name: "web", ip: "10.0.0.1" }),
  pod({ name: "db", ip: "10.0.0.2" }),
  pod({ name: "report", ip: "10.0.0.3" }),
  pod({ name: "cron", ip: "10.0.0.4", namespace: "old", captured: false }),
  pod({ name: "remote", ip: "10.0.1.5", node: "node-2" }),
  pod({ name: "open", ip: "10.0.1.6", node: "node-2" }),
  pod({ name: "starting", ip: "10.0.0.7", ready: false }),
  service("db", "10.96.0.9"),
  service("remote", "10.96.0.10"),
  service("open", "10.96.0.11"),
  service("starting", "10.96.0.12"),
  service("cron", "10.96.0.13", "old"),
  service("idle", "None"),
];

describe("explain", () => {
  const dir = mkdtempSync(join(tmpdir(), "lateen-explain-"));
  let view: Awaited<ReturnType<typeof readMeshView>>;
  beforeAll(async () => {
    writeFileSync(join(dir, "objects.yaml"), OBJECTS.join("---\n"));
    writeFileSync(join(dir, "policies.yaml"), POLICIES);
    view = await readMeshView({ dirs: [dir] });
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const explained = (from: string, to: string, of = view): ReturnType<typeof explainConnection> => {
    const workload = findWorkload(of.workloads, from);
    const destination = findDestination(of.workloads, to, workload);
    return explainConnection(of, { from: workload, to: destination, random: () => 0 });
  };

  test.each([
    ["same node, by Service", "web", "db:80", "hbone", true, "allowed by: shop/only-web"],
    ["same node, by address", "web", "10.0.0.2:8080", "hbone", true, "allowed by: shop/only-web"],
    ["other node", "web", "open:80", "hbone", true, "no allow policy applies"],
    ["another identity", "report", "db:80", "hbone", false, "allow policies exist, but none allowed"],
    ["a DENY policy", "report", "remote:80", "hbone", false, "explicitly denied by: shop/no-report"],
    ["the DENY policy's other port", "report", "10.0.1.5:8081", "hbone", true, "no allow policy applies"],
    [
      "plaintext, STRICT",
      "cron",
      "db.shop:80",
      "plain",
      false,
      "explicitly denied by: istio-system/istio_converted_static_strict",
    ],
    ["plaintext, PERMISSIVE", "cron", "open.shop:80", "plain", true, "no allow policy applies"],
    ["out of the mesh", "web", "cron.old:80", "tcp", true, "nobody judges: the receiver is not in the mesh"],
    ["a port that nobody serves", "web", "db:81", "deny", false, "no healthy upstream: 10.96.0.9:81"],
    ["a Service without endpoints", "web", "starting:80", "deny", false, "no healthy upstream: 10.96.0.12:80"],
    [
      "nowhere",
      "web",
      "203.0.113.7:443",
      "tcp",
      true,
      "nobody judges: no workload has this address (a local mesh has no route out)",
    ],
    ["the proxy's own port", "web", "10.0.0.2:15008", "hbone", false, "503: attempted recursive call to ourselves"],
  ])("%s: %s to %s", (_, from, to, how, allowed, why) => {
    const { path, verdict } = explained(from, to);
    expect({ how: path.how, ...verdict }).toEqual({ how, allowed, why });
  });

  test("the ends are who they are, on their nodes", () => {
    const identity = (sa: string): string => `spiffe://cluster.local/ns/shop/sa/${sa}`;
    expect(explained("web", "remote:80")).toMatchObject({
      from: { workload: "shop/web-1", identity: identity("web"), node: "node-1", captured: true },
      dialled: "10.96.0.10:80",
      to: { workload: "shop/remote-1", identity: identity("remote"), node: "node-2", captured: true },
      path: { nextHop: "10.0.1.5:15008", authority: "10.0.1.5:8080", expected: [identity("remote")] },
    });
    expect(explained("cron", "db.shop:80").from).toMatchObject({ identity: null, captured: false });
  });

  test.each([
    ["allowed", "web", "db:80"],
    ["not-allowed", "report", "db:80"],
    ["denied", "report", "remote:80"],
    ["plaintext", "cron", "db.shop:80"],
    ["unmeshed", "web", "cron.old:80"],
    ["no-endpoints", "web", "starting:80"],
    ["nowhere", "web", "203.0.113.7:443"],
    ["own-port", "web", "10.0.0.2:15008"],
  ])("in words: %s", (name, from, to) => {
    golden(`explain-${name}`, renderExplanation(explained(from, to)));
  });

  test.each([
    ["web", "db", 'invalid argument "db": need TO:PORT'],
    ["web", "db:http", 'invalid argument "db:http": need TO:PORT'],
    ["web", "db:70000", 'invalid argument "db:70000": need TO:PORT'],
    ["wbe", "db:80", 'Cannot find pod "wbe": did you mean "web.shop"?'],
    ["web.shp", "db:80", 'Cannot find pod "web.shp": did you mean "web.shop"?'],
    ["10.9.9.9", "db:80", 'Cannot find "10.9.9.9": no workload has this address'],
    ["web", "remot:80", 'no Service, pod or Deployment has this name; did you mean "remote.shop"?'],
    [
      "web",
      "svc/remot:80",
      'Cannot find Service "remot" in namespace shop, where shop/web-1 looks: did you mean "remote.shop"?',
    ],
    ["cron", "db:80", 'Cannot find Service "db" in namespace old, where old/cron-1 looks: did you mean "db.shop"?'],
    ["web", "svc/db.old:80", 'Cannot find Service "db.old": did you mean "db.shop"?'],
    ["web", "idle:80", 'Cannot dial "idle": it is headless, and no pod behind it is ready'],
  ])("%s to %s is refused", (from, to, message) => {
    expect(() => explained(from, to)).toThrow(message);
  });

  test.each(["db", "svc/db", "db.shop", "shop/db", "svc/db.shop", "db.shop.svc", "db.shop.svc.cluster.local"])(
    "%s is the Service",
    (name) => {
      expect(explained("web", `${name}:80`).dialled).toBe("10.96.0.9:80");
    },
  );

  test("while a policy's file is broken, what it said before holds; nobody gets in where nothing is known of before", async () => {
    const folder = (name: string): string => join(dir, "mesh", name);
    const folders = { applied: folder("applied"), observed: folder("observed"), controlPlane: folder("control-plane") };
    for (const path of [...Object.values(folders), folder("user")]) mkdirSync(path, { recursive: true });
    const file = join(folder("user"), "policies.yaml");
    writeFileSync(join(folders.observed, "objects.yaml"), OBJECTS.join("---\n"));
    writeFileSync(file, POLICIES.replace("ALLOW", "").replace("rules:", "ruels:"));
    const allowed = async (from: string): Promise<unknown> =>
      explained(from, "db:80", await readMeshView(viewSources(folders, folder("user")))).verdict.allowed;
    expect([await allowed("web"), await allowed("report")]).toEqual([false, false]);
    const kept = parseManifests(POLICIES, file).objects;
    writeFileSync(join(folders.controlPlane, "last-good.json"), formatKept(kept));
    expect([await allowed("web"), await allowed("report")]).toEqual([true, false]);
  });
});
