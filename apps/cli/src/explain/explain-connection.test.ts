import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { golden } from "@lateen/testkit";
import { explainConnection } from "./explain-connection.ts";
import { findDestination, findWorkload } from "./find-ends.ts";
import { readMeshView } from "./mesh-view.ts";
import { renderExplanation } from "./render-explanation.ts";

const pod = (namespace: string, name: string, ip: string, captured: boolean): string => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}-1
  namespace: ${namespace}
  labels: { app: ${name}, service.istio.io/workload-name: ${name} }
  annotations: ${captured ? '{ ambient.istio.io/redirection: "enabled" }' : "{}"}
spec: { nodeName: node-1, serviceAccountName: ${name}, containers: [{ name: c }] }
status: { phase: Running, podIP: ${ip}, conditions: [{ type: Ready, status: "True" }] }
---`;
const MESH = `${pod("shop", "web", "10.0.0.1", true)}${pod("shop", "db", "10.0.0.2", true)}${pod("shop", "report", "10.0.0.3", true)}${pod("old", "cron", "10.0.0.4", false)}
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { clusterIP: 10.96.0.9, selector: { app: db }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-web, namespace: shop }
spec:
  selector: { matchLabels: { app: db } }
  rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }] }]
`;

describe("explain", () => {
  const dir = mkdtempSync(join(tmpdir(), "lateen-explain-"));
  let view: Awaited<ReturnType<typeof readMeshView>>;
  beforeAll(async () => {
    writeFileSync(join(dir, "mesh.yaml"), MESH);
    view = await readMeshView([dir]);
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const explained = (from: string, to: string): ReturnType<typeof explainConnection> => {
    const workload = findWorkload(view.workloads, from);
    const destination = findDestination(view.workloads, to, workload);
    return explainConnection(view, { from: workload, to: destination, random: () => 0 });
  };

  test.each([
    ["web", "db:80", true, "allowed by: shop/only-web"],
    ["report", "db:80", false, "allow policies exist, but none allowed"],
    ["cron", "db.shop:80", false, "explicitly denied by: istio-system/istio_converted_static_strict"],
    ["web", "cron.old:80", true, "nobody judges: the receiver is not in the mesh"],
    ["web", "db:81", false, "no healthy upstream: 10.96.0.9:81"],
    ["web", "203.0.113.7:443", true, "nobody judges: the receiver is not in the mesh"],
    ["web", "10.0.0.2:15008", false, "503: attempted recursive call to ourselves"],
  ])("%s to %s", (from, to, allowed, why) => {
    expect(explained(from, to).verdict).toEqual({ allowed, why });
  });

  test("says who, how and why in words", () => {
    golden(
      "explain",
      ["web", "report", "cron.old"].map((from) => renderExplanation(explained(from, "db.shop:80"))).join("\n"),
    );
  });

  test.each([
    ["db", 'Cannot read "db": need TO:PORT'],
    ["db:http", 'Cannot read "db:http": need TO:PORT'],
    ["nothing:80", 'Cannot find pod "nothing"'],
  ])("refuses %s as a destination", (to, message) => {
    expect(() => explained("web", to)).toThrow(message);
  });
});
