import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The clusters of a mesh by their names, as one control plane sees them. */
export interface ClusterNames {
  /** Of the cluster that the control plane is in. */
  readonly local: string;
  /** Other clusters that it reads. */
  readonly remotes?: readonly string[];
  /** Further names: alias to the cluster's own. */
  readonly aliases?: ReadonlyMap<string, string>;
}

/**
 * The cluster that a caller says it is in.
 * @param values of its `clusterid` header; anything but exactly one counts as none, and none is the local cluster
 * @returns the cluster's own name; DENIED when there is no such cluster
 * @see control-plane 1.3
 */
export function resolveCluster(values: readonly string[], { local, remotes, aliases }: ClusterNames): Result<string> {
  const said = values.length === 1 ? (values[0] ?? "") : "";
  const name = aliases?.get(said) ?? said;
  if (name === "" || name === local) return ok(local);
  if (remotes?.includes(name) === true) return ok(name);
  const shown = JSON.stringify(name.slice(0, 100));
  return fail(new MeshError(Code.Denied, `Cannot find cluster ${shown}: it is not of this mesh`));
}
