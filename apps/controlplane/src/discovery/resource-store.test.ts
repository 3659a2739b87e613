import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { ResourceStore } from "./resource-store.ts";

const resource = (text: string): { body: Uint8Array } => ({ body: new TextEncoder().encode(text) });
const store = (): ResourceStore => new ResourceStore((body) => new TextDecoder().decode(body));

describe("resource store", () => {
  test("tells listeners once for everything that was put, and not of what changes nothing", () => {
    const s = store();
    let heard = 0;
    using _ = s.onChange(() => heard++);
    s.put(ADDRESS_TYPE, [["a", resource("1")], ["b", resource("1")]]); // prettier-ignore
    s.put(AUTHORIZATION_TYPE, [["p", resource("1")]]);
    s.announce();
    s.put(ADDRESS_TYPE, [["a", resource("1")], ["gone", null]]); // prettier-ignore
    s.announce();
    expect([heard, s.version, s.addresses.size]).toEqual([1, 3, 2]);
  });

  test("keeps types apart and forgets listeners that were disposed of", () => {
    const s = store();
    let heard = 0;
    s.onChange(() => heard++)[Symbol.dispose]();
    s.put(ADDRESS_TYPE, [["a", resource("1")]]);
    s.announce();
    expect(heard).toBe(0);
    expect([s.authorizations.get("a"), s.addresses.get("a")?.version]).toEqual([null, "1"]);
  });
});
