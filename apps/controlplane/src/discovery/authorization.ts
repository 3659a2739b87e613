import type { Caller } from "@lateen/ca";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { ClientNode } from "@lateen/xds";

/** Who may be what. Accounts are `namespace/serviceaccount`. */
export interface ClientAccounts {
  readonly isNodeProxy: (account: string) => boolean;
  readonly isWaypoint: (account: string) => boolean;
}

/** A caller for people: its account, or the name of another form that it proved, and how. */
export function describeCaller({ identity, name, by }: Caller): string {
  return `${identity === null ? name : `${identity.namespace}/${identity.serviceAccount}`} by ${by}`;
}

/**
 * Whether a caller may be what its node says: its identity must be of the node's namespace and account, and what a whole mesh is
 * told to is the mesh's own.
 * @returns DENIED with a text for the client
 * @see control-plane 1.3
 */
export function authorizeClient({ identity, name }: Caller, node: ClientNode, accounts: ClientAccounts): Result<null> {
  const deny = (why: string): Result<null> => fail(new MeshError(Code.Denied, why));
  if (identity === null) return deny(`${name} is no workload of this mesh`);
  const { namespace, serviceAccount } = identity;
  const account = `${namespace}/${serviceAccount}`;
  if (node.namespace !== namespace)
    return deny(`no identity of ${account} matches the proxy's namespace ${JSON.stringify(node.namespace)}`);
  if (node.serviceAccount !== "" && node.serviceAccount !== serviceAccount)
    return deny(`no identity of ${account} matches the proxy's service account ${JSON.stringify(node.serviceAccount)}`);
  if (node.type === "ztunnel" && !accounts.isNodeProxy(account))
    return deny(`${account} is not an account of node proxies`);
  if (node.type === "waypoint" && !accounts.isWaypoint(account))
    return deny(`${account} is not an account of a waypoint`);
  return ok(null);
}
