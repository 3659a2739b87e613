import { type Issuer, issueCertificate, issueIntermediate, issueRoot } from "./issue.ts";
import { Oid } from "./oids.ts";
import { encodePem } from "./pem.ts";
import { exportPrivateKey, generateKeyPair } from "./private-key.ts";
import { createSigner } from "./signature.ts";

const DAY_MS = 86_400_000;
const YEAR_SEC = 365 * 86_400;

/** A root with an intermediate under it. */
async function authority(name: string, nowMs: number) {
  const signer = await createSigner(crypto, await generateKeyPair(crypto));
  const root = await issueRoot(crypto, { signer, organization: name, nowMs, ttlSec: YEAR_SEC });
  const below = await createSigner(crypto, await generateKeyPair(crypto));
  const intermediate = await issueIntermediate(crypto, {
    issuer: { certificate: root, signer },
    publicKey: below.publicKey,
    organization: name,
    nowMs,
    ttlSec: YEAR_SEC,
  });
  const issuer: Issuer = { certificate: intermediate, signer: below };
  return { root, intermediate, issuer };
}

/** Key, chain (leaf first) and roots of one peer. */
export interface TestCredentials {
  /** PKCS#8. */
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: readonly string[];
}

/** Throw-away peers, for tests and benches of whatever speaks TLS. All but `stranger` chain to the same root, which all trust. */
export interface TestPeers {
  readonly client: TestCredentials;
  readonly server: TestCredentials;
  /** A chain under a root that nobody else trusts. */
  readonly stranger: TestCredentials;
  readonly expired: TestCredentials;
  /** Its leaf is for servers only. */
  readonly serverOnly: TestCredentials;
}

/** Makes the peers, with P-256 keys and an intermediate each. @param nowMs when they are valid, but for `expired` */
export async function testCredentials(nowMs: number): Promise<TestPeers> {
  const [mesh, other] = [await authority("mesh", nowMs), await authority("other", nowMs)];
  const rootsPem = [encodePem("CERTIFICATE", mesh.root.der)];
  const both = [Oid.ServerAuth, Oid.ClientAuth];
  const leaf = async (
    ca: typeof mesh,
    account: string,
    o: { agoMs: number; forMs: number; use: readonly string[] },
  ): Promise<TestCredentials> => {
    const keys = await generateKeyPair(crypto);
    const certificate = await issueCertificate(crypto, {
      issuer: ca.issuer,
      publicKey: (await createSigner(crypto, keys)).publicKey,
      sans: [{ t: "uri", value: `spiffe://cluster.local/ns/default/sa/${account}` }],
      notBeforeMs: nowMs - o.agoMs,
      notAfterMs: nowMs - o.agoMs + o.forMs,
      keyUsages: ["digitalSignature"],
      extKeyUsages: o.use,
    });
    const chainPem = [certificate, ca.intermediate].map((c) => encodePem("CERTIFICATE", c.der)).join("");
    return { keyPem: await exportPrivateKey(crypto, keys), chainPem, rootsPem };
  };
  const now = { agoMs: 60_000, forMs: DAY_MS, use: both };
  return {
    client: await leaf(mesh, "client", now),
    server: await leaf(mesh, "server", now),
    stranger: await leaf(other, "client", now),
    expired: await leaf(mesh, "client", { ...now, agoMs: 2 * DAY_MS }),
    serverOnly: await leaf(mesh, "client", { ...now, use: [Oid.ServerAuth] }),
  };
}
