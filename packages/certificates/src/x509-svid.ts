import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type SpiffeId, parseSpiffeId } from "@lateen/identity";
import { bytesEqual } from "./bytes.ts";
import { type Certificate, parseCertificates, uriNames } from "./certificate.ts";
import type { VerifySignature } from "./signature.ts";
import { verifyChain } from "./verify-chain.ts";

/** A SPIFFE ID with the certificates that carry it, leaf first. */
export interface X509Svid {
  readonly id: SpiffeId;
  readonly certificates: readonly Certificate[];
}

/**
 * Reads an X509-SVID and judges its structure: one URI name, a SPIFFE ID with a path, a leaf that may not sign, signers
 * that may. Dates and signatures are for `verifyX509Svid`. Stricter than what a data plane asks of a peer.
 * @returns BAD_INPUT with the rule that is broken
 * @see X509-SVID specification, sections 2 to 4
 */
export function parseX509Svid(pem: string): Result<X509Svid> {
  const certificates = parseCertificates(pem);
  if (!certificates.ok) return certificates;
  const [leaf, ...signers] = certificates.value;
  if (leaf === undefined) return bad("it holds no certificate");
  const id = leafId(leaf);
  if (!id.ok) return id;
  if (leaf.keyUsages === null || !leaf.keyUsages.includes("digitalSignature"))
    return bad("the leaf lacks the key usage digitalSignature");
  for (const signer of signers) {
    if (!signer.isCa) return bad("a signing certificate is not an authority");
    if (signer.keyUsages === null || !signer.keyUsages.includes("keyCertSign"))
      return bad("a signing certificate lacks the key usage keyCertSign");
  }
  return ok({ id: id.value, certificates: certificates.value });
}

/**
 * The authorities of a bundle file, each once. An empty text is an empty bundle; other text without a PEM block is BAD_INPUT.
 */
export function parseX509Bundle(pem: string): Result<readonly Certificate[]> {
  const all = pem === "" ? ok([]) : parseCertificates(pem);
  if (!all.ok) return all;
  return ok(all.value.filter((c, i) => all.value.findIndex((other) => bytesEqual(c.der, other.der)) === i));
}

export interface SvidOptions {
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  /** Authorities by trust domain. A trust domain without an entry is not trusted at all. */
  readonly bundles: ReadonlyMap<string, readonly Certificate[]>;
  readonly nowMs: number;
  readonly verify: VerifySignature;
}

/**
 * Verifies an X509-SVID against the authorities of the trust domain that it names, and no others.
 * @returns its SPIFFE ID; BAD_INPUT with what is wrong
 */
export async function verifyX509Svid(o: SvidOptions): Promise<Result<SpiffeId>> {
  const [leaf] = o.chain;
  if (leaf === undefined) return bad("the chain is empty");
  const id = leafId(leaf);
  if (!id.ok) return id;
  const roots = o.bundles.get(id.value.trustDomain);
  if (roots === undefined) return bad(`there is no bundle for trust domain ${JSON.stringify(id.value.trustDomain)}`);
  const path = await verifyChain({ chain: o.chain, roots, nowMs: o.nowMs, purpose: "any", verify: o.verify });
  return path.ok ? id : path;
}

function leafId(leaf: Certificate): Result<SpiffeId> {
  const [uri, ...more] = uriNames(leaf);
  if (uri === undefined) return bad("the leaf has no URI name");
  if (more.length > 0) return bad("the leaf has more than one URI name");
  const id = parseSpiffeId(uri);
  if (!id.ok) return id;
  if (id.value.path === "") return bad("the SPIFFE ID of a leaf must have a path");
  if (leaf.isCa) return bad("the leaf is an authority");
  for (const usage of ["keyCertSign", "cRLSign"] as const)
    if (leaf.keyUsages?.includes(usage) === true) return bad(`the leaf has the key usage ${usage}`);
  return id;
}

function bad(why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot use X509-SVID: ${why}`));
}
