import type { Certificate } from "./certificate.ts";
import { type IssueOptions, type Issuer, issueCertificate, issueIntermediate, issueRoot } from "./issue.ts";
import { Oid } from "./oids.ts";
import { generateKeyPair } from "./private-key.ts";
import { type Signer, createSigner } from "./signature.ts";

/** The instant at which the certificates of these tests live. */
export const NOW_MS = Date.UTC(2026, 5, 1);
export const HOUR_MS = 3_600_000;
export const crypto = globalThis.crypto;

export async function makeSigner(): Promise<Signer> {
  return createSigner(crypto, await generateKeyPair(crypto));
}

export type TestIssuer = Issuer & { readonly certificate: Certificate };

export async function makeRoot(organization = "cluster.local"): Promise<TestIssuer> {
  const signer = await makeSigner();
  const options = { signer, organization, nowMs: NOW_MS, ttlSec: 86_400 };
  return { signer, certificate: await issueRoot(crypto, options) };
}

export async function makeIntermediate(issuer: Issuer): Promise<TestIssuer> {
  const signer = await makeSigner();
  const options = { issuer, publicKey: signer.publicKey, organization: "mid", nowMs: NOW_MS, ttlSec: 86_400 };
  return { signer, certificate: await issueIntermediate(crypto, options) };
}

/** A good leaf for an hour from now, with what the test changes. */
export async function makeLeaf(issuer: Issuer, change: Partial<IssueOptions> = {}): Promise<Certificate> {
  const { publicKey } = await makeSigner();
  return issueCertificate(crypto, {
    issuer,
    publicKey,
    sans: [{ t: "uri", value: "spiffe://cluster.local/ns/a/sa/b" }],
    notBeforeMs: NOW_MS - 60_000,
    notAfterMs: NOW_MS + HOUR_MS,
    keyUsages: ["digitalSignature", "keyEncipherment"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
    ...change,
  });
}
