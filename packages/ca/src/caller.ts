import { workloadIdentities, parseCertificate } from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { SpiffeIdentity } from "@lateen/identity";
import { type TokenSubject, verifyLocalToken } from "./local-token.ts";

/** Who makes a call, proven. */
export interface Caller {
  readonly identity: SpiffeIdentity;
  /** The pod that its token is bound to; null when it proved itself by a certificate or by an unbound token. */
  readonly pod: { readonly name: string; readonly uid: string } | null;
  readonly by: "token" | "certificate";
}

/** What a call brings as proof. */
export interface Proof {
  /** All values of the `authorization` header. */
  readonly authorization: readonly string[];
  /** The client's leaf certificate, DER, if TLS verified it against our roots; else null. */
  readonly certificate: Uint8Array | null;
}

export interface Authentication {
  readonly trustDomain: string;
  readonly verifyToken: (token: string) => Result<TokenSubject> | Promise<Result<TokenSubject>>;
}

const BEARER = "Bearer ";

/** The first bearer token among the values of the `authorization` header, or null. */
export function bearerToken(authorization: readonly string[]): string | null {
  const value = authorization.find((v) => v.startsWith(BEARER));
  return value === undefined ? null : value.slice(BEARER.length).trim();
}

/**
 * Who is calling: by its token if that holds, else by its certificate.
 * @returns DENIED with why neither holds, which is for logs and not for the caller; UNAVAILABLE when nobody could say
 */
export async function authenticateCaller(proof: Proof, o: Authentication): Promise<Result<Caller>> {
  const token = bearerToken(proof.authorization);
  const byToken = token === null ? null : await o.verifyToken(token);
  if (byToken?.ok === true) {
    const { namespace, serviceAccount, pod } = byToken.value;
    return ok({ identity: { trustDomain: o.trustDomain, namespace, serviceAccount }, pod, by: "token" });
  }
  const byCertificate = proof.certificate === null ? null : certificateIdentity(proof.certificate, o.trustDomain);
  if (byCertificate?.ok === true) return ok({ identity: byCertificate.value, pod: null, by: "certificate" });
  // Nobody could say whether the token is good: that is no refusal.
  if (byToken !== null && MeshError.is(byToken.error, Code.Unavailable)) return byToken;
  const why = [byToken ?? "no bearer token", byCertificate ?? "no client certificate"].map((r) =>
    typeof r === "string" ? r : r.ok ? "" : r.error.message,
  );
  return fail(new MeshError(Code.Denied, `Cannot authenticate caller: ${why.join("; ")}`));
}

/** A verifier of local tokens for `authenticateCaller`. */
export function localTokenVerifier(o: {
  readonly publicKeyPem: string;
  readonly audience: string;
  readonly nowMs: () => number;
}): (token: string) => Result<TokenSubject> {
  const { publicKeyPem, audience, nowMs } = o;
  return (token) => verifyLocalToken(token, { publicKeyPem, audience, nowMs: nowMs() });
}

function certificateIdentity(der: Uint8Array, trustDomain: string): Result<SpiffeIdentity> {
  const parsed = parseCertificate(der);
  if (!parsed.ok) return parsed;
  const own = workloadIdentities(parsed.value).find((id) => id.trustDomain === trustDomain);
  if (own !== undefined) return ok(own);
  return fail(new MeshError(Code.Denied, "its certificate names no workload identity of this trust domain"));
}
