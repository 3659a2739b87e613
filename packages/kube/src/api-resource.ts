/** A kind as the API server names it in paths. */
export interface ApiResource {
  /** Empty for the core group. */
  readonly group: string;
  /** In order of preference; the first that the server serves is used. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly kind: string;
  readonly scope: "namespaced" | "cluster";
}

/** Where one object is. */
export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
}

/**
 * The path of a collection, or of one object in it. Names are escaped.
 * @param at.namespace empty: all namespaces, or a kind that has none
 */
export function apiPath(
  resource: ApiResource,
  version: string,
  at: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = resource.group === "" ? `/api/${version}` : `/apis/${resource.group}/${version}`;
  const parts = [
    ...(at.namespace !== undefined && at.namespace !== "" ? ["namespaces", at.namespace] : []),
    resource.plural,
    ...(at.name === undefined ? [] : [at.name]),
    ...(at.subresource === undefined ? [] : [at.subresource]),
  ];
  return `${root}/${parts.map(encodeURIComponent).join("/")}`;
}

/** `group/version`, or the version of the core group: an object's `apiVersion`. */
export const apiVersionOf = (resource: ApiResource, version: string): string =>
  resource.group === "" ? version : `${resource.group}/${version}`;
