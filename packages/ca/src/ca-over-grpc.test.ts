import { Buffer } from "node:buffer";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, type Server, createServer as createTcpServer } from "node:net";
import { type TLSSocket, connect, createServer } from "node:tls";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import {
  createSigner,
  createSigningRequest,
  generateKeyPair,
  verifyClientIdentity,
  verifyServerIdentity,
} from "@lateen/certificates";
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  createCertificateMethod,
  createIstioCertificateRequest,
  structFromJson,
} from "@lateen/xds-types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CaClient, type CaClientOptions, createCaClient } from "./ca-client.ts";
import { type TestCa, startTestCa } from "./suite.ts";
import type { WorkloadCertificate } from "./workload-certificate.ts";

const SA = "spiffe://td/ns/ns/sa/sa";
const ZTUNNEL = "spiffe://td/ns/istio-system/sa/ztunnel";
let ca: TestCa;
let client: CaClient;
beforeEach(async () => {
  ca = await startTestCa();
  client = open();
});
afterEach(async () => {
  client[Symbol.dispose]();
  await ca[Symbol.asyncDispose]();
});
function open(change: Partial<CaClientOptions> = {}): CaClient {
  const { address, rootFile, tokenFile } = ca;
  return createCaClient({
    address,
    rootFile,
    tokenFile,
    clusterId: "Kubernetes",
    mode: "shared",
    ttlSec: 3_600,
    ...change,
  });
}
async function get(identity: string, of = client): Promise<WorkloadCertificate> {
  const r = await of.fetch(identity);
  if (!r.ok) throw r.error;
  return r.value;
}
async function refusal(identity: string, of = client): Promise<string> {
  const r = await of.fetch(identity);
  return r.ok ? "issued" : `${r.error.code} ${r.error.message}`;
}

describe("a node proxy gets", () => {
  test("a certificate of an identity on its node", async () => {
    const own = await get(SA);
    const leaf = new X509Certificate(own.chainPem);
    expect([own.identity, leaf.subjectAltName]).toEqual([SA, `URI:${SA}`]);
    expect(leaf.checkPrivateKey(createPrivateKey(own.keyPem))).toBe(true);
    expect(own.rootsPem.join("")).toBe(ca.authority.rootsPem);
    expect(own.notAfterMs - own.notBeforeMs).toBe(3_720_000);
  });
  test("one by the address of the authority, if its certificate names that", async () => {
    const { port } = new URL(ca.address);
    using byAddress = open({ address: `https://127.0.0.1:${port}` });
    expect((await get(SA, byAddress)).identity).toBe(SA);
    using byOther = open({ address: `https://127.0.0.2:${port}`, timeoutMs: 2_000 });
    expect(await refusal(SA, byOther)).toMatch(/^(UNAVAILABLE|TIMEOUT) /);
    using byName = open({ address: `https://127.0.0.1:${port}`, alternativeHostname: "localhost" });
    expect((await get(SA, byName)).identity).toBe(SA);
    using byWrongName = open({
      address: `https://127.0.0.1:${port}`,
      alternativeHostname: "other.example",
      timeoutMs: 2_000,
    });
    expect(await refusal(SA, byWrongName)).toMatch(/^(UNAVAILABLE|TIMEOUT) /);
  });
  for (const address of ["", "words", "http://127.0.0.1:1", "127.0.0.1:15012"])
    test(`nothing from ${JSON.stringify(address)}`, async () => {
      using wrong = open({ address });
      expect(await refusal(SA, wrong)).toMatch(/^BAD_INPUT Cannot use address/);
    });
  test("another key each time", async () => expect((await get(SA)).keyPem).not.toBe((await get(SA)).keyPem));
  test("its own identity when it names none", async () => {
    using dedicated = open({ mode: "dedicated" });
    expect((await get("spiffe://td/ns/whatever/sa/x", dedicated)).identity).toBe(ZTUNNEL);
  });
  test("a certificate as soon as the authority knows the pod", async () => {
    const late = "spiffe://td/ns/ns/sa/late";
    expect(await refusal(late)).toContain("UNAUTHENTICATED");
    ca.pods.push({
      name: "late",
      namespace: "ns",
      uid: "p9",
      serviceAccount: "late",
      node: "node-a",
      phase: "Pending",
    });
    expect((await get(late)).identity).toBe(late);
  });
});

