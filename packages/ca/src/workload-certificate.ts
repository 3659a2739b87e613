import {
  type Certificate,
  decodePem,
  encodePem,
  parseCertificate,
  parseCertificates,
  uriNames,
} from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** A key with the certificates that make it an identity. Keys live in memory only. */
export interface WorkloadCertificate {
  /** SPIFFE URI. */
  readonly identity: string;
  /** PKCS#8. */
  readonly keyPem: string;
  /** Leaf, then intermediates. */
  readonly chainPem: string;
  /** Trust anchors, one per element. */
  readonly rootsPem: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface AnswerOptions {
  readonly certChain: readonly string[];
  /** What was asked for; null takes the identity that the authority gave (a caller that asks for its own). */
  readonly identity: string | null;
  readonly keyPem: string;
  /** SubjectPublicKeyInfo of the key that the request carried. */
  readonly publicKey: Uint8Array;
}

const MAX_ELEMENTS = 32;

/**
 * Checks what an authority answered: a leaf of our key whose first URI is the identity asked for, and at least one usable root.
 * Roots that cannot be parsed are left out.
 * @returns BAD_INPUT saying what is wrong with the answer
 * @see dataplane 9.1
 */
export function readAnswer(o: AnswerOptions): Result<WorkloadCertificate> {
  const { certChain, publicKey, keyPem } = o;
  if (certChain.length < 2) return bad(`it has ${certChain.length} elements, so no root`);
  if (certChain.length > MAX_ELEMENTS) return bad(`it has more than ${MAX_ELEMENTS} elements`);
  const chain = parseCertificates(certChain.slice(0, -1).join("\n"));
  if (!chain.ok) return bad(chain.error.message);
  const [leaf] = chain.value;
  if (leaf === undefined) return bad("it has no leaf");
  const [identity] = uriNames(leaf);
  if (identity === undefined || (o.identity !== null && identity !== o.identity))
    return bad(`the leaf is for ${identity ?? "nobody"}, not for ${o.identity ?? "a workload"}`);
  if (leaf.publicKey.length !== publicKey.length || !leaf.publicKey.every((b, i) => b === publicKey[i]))
    return bad("the leaf is of another key");
  const rootsPem = normalRoots(certChain[certChain.length - 1] ?? "");
  if (rootsPem.length === 0) return bad("it has no root that can be read");
  const { notBeforeMs, notAfterMs } = leaf;
  return ok({ identity, keyPem, chainPem: chain.value.map(toPem).join(""), rootsPem, notBeforeMs, notAfterMs });
}

/** The roots of a bundle, each in one way of writing; what cannot be read is left out. */
export function normalRoots(bundle: string): readonly string[] {
  const blocks = decodePem(bundle);
  if (!blocks.ok) return [];
  return blocks.value.flatMap((block) => {
    const root = block.label === "CERTIFICATE" ? parseCertificate(block.der) : null;
    return root?.ok === true ? [toPem(root.value)] : [];
  });
}

function toPem(c: Certificate): string {
  return encodePem("CERTIFICATE", c.der);
}

function bad(why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot use the answer of the authority: ${why}`));
}
