import { type Authority, splitBundle } from "@lateen/ca";
import { PROXY_CONFIG_TYPE, encodeTrustBundle } from "@lateen/xds-types";
import type { ResourceStore } from "./discovery/resource-store.ts";

/** There is one bundle for the whole mesh. */
const NAME = "default";

/** Keeps the roots as a resource that proxies may subscribe to (control-plane 1.5, 6.4). */
export function serveTrustBundle(authority: Authority, store: ResourceStore): Disposable {
  const put = (): void => {
    store.put(PROXY_CONFIG_TYPE, [[NAME, { body: encodeTrustBundle(splitBundle(authority.rootsPem)) }]]);
    store.announce();
  };
  put();
  return authority.onChange(put);
}
