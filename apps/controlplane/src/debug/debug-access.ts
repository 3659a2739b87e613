import type { AdminRequest, Reply } from "@lateen/admin-http";
import type { Caller, Proof } from "@lateen/ca";
import type { Result } from "@lateen/errors";

/** What of a page somebody may see: everything, or what is of a namespace. */
export type Visible = { readonly t: "all" } | { readonly t: "namespace"; readonly namespace: string };

export interface DebugRules {
  readonly authenticate: (proof: Proof) => Promise<Result<Caller>>;
  /** Whose identities may see everything. */
  readonly namespaces: readonly string[];
}

const LOOPBACK = /^(::1|(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;

/** What a workload of the mesh may see; null for whoever is none. */
export function visibleTo({ identity }: Caller, rules: Pick<DebugRules, "namespaces">): Visible | null {
  if (identity === null) return null;
  const { namespace } = identity;
  return rules.namespaces.includes(namespace) ? { t: "all" } : { t: "namespace", namespace };
}

/**
 * What who asks may see. Whoever is on the loopback could read our memory as well; others prove who they are by a token.
 * @returns a reply when it is nothing at all
 * @see control-plane 9.1
 */
export async function admitToDebug(
  request: Pick<AdminRequest, "peer" | "authorization">,
  rules: DebugRules,
): Promise<Visible | Reply> {
  if (LOOPBACK.test(request.peer)) return { t: "all" };
  const authorization = request.authorization === "" ? [] : [request.authorization];
  const caller = await rules.authenticate({ authorization, clusters: [], certificate: null });
  const visible = caller.ok ? visibleTo(caller.value, rules) : null;
  return visible ?? { status: 401, body: "Unauthorized: a token of a service account is needed\n" };
}
