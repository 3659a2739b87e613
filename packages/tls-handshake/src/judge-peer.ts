import { type Certificate, ChainProblem, type VerifySignatureNow, verifyChainNow } from "@lateen/certificates";
import type { Result } from "@lateen/errors";
import type { Refusal } from "@lateen/linux";

export interface PeerQuestion {
  /** Leaf first, as the peer sent them. */
  readonly chainDer: readonly Uint8Array[];
  /** Ours. */
  readonly role: "client" | "server";
  readonly roots: readonly Certificate[];
  readonly nowMs: number;
  readonly parse: (der: Uint8Array) => Result<Certificate>;
  readonly verify: VerifySignatureNow;
  readonly verifyPeer: (chainDer: readonly Uint8Array[]) => string | null;
}

const KINDS: Readonly<Record<string, Refusal["kind"]>> = {
  [ChainProblem.Expired]: "expired",
  [ChainProblem.NotYetValid]: "not-yet-valid",
  [ChainProblem.UnknownAuthority]: "unknown-authority",
  [ChainProblem.Purpose]: "wrong-purpose",
};

/** A step of a handshake is to stay below a millisecond; an honest chain has two or three. */
const MAX_SIGNATURES = 8;

/**
 * The chain first (parsed strictly, roots, signatures, dates, purpose), then whoever asked for the handshake.
 * @returns null to accept
 * @see dataplane 5.1
 */
export function judgePeer(q: PeerQuestion): Refusal | null {
  const chain: Certificate[] = [];
  for (const der of q.chainDer) {
    const parsed = q.parse(der);
    if (!parsed.ok) return { kind: "rejected", why: `peer certificate: ${parsed.error.message}` };
    chain.push(parsed.value);
  }
  if (chain.length === 0) return { kind: "rejected", why: "peer sent no certificate" };
  const purpose = q.role === "client" ? "serverAuth" : "clientAuth";
  const { roots, nowMs, verify } = q;
  const verified = verifyChainNow({ chain, roots, nowMs, purpose, maxSignatures: MAX_SIGNATURES, verify });
  if (!verified.ok) {
    const { problem, why } = verified.error.facts;
    return { kind: KINDS[String(problem)] ?? "rejected", why: `peer certificate: ${String(why)}` };
  }
  const verdict = q.verifyPeer(chain.map((c) => c.der));
  return verdict === null ? null : { kind: "rejected", why: verdict };
}
