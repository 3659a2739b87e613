import {
  type Authority,
  type Caller,
  type CaServiceOptions,
  type PodFacts,
  type PodView,
  type Proof,
  authenticateCaller,
  createCertificate,
  isMeantFor,
} from "@lateen/ca";
import { Oid, parseCertificates, uriNames } from "@lateen/certificates";
import { Code, MeshError, fail, ok } from "@lateen/errors";
import { formatIdentity } from "@lateen/identity";
import { createIstioCertificateRequest, structFromJson } from "@lateen/xds-types";
import { object, text, texts } from "../read-json.ts";
import { type Json, type JsonObject, type SuiteDriver, compare, unsupported } from "../suite-driver.ts";
import { NOW_MS, clientCertificate, pluggedAuthority, requestOf } from "./ca/test-authority.ts";
import { bearerTokenCase, kubernetesTokenCase, oidcTokenCase } from "./ca/token-cases.ts";

const TRUST_DOMAIN = "cluster.local";
const LIMIT_SEC = 3_600;

const OPS: Readonly<Record<string, (input: JsonObject) => JsonObject | Promise<JsonObject>>> = {
  impersonate: (i) => impersonated({ ...i, clusters: { only: i["pods"] ?? [] }, clusterIdHeader: "only" }),
  impersonateMulticluster: impersonated,
  createCertificateImpersonated: (i) => called(i, { authenticate: () => ok(callerOf(i)) }),
  createCertificate: (i) =>
    called(i, {
      authenticate: () =>
        i["authenticatedAs"] === null || i["authenticatedAs"] === "refuses"
          ? fail(new MeshError(Code.Denied, "nobody vouches for it"))
          : ok({ name: text(i["authenticatedAs"]), identity: null, pod: null, by: "token" }),
    }),
  createCertificateByClientCert: async (i) => called(i, { certificate: await certificateOf(i["verifiedChain"]) }),
  bearerToken: bearerTokenCase,
  kubernetesToken: kubernetesTokenCase,
  oidcToken: oidcTokenCase,
  audience: (i) => ({ result: isMeantFor(texts(i["token"]), texts(i["expected"])) }),
  signCsr: signed,
};

export const driver: SuiteDriver = {
  suite: "ca-service",
  async judge(c) {
    const op = text(c.input["op"]);
    const run = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
    if (run === undefined) return unsupported(`no operation ${op}`);
    const got = await run(c.input);
    const expected = object(c.expected);
    // The wording of errors is the peer's own; that there is one, is not.
    if ("error" in expected && !("allowed" in expected)) return compare("error" in got, expected["error"] !== false);
    const asked = Object.keys(expected).filter((key) => key !== "errorContains");
    const only = (o: JsonObject): JsonObject => Object.fromEntries(asked.map((key) => [key, o[key] ?? null]));
    return compare(only(got), only(expected));
  },
};

async function impersonated(input: JsonObject): Promise<JsonObject> {
  const requestMetadata = { ImpersonatedIdentity: input["requestedIdentity"] ?? "" };
  const { code } = await called({ ...input, requestMetadata }, { authenticate: () => ok(callerOf(input)) });
  return { allowed: code === "OK" };
}

/** One call of the service, as the case describes caller, cluster and authority. */
async function called(
  input: JsonObject,
  o: { readonly authenticate?: CaServiceOptions["authenticate"]; readonly certificate?: Uint8Array | null },
): Promise<JsonObject> {
  const { authority, csr, validityDuration } = await authorityOf(String(input["ca"] ?? "signs"));
  const removed = texts(input["removedClusters"]);
  const clusters = Object.entries(object(input["clusters"] ?? {})).filter(([name]) => !removed.includes(name));
  const views = new Map(clusters.map(([name, pods]) => [name, podViewOf(pods)]));
  const metadata = input["requestMetadata"];
  const request = createIstioCertificateRequest({
    csr,
    validityDuration,
    metadata: metadata === undefined ? null : structFromJson(object(metadata)),
  });
  const proof: Proof = {
    authorization: [],
    clusters: [text(input["clusterIdHeader"] ?? "")],
    certificate: o.certificate ?? null,
  };
  // No cluster is the local one: the cases name each.
  const names = { local: "", remotes: [...views.keys()] };
  const untold = (): never => {
    throw new Error("no token is brought");
  };
  const answer = await createCertificate(request, proof, {
    authority,
    authenticate:
      o.authenticate ??
      ((p) => authenticateCaller(p, { trustDomain: TRUST_DOMAIN, clusters: names, verifyToken: untold })),
    clusters: names,
    pods: (cluster) => views.get(cluster) ?? null,
    trustedNodeAccounts: texts(input["trustedNodeAccounts"]),
    log: { info: () => undefined, warn: () => undefined },
  });
  if (!answer.ok) return { code: codeName(answer.error.code) };
  const chain = parseCertificates(answer.value.certChain.join(""));
  if (!chain.ok) throw chain.error;
  const parts = chain.value.map((c) => (c.isCa ? (isSelfSigned(c) ? "root" : "chain") : "leaf"));
  return { code: "OK", certChain: parts, identity: uriNames(chain.value[0]!)[0] ?? "" };
}

