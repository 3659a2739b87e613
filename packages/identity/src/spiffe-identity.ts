import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The identity of a workload: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (dataplane 0.1, 5.1). */
export interface SpiffeIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = "spiffe://";

/** The URI of an identity; `makeIdentity` is the door for parts that nobody has checked yet. */
export function formatIdentity(id: SpiffeIdentity): string {
  return `${SCHEME}${identityPrincipal(id)}`;
}

/** The form that policies compare: the URI without its scheme. */
export function identityPrincipal(id: SpiffeIdentity): string {
  return `${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/**
 * Exactly five parts, none of them empty, as ztunnel reads it; anything else is not a workload identity.
 * @returns BAD_INPUT otherwise
 */
export function parseIdentity(uri: string): Result<SpiffeIdentity> {
  const parts = parseIdentityParts(uri);
  if (!parts.ok) return parts;
  const { trustDomain, namespace, serviceAccount } = parts.value;
  return trustDomain !== "" && namespace !== "" && serviceAccount !== "" ? parts : notAnIdentity(uri);
}

/**
 * Reads the three names by position only, empty ones included, as Istio's control plane does. For comparing and
 * rewriting what others wrote; a workload's own identity goes through `parseIdentity`.
 * @returns BAD_INPUT when the text does not have the five parts
 */
export function parseIdentityParts(uri: string): Result<SpiffeIdentity> {
  const parts = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length).split("/", 6) : [];
  const [trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 5 || ns !== "ns" || sa !== "sa") return notAnIdentity(uri);
  return ok({ trustDomain: trustDomain ?? "", namespace: namespace ?? "", serviceAccount: serviceAccount ?? "" });
}

/**
 * Builds the URI of an identity from names that may be missing.
 * @returns BAD_INPUT when a name is empty or would not survive a round trip (it holds a slash)
 */
export function makeIdentity(id: SpiffeIdentity): Result<string> {
  for (const [name, value] of Object.entries(id) as readonly [string, string][]) {
    if (value === "" || value.includes("/"))
      return fail(new MeshError(Code.BadInput, `Cannot make identity: ${name} ${JSON.stringify(value)} is not a name`));
  }
  return ok(formatIdentity(id));
}

function notAnIdentity(uri: string): Result<never> {
  const shown = JSON.stringify(uri.slice(0, 200));
  const want = "spiffe://<trust domain>/ns/<namespace>/sa/<service account>";
  return fail(new MeshError(Code.BadInput, `Cannot parse identity: ${shown} is not ${want}`));
}
