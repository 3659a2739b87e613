import { parseCertificate, uriNames, workloadIdentities } from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import { type ClusterNames, resolveCluster } from "./cluster-names.ts";
import { type TokenSubject, verifyLocalToken } from "./local-token.ts";

/** Who makes a call, proven. */
export interface Caller {
  /** The name that it proved, and that it is certified under when it asks for no other; as a rule a SPIFFE URI. */
  readonly name: string;
  /** The same as a workload of this mesh; null for a name of any other form, which may be renewed and opens nothing. */
  readonly identity: SpiffeIdentity | null;
  /** The pod that its token is bound to; null when it proved itself by a certificate or by an unbound token. */
  readonly pod: { readonly name: string; readonly uid: string } | null;
  readonly by: "token" | "certificate";
}

/** What a call brings as proof. */
export interface Proof {
  /** All values of the `authorization` header. */
  readonly authorization: readonly string[];
  /** All values of the `clusterid` header: the cluster whose API server knows its token. */
  readonly clusters: readonly string[];
  /** The client's leaf certificate, DER, if TLS verified it against our roots; else null. */
  readonly certificate: Uint8Array | null;
}

export interface Authentication {
  readonly trustDomain: string;
  /** @param cluster by its own name */
  readonly verifyToken: (token: string, cluster: string) => Result<TokenSubject> | Promise<Result<TokenSubject>>;
  readonly clusters: ClusterNames;
}

const BEARER = /^(?:Bearer|Istio) /;

/** The first bearer token among the values of the `authorization` header, or null. */
export function bearerToken(authorization: readonly string[]): string | null {
  const value = authorization.find((v) => BEARER.test(v));
  return value === undefined ? null : value.replace(BEARER, "").trim();
}

/**
 * Who is calling: by its token if that holds, else by its certificate.
 * @returns DENIED with why neither holds, which is for logs and not for the caller; UNAVAILABLE when nobody could say
 */
export async function authenticateCaller(proof: Proof, o: Authentication): Promise<Result<Caller>> {
  const token = bearerToken(proof.authorization);
  const cluster = resolveCluster(proof.clusters, o.clusters);
  const byToken = token === null ? null : cluster.ok ? await o.verifyToken(token, cluster.value) : cluster;
  if (byToken?.ok === true) {
    const { namespace, serviceAccount, pod } = byToken.value;
    const identity = { trustDomain: o.trustDomain, namespace, serviceAccount };
    return ok({ name: formatIdentity(identity), identity, pod, by: "token" });
  }
  const byCertificate = proof.certificate === null ? null : certifiedCaller(proof.certificate, o.trustDomain);
  if (byCertificate?.ok === true) return byCertificate;
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

/** The first workload of this mesh among its names, else its first URI as it stands. */
function certifiedCaller(der: Uint8Array, trustDomain: string): Result<Caller> {
  const parsed = parseCertificate(der);
  if (!parsed.ok) return parsed;
  const identity = workloadIdentities(parsed.value).find((id) => id.trustDomain === trustDomain) ?? null;
  const name = identity === null ? uriNames(parsed.value)[0] : formatIdentity(identity);
  if (name === undefined) return fail(new MeshError(Code.Denied, "its certificate holds no URI"));
  return ok({ name, identity, pod: null, by: "certificate" });
}