const isSelfSigned = (c: { readonly issuer: Uint8Array; readonly subject: Uint8Array }): boolean =>
  Buffer.compare(c.issuer, c.subject) === 0;

/** `UNAUTHENTICATED` as the cases write it: `Unauthenticated`. */
const codeName = (code: string): string =>
  code.toLowerCase().replaceAll(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());

/** What a case's authority does with what it is asked; where it is to refuse, it is asked for what it refuses. */
async function authorityOf(
  ca: string,
): Promise<{ readonly authority: Authority; readonly csr: string; readonly validityDuration: number }> {
  const authority = await pluggedAuthority({ trustDomain: TRUST_DOMAIN, maxTtlSec: LIMIT_SEC });
  const csr = await requestOf("ECDSA", "spiffe://different.com/test");
  const validityDuration = ca.includes("TTL") ? LIMIT_SEC + 1 : 60;
  if (ca.includes("CSR")) return { authority, csr: "words", validityDuration };
  if (!ca.startsWith("error") || ca.includes("TTL")) return { authority, csr, validityDuration };
  const sign: Authority["sign"] = ca.includes("ready")
    ? () => Promise.resolve(fail(new MeshError(Code.Unavailable, ca)))
    : () => Promise.reject(new Error(ca));
  return { authority: { ...authority, sign }, csr, validityDuration };
}

function callerOf(input: JsonObject): Caller {
  const caller = object(input["caller"]);
  const namespace = text(caller["podNamespace"]);
  const identity = { trustDomain: TRUST_DOMAIN, namespace, serviceAccount: text(caller["podServiceAccount"]) };
  const pod = { name: text(caller["podName"]), uid: text(caller["podUid"]) };
  return { name: formatIdentity(identity), identity, pod: pod.name === "" ? null : pod, by: "token" };
}

function podViewOf(pods: Json): PodView {
  const facts = (pods as readonly Json[]).map((p): PodFacts => {
    const { name, namespace, uid, serviceAccount, node, phase } = object(p);
    return {
      name: text(name),
      namespace: text(namespace),
      uid: text(uid ?? ""),
      serviceAccount: text(serviceAccount),
      node: text(node ?? ""),
      phase: text(phase ?? "Running"),
    };
  });
  return {
    pod: (namespace, name) => facts.find((p) => p.namespace === namespace && p.name === name) ?? null,
    podsOnNode: (node) => facts.filter((p) => p.node === node),
  };
}

/** `not-tls` and an empty chain prove nothing; a certificate is described by its names. */
async function certificateOf(chain: Json | undefined): Promise<Uint8Array | null> {
  const described = Array.isArray(chain) ? texts(chain) : [];
  if (described.length === 0) return null;
  return clientCertificate(described.flatMap((d) => /^URI SAN (.+)$/.exec(d)?.slice(1) ?? []));
}

const USAGES: Readonly<Record<string, string>> = { [Oid.ClientAuth]: "clientAuth", [Oid.ServerAuth]: "serverAuth" };

async function signed(input: JsonObject): Promise<JsonObject> {
  const csr = object(input["csr"]);
  const authority = await pluggedAuthority({
    trustDomain: TRUST_DOMAIN,
    maxTtlSec: Number(input["maxTtlSeconds"]),
  });
  const answer = await authority.sign({
    csrPem: await requestOf(text(csr["key"]), text(csr["subjectAltName"] ?? "spiffe://different.com/test")),
    names: [{ t: "uri", value: text(input["authenticatedIdentity"]) }],
    ttlSec: Number(input["requestedTtlSeconds"]),
    authority: input["forCa"] === true,
  });
  if (!answer.ok) return { error: answer.error.message };
  const parsed = parseCertificates(answer.value[0] ?? "");
  if (!parsed.ok) throw parsed.error;
  const [leaf] = parsed.value;
  if (leaf === undefined) throw new Error("the answer has no leaf");
  return {
    keyUsage: leaf.keyUsages ?? [],
    extKeyUsage: (leaf.extKeyUsages ?? []).map((id) => USAGES[id] ?? id).toSorted(),
    ca: leaf.isCa,
    subjectAltName: { uri: uriNames(leaf) },
    validSeconds: (leaf.notAfterMs - NOW_MS) / 1_000,
    backdatedSeconds: (NOW_MS - leaf.notBeforeMs) / 1_000,
  };
}