describe("is refused, and only the log says why", () => {
  const impersonation =
    "UNAVAILABLE The authority gave no certificate: UNAUTHENTICATED: request impersonation authentication failure";
  const authentication = "UNAVAILABLE The authority gave no certificate: UNAUTHENTICATED: request authenticate failure";
  for (const [name, token, identity, message, why] of [
    ["an identity of another node", {}, "spiffe://td/ns/ns/sa/elsewhere", impersonation, "no instances"],
    ["a foreign trust domain", {}, "spiffe://evil/ns/ns/sa/sa", impersonation, "trust domain evil"],
    ["a text that is no identity", {}, "words", impersonation, "Cannot parse identity"],
    [
      "an application that impersonates",
      { namespace: "ns", serviceAccount: "sa" },
      ZTUNNEL,
      impersonation,
      "not a trusted node account",
    ],
    ["a token of an earlier pod", { pod: { name: "ztunnel-a", uid: "old" } }, SA, impersonation, "UID does not match"],
    ["a token without a pod", { pod: null }, SA, impersonation, "not bound to one"],
  ] as const)
    test(name, async () => {
      await writeFile(ca.tokenFile, ca.token(token));
      expect(await refusal(identity)).toBe(message);
      expect(ca.logged.at(-1)).toMatchObject({
        message: "certificate refused",
        why: expect.stringContaining(why) as string,
      });
    });

  test("a token for another audience", async () => {
    await writeFile(ca.tokenFile, ca.token({}, ["vault"]));
    expect(await refusal(SA)).toBe(authentication);
    expect(ca.logged.at(-1)?.why).toContain("not for audience istio-ca");
  });
  test("another cluster", async () => {
    using other = open({ clusterId: "elsewhere" });
    expect(await refusal(SA, other)).toBe(authentication);
  });
  test("a lifetime over the limit, with the reason", async () => {
    using greedy = open({ ttlSec: 100 * 86_400 });
    expect(await refusal(SA, greedy)).toMatch(
      /INVALID_ARGUMENT: Cannot issue: lifetime of 8640000 s is over the limit/,
    );
  });
});

describe("files of the client", () => {
  test("the token is read anew for each request", async () => {
    await writeFile(ca.tokenFile, "words");
    expect(await refusal(SA)).toContain("UNAUTHENTICATED");
    await writeFile(ca.tokenFile, ca.token());
    expect((await get(SA)).identity).toBe(SA);
  });
  test("no token, no request", async () => {
    await rm(ca.tokenFile);
    expect(await refusal(SA)).toMatch(/^UNAVAILABLE Cannot read the token, .*token/);
  });
  test("a root that is gone keeps the channel that is open", async () => {
    await get(SA);
    await rm(ca.rootFile);
    expect((await get(SA)).identity).toBe(SA);
  });
  test("no root at the start", async () => {
    await rm(ca.rootFile);
    expect(await refusal(SA)).toMatch(/^UNAVAILABLE Cannot read the root certificate, /);
  });
  test("a new root opens a new channel", async () => {
    await using other = await startTestCa();
    await get(SA);
    await writeFile(ca.rootFile, other.authority.rootsPem);
    expect(await refusal(SA)).toMatch(/^(UNAVAILABLE|TIMEOUT) /);
    await writeFile(ca.rootFile, ca.authority.rootsPem);
    expect((await get(SA)).identity).toBe(SA);
  });
});

