import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { bytesEqual } from "./bytes.ts";
import type { Certificate } from "./certificate.ts";
import { Oid } from "./oids.ts";
import { type SignedBy, type VerifySignature, type VerifySignatureNow, publicKeyProblem } from "./signature.ts";

export interface ChainQuestion {
  /** Leaf first; the rest in any order. */
  readonly chain: readonly Certificate[];
  readonly roots: readonly Certificate[];
  readonly nowMs: number;
  /** What the leaf is to be used for; "any" asks nothing. */
  readonly purpose: "serverAuth" | "clientAuth" | "any";
  /** Signatures looked at, whatever the peer sends; 64 when absent. */
  readonly maxSignatures?: number;
}
export interface ChainOptions extends ChainQuestion {
  readonly verify: VerifySignature;
}

/** What is wrong with a chain: `facts.problem` of the error, whose `facts.why` says it in words. */
export const ChainProblem = {
  Expired: "expired",
  NotYetValid: "not yet valid",
  UnknownAuthority: "unknown authority",
  Purpose: "purpose",
  Other: "other",
} as const;
export type ChainProblem = (typeof ChainProblem)[keyof typeof ChainProblem];
type Problem = { readonly kind: ChainProblem; readonly why: string };

const MAX_DEPTH = 8;
const MAX_CHAIN = 16;
const MAX_SIGNATURES = 64;

/**
 * Finds a path from the leaf to a root and checks each step: signature, names, dates, CA flag, key usage, path length, purpose.
 * @returns the path, leaf first, root last; BAD_INPUT saying why there is none. Work is bounded whatever the peer sends
 * @see RFC 5280 section 6
 */
export async function verifyChain(o: ChainOptions): Promise<Result<readonly Certificate[]>> {
  const search = searchChain(o);
  let step = search.next();
  while (step.done !== true) step = search.next(await o.verify(step.value));
  return step.value;
}

/** `verifyChain` for a thread in which no promise settles. */
export function verifyChainNow(
  o: ChainQuestion & { readonly verify: VerifySignatureNow },
): Result<readonly Certificate[]> {
  const search = searchChain(o);
  let step = search.next();
  while (step.done !== true) step = search.next(o.verify(step.value));
  return step.value;
}

/** Asks for each signature that it needs to know of; one search, whether the answers come at once or later. */
type Search<T> = Generator<SignedBy, T, boolean>;

function* searchChain(o: ChainQuestion): Search<Result<readonly Certificate[]>> {
  const [leaf] = o.chain;
  if (leaf === undefined) return refuse(other("the chain is empty"));
  if (o.chain.length > MAX_CHAIN) return refuse(other(`the chain has more than ${MAX_CHAIN} certificates`));
  const problem = certificateProblem(leaf, o);
  if (problem !== null) return refuse(problem);
  const paths = new Paths(o);
  const path = yield* paths.extend([leaf]);
  return path === null ? refuse(paths.problem) : ok(path);
}

class Paths {
  readonly #o: ChainQuestion;
  #budget: number;
  /** Of the last candidate that was refused. */
  problem: Problem = { kind: ChainProblem.UnknownAuthority, why: "it is signed by an unknown authority" };

  constructor(o: ChainQuestion) {
    this.#o = o;
    this.#budget = o.maxSignatures ?? MAX_SIGNATURES;
  }

  *extend(path: readonly Certificate[]): Search<readonly Certificate[] | null> {
    const last = path[path.length - 1]!; // a path has its leaf at least
    if (path.length > MAX_DEPTH) return null;
    for (const root of this.#o.roots) if (yield* this.#signed(last, root, path)) return [...path, root];
    for (const next of this.#o.chain.slice(1)) {
      if (path.some((c) => bytesEqual(c.der, next.der))) continue;
      if (!(yield* this.#signed(last, next, path))) continue;
      const found = yield* this.extend([...path, next]);
      if (found !== null) return found;
    }
    return null;
  }

  *#signed(certificate: Certificate, by: Certificate, path: readonly Certificate[]): Search<boolean> {
    if (!bytesEqual(certificate.issuer, by.subject)) return false;
    const { authorityKeyId } = certificate;
    if (authorityKeyId !== null && by.subjectKeyId !== null && authorityKeyId !== by.subjectKeyId) return false;
    const problem = certificateProblem(by, this.#o) ?? authorityProblem(by, path);
    if (problem !== null) {
      this.problem = problem;
      return false;
    }
    if (this.#budget-- <= 0) return false;
    const { signatureAlgorithm: algorithm, tbs: message, signature } = certificate;
    return yield { publicKey: by.publicKey, algorithm, message, signature };
  }
}

function certificateProblem(c: Certificate, o: ChainQuestion): Problem | null {
  const name = `certificate ${c.serialHex}`;
  if (o.nowMs < c.notBeforeMs) return { kind: ChainProblem.NotYetValid, why: `${name} is not valid yet` };
  if (o.nowMs > c.notAfterMs) return { kind: ChainProblem.Expired, why: `${name} has expired` };
  if (c.unhandledCritical.length > 0)
    return other(`${name} has critical extensions that are not understood: ${c.unhandledCritical.join(", ")}`);
  const weak = publicKeyProblem(c.publicKey);
  if (weak !== null) return other(`${name} ${weak}`);
  const wanted = { any: null, serverAuth: Oid.ServerAuth, clientAuth: Oid.ClientAuth }[o.purpose];
  const purposes = c.extKeyUsages;
  if (wanted === null || purposes === null || purposes.includes(wanted)) return null;
  if (purposes.includes(Oid.AnyExtKeyUsage)) return null;
  return { kind: ChainProblem.Purpose, why: `${name} is not for the purpose ${o.purpose}` };
}

/** @param below what it would sign for, leaf first; intermediates below it count against its path length */
function authorityProblem(c: Certificate, below: readonly Certificate[]): Problem | null {
  if (!c.isCa) return other(`certificate ${c.serialHex} signs but is not an authority`);
  if (c.keyUsages !== null && !c.keyUsages.includes("keyCertSign"))
    return other(`certificate ${c.serialHex} signs but lacks keyCertSign`);
  const follow = below.length - 1; // stricter than the RFC, whose exemption of self-issued ones lets an authority extend itself
  return c.pathLength !== null && follow > c.pathLength
    ? other(`certificate ${c.serialHex} allows ${c.pathLength} intermediates, ${follow} follow`)
    : null;
}

function other(why: string): Problem {
  return { kind: ChainProblem.Other, why };
}

function refuse({ kind, why }: Problem): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot verify certificate chain: ${why}`, { problem: kind, why }));
}
