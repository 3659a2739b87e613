import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { bytesEqual } from "./bytes.ts";
import type { Certificate } from "./certificate.ts";
import { Oid } from "./oids.ts";
import type { VerifySignature } from "./signature.ts";

export interface ChainOptions {
  /** Leaf first; the rest in any order. */
  readonly chain: readonly Certificate[];
  readonly roots: readonly Certificate[];
  readonly nowMs: number;
  /** What the leaf is to be used for; "any" asks nothing. */
  readonly purpose: "serverAuth" | "clientAuth" | "any";
  readonly verify: VerifySignature;
}

const MAX_DEPTH = 8;
const MAX_CHAIN = 16;
const MAX_SIGNATURES = 64;

/**
 * Finds a path from the leaf to a root and checks each step: signature, names, dates, CA flag, key usage, path length, purpose.
 * @returns the path, leaf first, root last; BAD_INPUT saying why there is none. Work is bounded whatever the peer sends
 * @see RFC 5280 section 6
 */
export async function verifyChain(o: ChainOptions): Promise<Result<readonly Certificate[]>> {
  const [leaf] = o.chain;
  if (leaf === undefined) return refuse("the chain is empty");
  if (o.chain.length > MAX_CHAIN) return refuse(`the chain has more than ${MAX_CHAIN} certificates`);
  const why = certificateProblem(leaf, o);
  if (why !== null) return refuse(why);
  const search = new Search(o);
  const path = await search.extend([leaf]);
  return path === null ? refuse(search.why) : ok(path);
}

class Search {
  readonly #o: ChainOptions;
  #budget = MAX_SIGNATURES;
  /** Of the last candidate that was refused. */
  why = "it is signed by an unknown authority";

  constructor(o: ChainOptions) {
    this.#o = o;
  }

  async extend(path: readonly Certificate[]): Promise<readonly Certificate[] | null> {
    const last = path[path.length - 1]!; // a path has its leaf at least
    if (path.length > MAX_DEPTH) return null;
    for (const root of this.#o.roots) if (await this.#signed(last, root, path)) return [...path, root];
    for (const next of this.#o.chain.slice(1)) {
      if (path.some((c) => bytesEqual(c.der, next.der))) continue;
      if (!(await this.#signed(last, next, path))) continue;
      const found = await this.extend([...path, next]);
      if (found !== null) return found;
    }
    return null;
  }

  async #signed(certificate: Certificate, by: Certificate, path: readonly Certificate[]): Promise<boolean> {
    if (!bytesEqual(certificate.issuer, by.subject)) return false;
    const { authorityKeyId } = certificate;
    if (authorityKeyId !== null && by.subjectKeyId !== null && authorityKeyId !== by.subjectKeyId) return false;
    const problem = certificateProblem(by, this.#o) ?? authorityProblem(by, path);
    if (problem !== null) {
      this.why = problem;
      return false;
    }
    if (this.#budget-- <= 0) return false;
    const { signatureAlgorithm: algorithm, tbs: message, signature } = certificate;
    return this.#o.verify({ publicKey: by.publicKey, algorithm, message, signature });
  }
}

function certificateProblem(c: Certificate, o: ChainOptions): string | null {
  if (o.nowMs < c.notBeforeMs) return `certificate ${c.serialHex} is not valid yet`;
  if (o.nowMs > c.notAfterMs) return `certificate ${c.serialHex} has expired`;
  if (c.unhandledCritical.length > 0)
    return `certificate ${c.serialHex} has critical extensions that are not understood: ${c.unhandledCritical.join(", ")}`;
  const wanted = { any: null, serverAuth: Oid.ServerAuth, clientAuth: Oid.ClientAuth }[o.purpose];
  const purposes = c.extKeyUsages;
  if (wanted === null || purposes === null || purposes.includes(wanted)) return null;
  return purposes.includes(Oid.AnyExtKeyUsage) ? null : `certificate ${c.serialHex} is not for ${o.purpose}`;
}

/** @param below what it would sign for, leaf first; intermediates below it count against its path length */
function authorityProblem(c: Certificate, below: readonly Certificate[]): string | null {
  if (!c.isCa) return `certificate ${c.serialHex} signs but is not an authority`;
  if (c.keyUsages !== null && !c.keyUsages.includes("keyCertSign"))
    return `certificate ${c.serialHex} signs but lacks keyCertSign`;
  const follow = below.length - 1; // stricter than the RFC, whose exemption of self-issued ones lets an authority extend itself
  return c.pathLength !== null && follow > c.pathLength
    ? `certificate ${c.serialHex} allows ${c.pathLength} intermediates, ${follow} follow`
    : null;
}

function refuse(why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot verify certificate chain: ${why}`));
}
