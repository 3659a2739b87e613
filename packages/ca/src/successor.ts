import { X509Certificate } from "node:crypto";
import type { Certificate } from "@lateen/certificates";

/** What of signing material says who can verify what it signs. */
export interface Signing {
  readonly certificate: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly rootsPem: string;
}

const MAX_DEPTH = 8;
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Certificates of a bundle, each as PEM with a newline at its end. */
export function splitBundle(pem: string): readonly string[] {
  return (pem.match(BLOCK) ?? []).map((block) => `${block}\n`);
}

/**
 * Why material cannot sign: its certificate, or what it leads to, has passed, or it leads to none of its own roots.
 * @returns null when all of it fits together
 */
export function unfit(next: Signing, nowMs: number): string | null {
  const certificate = new X509Certificate(next.certificate.der);
  if (isOver(certificate, nowMs)) return "the signing certificate has expired";
  const anchors = anchorsOf(next);
  if (anchors.length === 0) return "the signing certificate leads to none of its roots";
  return anchors.every((root) => isOver(root, nowMs)) ? "the root of the signing certificate has expired" : null;
}

/**
 * Why material must not replace what is in force: it would cut somebody off. Whoever holds an old certificate must be verified by
 * who holds a new one, and the other way round; so the new bundle has to hold the old signer's root, and the old bundle the new one's.
 * A root that was renewed with its key is the same root: what one verifies, the other does.
 * @returns null when it may
 */
export function refuseSuccessor(now: Signing, next: Signing, nowMs: number): string | null {
  const why = unfit(next, nowMs);
  if (why !== null) return why;
  const [before, after] = [rootsOf(now), rootsOf(next)];
  if (!anchorsOf(now).some((root) => isAmong(root, after)))
    return "its roots lack the root of what signs now: certificates in use would not be trusted any more; keep the old root beside the new one until they are renewed";
  if (!anchorsOf(next).some((root) => isAmong(root, before)))
    return "its signing certificate leads to no root that proxies trust now: first add the new root to the old ones, then change what signs";
  return null;
}

/** The roots that the signing certificate leads to. */
function anchorsOf({ certificate, intermediates, rootsPem }: Signing): readonly X509Certificate[] {
  const roots = rootsOf({ rootsPem });
  const above = intermediates.map(({ der }) => new X509Certificate(der));
  let at = new X509Certificate(certificate.der);
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const found = roots.filter((root) => root.raw.equals(at.raw) || isIssued(at, root));
    if (found.length > 0) return found;
    const next = above.find((c) => !c.raw.equals(at.raw) && isIssued(at, c));
    if (next === undefined) return [];
    at = next;
  }
  return [];
}

const rootsOf = ({ rootsPem }: Pick<Signing, "rootsPem">): readonly X509Certificate[] =>
  splitBundle(rootsPem).map((pem) => new X509Certificate(pem));

const isIssued = (child: X509Certificate, by: X509Certificate): boolean =>
  child.checkIssued(by) && child.verify(by.publicKey);

const isAmong = (root: X509Certificate, roots: readonly X509Certificate[]): boolean =>
  roots.some((r) => r.subject === root.subject && r.publicKey.equals(root.publicKey));

const isOver = (certificate: X509Certificate, nowMs: number): boolean => certificate.validToDate.getTime() <= nowMs;
