import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type SpiffeIdentity, parseIdentity } from "@lateen/identity";
import { type Certificate, parseCertificate, uriNames } from "./certificate.ts";

/** The workload identities that a certificate names, in order. */
export function workloadIdentities(certificate: Pick<Certificate, "sans">): readonly SpiffeIdentity[] {
  return uriNames(certificate).flatMap((uri) => {
    const id = parseIdentity(uri);
    return id.ok ? [id.value] : [];
  });
}

/**
 * A server's judgement of its client, after the chain was verified: it must name a workload identity of the server's own
 * trust domain. Names of other trust domains are passed over, so that no foreign identity ever reaches a policy.
 * @param chainDer leaf first
 * @returns the first such identity; DENIED with the text of the access log otherwise
 * @see dataplane 5.1, 11.4
 */
export function verifyClientIdentity(chainDer: readonly Uint8Array[], trustDomain: string): Result<SpiffeIdentity> {
  const names = leafNames(chainDer);
  if (!names.ok) return names;
  const peer = names.value.find((n) => n.identity?.trustDomain === trustDomain)?.identity;
  if (peer !== undefined && peer !== null) return ok(peer);
  return refuse(`peer did not present the expected trust domain (${trustDomain}), got ${shown(names.value)}`);
}

/**
 * A client's judgement of its server, after the chain was verified: one of the names must be an identity that is expected
 * there. Server name and DNS names say nothing; an empty list accepts nobody.
 * @param chainDer leaf first
 * @param expected SPIFFE URIs, compared byte by byte
 * @returns the name that fits; DENIED with the text of the access log otherwise
 * @see dataplane 5.1, 5.6, 11.4
 */
export function verifyServerIdentity(
  chainDer: readonly Uint8Array[],
  expected: readonly string[],
): Result<SpiffeIdentity> {
  const names = leafNames(chainDer);
  if (!names.ok) return names;
  const peer = names.value.find((n) => n.identity !== null && expected.includes(n.uri))?.identity;
  if (peer !== undefined && peer !== null) return ok(peer);
  const wanted = expected.slice(0, 16).join(", ");
  return refuse(`peer did not present the expected SAN (${wanted}), got ${shown(names.value)}`);
}

type Name = { readonly uri: string; readonly identity: SpiffeIdentity | null };

function leafNames(chainDer: readonly Uint8Array[]): Result<readonly Name[]> {
  const [leaf] = chainDer;
  if (leaf === undefined) return refuse("peer did not present a certificate");
  const parsed = parseCertificate(leaf);
  if (!parsed.ok) return refuse(parsed.error.message);
  return ok(
    uriNames(parsed.value).map((uri) => {
      const id = parseIdentity(uri);
      return { uri, identity: id.ok ? id.value : null };
    }),
  );
}

/** Bounded: the names come from the peer and end up in a log line. */
function shown(names: readonly Name[]): string {
  if (names.length === 0) return "no URI name";
  const more = names.length > 4 ? ` and ${names.length - 4} more` : "";
  return (
    names
      .slice(0, 4)
      .map((n) => JSON.stringify(n.uri.slice(0, 300)))
      .join(", ") + more
  );
}

function refuse(why: string): Result<never> {
  return fail(new MeshError(Code.Denied, `identity verification error: ${why}`));
}
