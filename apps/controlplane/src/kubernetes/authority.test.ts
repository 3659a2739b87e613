import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { splitBundle } from "@lateen/ca";
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
  remove,
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

  /** The roots of a control plane, once they stand in place of those of the test before. */
  const publishedBy = ({ plane }: ClusterPlane): Promise<string> =>
    eventually(async () => {
      const { rootsPem } = plane.debug.world.authority;
      return (await rootsIn(api, "shop")) === rootsPem ? rootsPem : undefined;
    }, WAIT);

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
    const before = await publishedBy(plane);
    await api.done("DELETE", pathOf(secret("istio-ca-secret")));
    const problems = async (): Promise<string> => JSON.stringify(await plane.debug("problems"));
    await eventually(async () => (await problems()).includes("istio-ca-secret: they are gone"), WAIT);
    expect(await rootsIn(api, "shop")).toBe(before);
    expect((await api.call("GET", pathOf(secret("istio-ca-secret")))).status).toBe(404);
  }, 60_000);

  test("is rotated by whichever replica, seen by all, and goes on only when every ztunnel of the cluster is there", async () => {
    const env = { LATEEN_CA_ROTATION_SETTLE: "0s" };
    await using one = await ClusterPlane.start(api, env);
    await eventually(() => one.leads, WAIT);
    await using two = await ClusterPlane.start(api, env);
    const before = await publishedBy(one);
    const { token } = await ztunnel(api);
    using ca = one.ca(before, token);
    const made = await ca.fetch("spiffe://cluster.local/ns/shop/sa/web", AbortSignal.timeout(10_000));
    expect(made.ok).toBe(true);
    type Page = { rotation: { phase: string; waitingFor: string[] }; roots: unknown[] };
    const of = (plane: ClusterPlane): Promise<Page> => plane.debug<Page>("ca");
    const post = (plane: ClusterPlane, what: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${plane.plane.debugPort}/debug/ca/${what}`, { method: "POST" });
    // The one that does not lead is asked.
    expect((await post(two, "rotate")).status).toBe(200);
    await eventually(async () => (await of(one)).rotation.phase === "distribute", WAIT);
    const both = splitBundle(await eventually(async () => notSame(await rootsIn(api, "shop"), before), WAIT));
    expect([both.length, both[0]]).toEqual([2, before]);
    for (const plane of [one, two]) {
      const { rotation, roots: told } = await of(plane);
      expect([rotation.phase, told.length]).toEqual(["distribute", 2]);
      expect(rotation.waitingFor.join()).toMatch(/ztunnel-n1-.*\.istio-system: is not connected/);
    }
    expect((await post(one, "rotate")).status).toBe(400);
    // What is waited for goes away, and so does the old root, step by step.
    const pods = await api.done<{ items: Written[] }>("GET", `/api/v1/namespaces/${SYSTEM}/pods`);
    for (const { metadata } of pods.items) await remove(api, podObject(metadata.name, { ns: SYSTEM, ip: "10.9.9.9" }));
    await eventually(async () => (await rootsIn(api, "shop")) === both[1], WAIT);
    for (const plane of [one, two]) await eventually(async () => (await of(plane)).rotation.phase === "none", WAIT);
    const { data } = await api.done<{ data: Record<string, string> }>("GET", pathOf(secret("istio-ca-secret")));
    expect(Buffer.from(data["ca-cert.pem"] ?? "", "base64").toString()).toBe(both[1]);
    expect(data["root-cert.pem"]).toBe(data["ca-cert.pem"]);
    expect(await two.debug("problems")).toEqual([]);
  }, 120_000);
});

const notSame = (text: string | null, before: string): string | undefined =>
  text === null || text === before ? undefined : text;
