import type { Caller } from "@lateen/ca";
import { type ClientNode, parseClientNode } from "@lateen/xds";
import { createNode, structFromJson } from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { authorizeClient } from "./authorization.ts";

const caller = (namespace: string, serviceAccount: string): Caller => ({
  name: `spiffe://cluster.local/ns/${namespace}/sa/${serviceAccount}`,
  identity: { trustDomain: "cluster.local", namespace, serviceAccount },
  pod: null,
  by: "token",
});
function node(id: string, metadata: Readonly<Record<string, string>> = {}): ClientNode {
  const parsed = parseClientNode(createNode({ id, metadata: structFromJson(metadata) }));
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}
const accounts = {
  isNodeProxy: (account: string) => account === "mesh/ztunnel",
  isWaypoint: (account: string) => account === "shop/waypoint",
};
const ZTUNNEL = "ztunnel~10.0.0.1~zt.mesh~mesh.svc.cluster.local";
const WAYPOINT = "waypoint~10.0.0.1~w.shop~shop.svc.cluster.local";

describe("a caller", () => {
  test.each([
    ["a node proxy", caller("mesh", "ztunnel"), node(ZTUNNEL), ""],
    [
      "a node proxy that names its account",
      caller("mesh", "ztunnel"),
      node(ZTUNNEL, { SERVICE_ACCOUNT: "ztunnel" }),
      "",
    ],
    ["a waypoint", caller("shop", "waypoint"), node(WAYPOINT), ""],
    ["a sidecar", caller("shop", "web"), node("sidecar~10.0.0.1~w.shop~shop.svc"), ""],
    ["of another namespace", caller("shop", "ztunnel"), node(ZTUNNEL), "namespace"],
    ["whose metadata name another", caller("mesh", "ztunnel"), node(ZTUNNEL, { NAMESPACE: "shop" }), "namespace"],
    ["of another account", caller("mesh", "ztunnel"), node(ZTUNNEL, { SERVICE_ACCOUNT: "web" }), "service account"],
    ["that is no node proxy", caller("mesh", "web"), node(ZTUNNEL), "node proxies"],
    ["that is no waypoint", caller("shop", "web"), node(WAYPOINT), "a waypoint"],
  ])("%s", (_, who, as, why) => {
    const allowed = authorizeClient(who, as, accounts);
    if (why === "") expect(allowed).toEqual({ ok: true, value: null });
    else expect(allowed.ok ? "" : allowed.error.message).toContain(why);
  });
});
