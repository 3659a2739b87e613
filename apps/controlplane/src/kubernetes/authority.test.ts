import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type SigningMaterial, makeRoot } from "../signing-material.test.support.ts";
import {
  ClusterPlane,
  SYSTEM,
  type Written,
  pathOf,
  podObject,
  prepareCluster,
  put,
  roots,
  rootsIn,
  ztunnel,
} from "./cluster.test.support.ts";

const WAIT = { deadlineMs: 30_000 };
const WEBHOOK: Written = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  metadata: { name: "ours", labels: { "istio.io/rev": "default" } },
};
const secret = (name: string): Written => ({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: SYSTEM } });

describe.skipIf(requireApiServer())("an authority in Secrets that change while the control plane runs", () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
    await put(api, podObject("web", { ip: "10.0.0.2" }));
    const service = { namespace: SYSTEM, name: "istiod", path: "/validate" };
    const rules = [{ apiGroups: ["x.test"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] }];
    await put(api, {
      ...WEBHOOK,
      webhooks: [
        { name: "v.ours.test", clientConfig: { service }, rules, sideEffects: "None", admissionReviewVersions: ["v1"] },
      ],
    } as Written);
  });
  afterEach(async () => {
    for (const name of ["cacerts", "istio-ca-secret"]) await api.call("DELETE", pathOf(secret(name)));
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const plugIn = (signs: SigningMaterial, trusted: readonly string[]): Promise<unknown> => {
    const files = { "ca-key.pem": signs.keyPem, "ca-cert.pem": signs.certPem, "root-cert.pem": trusted.join("") };
    const data = Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString("base64")]);
    return put(api, { ...secret("cacerts"), data: Object.fromEntries(data) as Record<string, string> });
  };
  async function bundle(): Promise<string> {
    const { webhooks } = await api.done<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
      "GET",
      pathOf(WEBHOOK),
    );
    return Buffer.from(webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString();
  }

  test("is followed: ConfigMaps of all namespaces, webhooks, certificates; what does not fit is refused and told", async () => {
    const [old, next] = [await makeRoot(), await makeRoot()];
    await plugIn(old, [old.certPem]);
    await using plane = await ClusterPlane.start(api);
    await eventually(async () => (await rootsIn(api, "shop")) === old.certPem, WAIT);
    const both = old.certPem + next.certPem;
    await plugIn(old, [both]);
    for (const namespace of [SYSTEM, "shop", "default"])
      await eventually(async () => (await rootsIn(api, namespace)) === both, WAIT);
    await eventually(async () => (await bundle()) === both, WAIT);
    // One step too many: the old root goes in the moment in which another signs.
    const stranger = await makeRoot();
    await plugIn(stranger, [stranger.certPem]);
    const why = /Cannot take the new keys in Secret istio-system\/cacerts, the old ones stay: its roots lack/;
    await eventually(async () => why.test(JSON.stringify(await plane.debug("problems"))), WAIT);
    expect(await rootsIn(api, "shop")).toBe(both);
    expect(plane.lines.filter((line) => why.test(line))).toHaveLength(1);
    await plugIn(next, [both]);
    const { token } = await ztunnel(api);
    using ca = plane.ca(both, token);
    const signed = async (): Promise<boolean> => {
      const made = await ca.fetch("spiffe://cluster.local/ns/shop/sa/web", AbortSignal.timeout(10_000));
      if (!made.ok) throw made.error;
      return new X509Certificate(made.value.chainPem).verify(new X509Certificate(next.certPem).publicKey);
    };
    await eventually(signed, WAIT);
    await plugIn(next, [next.certPem]);
    await eventually(async () => (await rootsIn(api, "shop")) === next.certPem, WAIT);
    expect(await plane.debug("problems")).toEqual([]);
  }, 120_000);

  test("of a Secret that was deleted the last good state goes on, and it says so", async () => {
    await using plane = await ClusterPlane.start(api);
    const before = await roots(api, "shop");
    await api.done("DELETE", pathOf(secret("istio-ca-secret")));
    const problems = async (): Promise<string> => JSON.stringify(await plane.debug("problems"));
    await eventually(async () => (await problems()).includes("istio-ca-secret: they are gone"), WAIT);
    expect(await rootsIn(api, "shop")).toBe(before);
    expect((await api.call("GET", pathOf(secret("istio-ca-secret")))).status).toBe(404);
  }, 60_000);
});
