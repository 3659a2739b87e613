import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import { openAuthority } from "@lateen/ca";
import { createSigner, encodePem, exportPrivateKey, generateKeyPair, issueRoot } from "@lateen/certificates";
import { type ApiClient, createApiClient, kubeconfigAccess } from "@lateen/kube";
import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SYSTEM, put, remove } from "./cluster.test.support.ts";
import { SecretChanged, SecretStore } from "./secret-store.ts";

const NOW = Date.now();
const meta = { apiVersion: "v1", kind: "Secret" } as const;
const secret = (name: string, data: Readonly<Record<string, string>>) => ({
  ...meta,
  metadata: { name, namespace: SYSTEM },
  data: Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Buffer.from(v).toString("base64")])),
});

async function made(): Promise<{ readonly keyPem: string; readonly certPem: string }> {
  const keys = await generateKeyPair(webcrypto);
  const signer = await createSigner(webcrypto, keys);
  const root = await issueRoot(webcrypto, { signer, organization: "somebody", nowMs: NOW, ttlSec: 86_400 });
  return { keyPem: await exportPrivateKey(webcrypto, keys), certPem: encodePem("CERTIFICATE", root.der) };
}

describe.skipIf(requireApiServer())("signing material in Secrets", () => {
  let api: ApiServer;
  let client: ApiClient;

  beforeAll(async () => {
    api = await startApiServer();
    client = createApiClient(await kubeconfigAccess(api.kubeconfig()), { userAgent: "test" });
    await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: SYSTEM } });
  });
  afterEach(async () => {
    for (const name of ["istio-ca-secret", "cacerts"])
      await api.call("DELETE", `/api/v1/namespaces/${SYSTEM}/secrets/${name}`);
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await api[Symbol.asyncDispose]();
  });
  const open = async (): Promise<string> =>
    (await openAuthority({ keys: await SecretStore.open(client, SYSTEM), trustDomain: "td", nowMs: () => NOW }))
      .rootsPem;

  test("are made once, as Istio would, and are the same ever after", async () => {
    const first = await open();
    expect(await open()).toBe(first);
    const { data, type } = await api.done<{ data: Record<string, string>; type: string }>(
      "GET",
      `/api/v1/namespaces/${SYSTEM}/secrets/istio-ca-secret`,
    );
    expect(type).toBe("istio.io/ca-root");
    expect(data["root-cert.pem"]).toBe(data["ca-cert.pem"]);
    expect(Buffer.from(data["root-cert.pem"]!, "base64").toString()).toBe(first);
  });

  test("of two replicas that begin together one is told that the other was faster, and then finds its root", async () => {
    const [a, b] = [await SecretStore.open(client, SYSTEM), await SecretStore.open(client, SYSTEM)];
    const keys = { trustDomain: "td", nowMs: () => NOW };
    const first = await openAuthority({ keys: a, ...keys });
    await expect(openAuthority({ keys: b, ...keys })).rejects.toThrow(SecretChanged);
    expect(await open()).toBe(first.rootsPem);
  });

  test("that somebody else made come first, and are never written", async () => {
    await open();
    const { keyPem, certPem } = await made();
    await put(
      api,
      secret("cacerts", {
        "ca-key.pem": keyPem,
        "ca-cert.pem": certPem,
        "root-cert.pem": certPem,
        "cert-chain.pem": "",
      }),
    );
    expect(await open()).toBe(certPem);
    const store = await SecretStore.open(client, SYSTEM);
    await expect(store.write("ca-cert.pem", "x")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("are read by cert-manager's names too", async () => {
    const { keyPem, certPem } = await made();
    await put(api, secret("cacerts", { "tls.key": keyPem, "tls.crt": certPem, "ca.crt": certPem }));
    expect(await open()).toBe(certPem);
  });

  test.each([
    ["nonsense", { "ca-key.pem": "x", "ca-cert.pem": "y", "root-cert.pem": "z" }],
    ["a certificate without its key", { "ca-cert.pem": "y" }],
  ])("that hold %s are refused, by name", async (_name, data) => {
    await put(api, secret("cacerts", data));
    await expect(open()).rejects.toThrow(/Secret istio-system\/cacerts/);
    await remove(api, secret("cacerts", {}));
  });
});
