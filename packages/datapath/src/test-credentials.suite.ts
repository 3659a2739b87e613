import {
  type Issuer,
  Oid,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  issueIntermediate,
  issueRoot,
} from "@lateen/certificates";
import type { CredentialsOptions } from "./port.ts";
import type { DataPathRig } from "./suite.ts";

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

/** Throw-away certificates for every part of the suite. */
export async function testCredentials(nowMs: number): Promise<DataPathRig["credentials"]> {
  const [mesh, other] = [await authority("mesh", nowMs), await authority("other", nowMs)];
  const rootsPem = [encodePem("CERTIFICATE", mesh.root.der)];
  const both = [Oid.ServerAuth, Oid.ClientAuth];
  const leaf = async (
    ca: typeof mesh,
    account: string,
    o: { agoMs: number; forMs: number; use: readonly string[] },
  ): Promise<CredentialsOptions> => {
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