describe("an authority that does not answer", () => {
  let silent: Server;
  let address: string;
  beforeEach(async () => {
    silent = createTcpServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  afterEach(() => silent.close());
  test("is given up at the deadline", async () => {
    using slow = open({ address, timeoutMs: 50 });
    expect(await refusal(SA, slow)).toMatch(/^TIMEOUT /);
  });
  test("is given up when the caller does", async () => {
    using slow = open({ address });
    const controller = new AbortController();
    const answer = slow.fetch(SA, controller.signal);
    setImmediate(() => controller.abort());
    const r = await answer;
    expect(r.ok ? "issued" : r.error.code).toBe("UNAVAILABLE");
  });
});

describe("proof by certificate", () => {
  const raw = async (own: WorkloadCertificate | null, wanted?: string): Promise<string> => {
    const keys = await createSigner(globalThis.crypto, await generateKeyPair(globalThis.crypto));
    const csr = await createSigningRequest(keys, []);
    const metadata = wanted === undefined ? null : structFromJson({ ImpersonatedIdentity: wanted });
    const ssl = credentials.createSsl(
      Buffer.from(ca.authority.rootsPem),
      own === null ? null : Buffer.from(own.keyPem),
      own === null ? null : Buffer.from(own.chainPem),
    );
    const grpc = new Client(new URL(ca.address).host, ssl, { "grpc.use_local_subchannel_pool": 1 });
    const headers = new Metadata();
    headers.set("clusterid", "Kubernetes");
    const { path, requestSerialize, responseDeserialize } = createCertificateMethod;
    try {
      return await new Promise((resolve) => {
        grpc.makeUnaryRequest<IstioCertificateRequest, IstioCertificateResponse>(
          path,
          (m) => Buffer.from(requestSerialize(m)),
          responseDeserialize,
          createIstioCertificateRequest({ csr, metadata }),
          headers,
          (error, answer) =>
            resolve(
              error === null ? (new X509Certificate(answer?.certChain[0] ?? "").subjectAltName ?? "") : error.details,
            ),
        );
      });
    } finally {
      grpc.close();
    }
  };
  test("renews the identity that it names, and may not take another", async () => {
    const own = await get(SA);
    expect(await raw(own)).toBe(`URI:${SA}`);
    expect(await raw(own, ZTUNNEL)).toBe("request impersonation authentication failure");
  });
  test("even the node proxy needs its token to impersonate", async () => {
    using dedicated = open({ mode: "dedicated" });
    expect(await raw(await get(ZTUNNEL, dedicated), SA)).toBe("request impersonation authentication failure");
  });
  test("of another authority is worth nothing", async () => {
    await using other = await startTestCa();
    const { address, rootFile, tokenFile } = other;
    using stranger = createCaClient({
      address,
      rootFile,
      tokenFile,
      clusterId: "Kubernetes",
      mode: "shared",
      ttlSec: 60,
    });
    expect(await raw(await get(SA, stranger))).toBe("request authenticate failure");
  });
  test("none at all", async () => expect(await raw(null)).toBe("request authenticate failure"));
});

test("both sides of a real TLS 1.3 handshake know each other by what was issued", async () => {
  const [server, caller] = [await get(SA), await get(ZTUNNEL)];
  const tls = (own: WorkloadCertificate): { key: string; cert: string; ca: string[]; minVersion: "TLSv1.3" } => ({
    key: own.keyPem,
    cert: own.chainPem,
    ca: [...own.rootsPem],
    minVersion: "TLSv1.3",
  });
  const listener = createServer({ ...tls(server), requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const accepted = once(listener, "secureConnection") as Promise<[TLSSocket]>;
  const { port } = listener.address() as AddressInfo;
  const near = connect({
    ...tls(caller),
    port,
    host: "127.0.0.1",
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  });
  const [[far]] = await Promise.all([accepted, once(near, "secureConnect")]);
  expect([near.authorized, far.authorized, near.getProtocol()]).toEqual([true, true, "TLSv1.3"]);
  expect(verifyServerIdentity([near.getPeerCertificate().raw], [SA])).toMatchObject({ ok: true });
  expect(verifyClientIdentity([far.getPeerCertificate().raw], "td")).toMatchObject({
    ok: true,
    value: { serviceAccount: "ztunnel" },
  });
  near.destroy();
  far.destroy();
  listener.close();
});
