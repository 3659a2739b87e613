import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiServer, crdOf, requireApiServer, serviceAccountToken, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApiClient } from "./api-client.ts";
import { kubeconfigAccess, podAccess } from "./credentials.ts";
import { clientOf, logTo, makeNamespace } from "./kube.test.support.ts";
import { followResources } from "./resource-follower.ts";

describe.skipIf(requireApiServer())("access to a real API server", () => {
  let api: ApiServer;
  let dir: string;

  beforeAll(async () => {
    api = await startApiServer();
    dir = mkdtempSync(join(tmpdir(), "lateen-access-"));
    await makeNamespace(api, "mesh");
    const metadata = { name: "plane", namespace: "mesh" };
    await api.done("POST", "/api/v1/namespaces/mesh/serviceaccounts", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata,
    });
    await api.done("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "plane" },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }],
    });
    await api.done("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "plane" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "plane" },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  const AUDIENCES = ["https://kubernetes.default.svc"];
  const token = (): Promise<string> =>
    serviceAccountToken(api, { namespace: "mesh", name: "plane" }, { audiences: AUDIENCES });
  const env = (): Record<string, string> => ({
    KUBERNETES_SERVICE_HOST: api.address,
    KUBERNETES_SERVICE_PORT: new URL(api.url).port,
  });

  test("of a pod: its token and its authority; a token that the server refuses is read anew", async () => {
    writeFileSync(join(dir, "namespace"), "mesh");
    writeFileSync(join(dir, "ca.crt"), api.caPem);
    writeFileSync(join(dir, "token"), `${await token()}x\n`); // revoked, as far as the server is concerned
    const access = await podAccess(env(), { nowMs: Date.now, folder: dir });
    expect(access?.namespace).toBe("mesh");
    using client = createApiClient(access!, { userAgent: "test" });
    const call = () => client.json({ path: "/api/v1/namespaces/mesh/pods" });
    expect(await call()).toMatchObject({ ok: false, error: { status: 401 } });
    writeFileSync(join(dir, "token"), `${await token()}\n`);
    await eventually(async () => (await call()).ok, { what: "the new token to be used and its rights to be known" });
    expect((await client.json({ path: "/api/v1/secrets" })).ok).toBe(false);
  });

  test("a process outside of a cluster, or without an account, has none", async () => {
    expect(await podAccess({}, { nowMs: Date.now })).toBeNull();
    expect(await podAccess(env(), { nowMs: Date.now, folder: join(dir, "nowhere") })).toBeNull();
  });

  test("a server with another authority is not talked to", async () => {
    const other = mkdtempSync(join(tmpdir(), "lateen-access-"));
    writeFileSync(join(other, "namespace"), "mesh");
    writeFileSync(join(other, "ca.crt"), "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    writeFileSync(join(other, "token"), await token());
    const access = await podAccess(env(), { nowMs: Date.now, folder: other });
    using client = createApiClient(access!, { userAgent: "test" });
    expect(await client.json({ path: "/version" })).toMatchObject({ ok: false, error: { t: "connection" } });
    rmSync(other, { recursive: true });
  });

  test.each([
    ["no such file", () => join(dir, "none"), /Cannot read kubeconfig/],
    ["no YAML", () => (writeFileSync(join(dir, "bad"), "{"), join(dir, "bad")), /Cannot read kubeconfig/],
    [
      "no cluster",
      () => (writeFileSync(join(dir, "empty"), "clusters: []\nusers: []\ncontexts: []"), join(dir, "empty")),
      /names no cluster/,
    ],
  ])("a kubeconfig that is %s", async (_name, file, message) => {
    await expect(kubeconfigAccess(file())).rejects.toThrow(message);
  });

  test("by an exec plugin, as clouds have it", async () => {
    const plugin = join(dir, "plugin.json");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: api.adminToken },
    };
    writeFileSync(plugin, JSON.stringify(credential));
    const ca = Buffer.from(api.caPem).toString("base64");
    const config = {
      clusters: [{ name: "c", cluster: { server: api.url, "certificate-authority-data": ca } }],
      users: [
        {
          name: "u",
          user: { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "cat", args: [plugin] } },
        },
      ],
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "mesh" } }],
      "current-context": "x",
    };
    writeFileSync(join(dir, "exec"), JSON.stringify(config));
    const access = await kubeconfigAccess(join(dir, "exec"));
    expect(access.namespace).toBe("mesh");
    using client = createApiClient(access, { userAgent: "test" });
    expect((await client.json({ path: "/api/v1/secrets" })).ok).toBe(true);
  });

  test("a call ends with its signal, at its deadline, and with its client", async () => {
    const proxy = await api.proxy();
    proxy.intercept = () => "hang";
    const client = await clientOf(api, { url: proxy.url });
    const stop = new AbortController();
    const stopped = client.json({ path: "/version", signal: stop.signal });
    await eventually(() => proxy.seen.length === 1);
    stop.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow("enough");
    expect(await client.json({ path: "/version", deadlineMs: 50 })).toMatchObject({
      ok: false,
      error: { t: "timeout" },
    });
    const open = client.json({ path: "/version" });
    await eventually(() => proxy.seen.length === 3);
    client[Symbol.dispose]();
    expect(await open).toMatchObject({ ok: false });
  });

  test("kinds of the mesh are followed, and found as soon as their definitions come", async () => {
    using client = await clientOf(api);
    const seen: string[] = [];
    using follower = followResources({
      client,
      kinds: ["Namespace", "ServiceEntry"],
      onChange: (kind, changes) => seen.push(...changes.map((c) => `${kind} ${c.key}`)),
      log: logTo([]),
    });
    await follower.synced();
    expect(follower.of("ServiceEntry").describe().phase).toBe("absent");
    const kind = {
      group: "networking.istio.io",
      kind: "ServiceEntry",
      plural: "serviceentries",
      versions: ["v1beta1"],
    };
    await api.done("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crdOf(kind));
    const entry = {
      apiVersion: "networking.istio.io/v1beta1",
      kind: "ServiceEntry",
      metadata: { name: "e", namespace: "mesh" },
      spec: { hosts: ["a.example"] },
    };
    await eventually(
      async () =>
        (await api.call("POST", "/apis/networking.istio.io/v1beta1/namespaces/mesh/serviceentries", entry)).status ===
        201,
    );
    await eventually(() => seen.includes("ServiceEntry mesh/e"));
    expect(follower.of("ServiceEntry").servedVersion).toBe("v1beta1");
    expect(seen).toContain("Namespace mesh");
  });
});
