import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The identity of a workload: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (dataplane 0.1, 5.1). */
export interface SpiffeIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = "spiffe://";

export function formatIdentity(id: SpiffeIdentity): string {
  return `${SCHEME}${identityPrincipal(id)}`;
}

/** The form that policies compare: the URI without its scheme. */
export function identityPrincipal(id: SpiffeIdentity): string {
  return `${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Exactly five parts, as ztunnel reads it; anything else is not a workload identity. */
export function parseIdentity(uri: string): Result<SpiffeIdentity> {
  const parts = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length).split("/") : [];
  const [trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 5 || ns !== "ns" || sa !== "sa" || !trustDomain || !namespace || !serviceAccount)
    return fail(new MeshError(Code.BadInput, `Cannot parse identity: ${JSON.stringify(uri.slice(0, 200))} is not spiffe://<trust domain>/ns/<namespace>/sa/<service account>`));
  return ok({ trustDomain, namespace, serviceAccount });
}
