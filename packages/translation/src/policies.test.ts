import { describe, expect, test } from "vitest";
import { rig } from "./mesh.test.support.ts";
import { condition, namespace, pod, policy, service, waypoint } from "./objects.test.support.ts";

const GET = { to: [{ operation: { methods: ["GET"] } }] };
const L4 = { to: [{ operation: { ports: ["8080"] } }] };

describe("what a policy effectively does", () => {
  test.each<[string, object, string, string, readonly string[]]>([
    [
      "an ALLOW rule that L4 can tell",
      { rules: [L4] },
      "1 of 1 rules enforced by node proxies",
      "True Accepted",
      ["ztunnel whole"],
    ],
    [
      "an ALLOW rule with HTTP",
      { rules: [GET, L4] },
      "1 of 2 rules enforced by node proxies",
      "True UnsupportedValue",
      ["nobody none", "ztunnel whole"],
    ],
    ["nothing but ALLOW rules with HTTP", { rules: [GET] }, "allows nobody", "True UnsupportedValue", ["nobody none"]],
    [
      "a DENY rule with HTTP only",
      { action: "DENY", rules: [GET] },
      "1 of 1 rules enforced by node proxies, 1 of them denying more than they say",
      "True UnsupportedValue",
      ["ztunnel part"],
    ],
    [
      "a DENY without rules",
      { action: "DENY" },
      "has no effect: there is no rule that could deny",
      "True Accepted",
      [],
    ],
    [
      "an AUDIT",
      { action: "AUDIT", rules: [L4] },
      "has no effect: ztunnel does not support the AUDIT action",
      "False UnsupportedValue",
      ["nobody none"],
    ],
  ])("%s", (_, spec, summary, status, rules) => {
    const r = rig();
    r.put(policy("p", { ...spec }));
    const report = r.model.policyReports.get("shop/p");
    expect(report?.summary).toBe(summary);
    expect(report?.rules.map((x) => `${x.enforcedBy} ${x.extent}`)).toEqual(rules);
    expect(condition(r, "AuthorizationPolicy/shop/p", "ZtunnelAccepted")).toBe(status);
  });

  test("one that stands in for another says that it does", () => {
    const r = rig();
    const annotations = { "lateen.dev/stands-in-for-unreadable": "true" };
    r.put({ ...policy("p", { rules: [] }), metadata: { name: "p", namespace: "shop", annotations } });
    expect(r.model.policyReports.get("shop/p")?.summary).toBe("stands in for one that cannot be read: allows nobody");
  });

  test("one for a service is enforced where its waypoint is, and nowhere without", () => {
    const r = rig();
    const target = { group: "", kind: "Service", name: "web" };
    r.put(policy("p", { targetRefs: [target], rules: [GET] }), service("web"));
    expect(condition(r, "AuthorizationPolicy/shop/p", "WaypointAccepted")).toBe("False AncestorNotBound");
    expect(r.model.policyReports.get("shop/p")?.summary).toBe("has no effect: no target is behind a waypoint");
    const report = (): unknown => r.model.serviceReports.get("shop/web.shop.svc.cluster.local");
    expect(report()).toMatchObject({ waypoint: null, enforced: [], bypasses: [] });
    r.put(waypoint("wp"), namespace("shop", { "istio.io/use-waypoint": "wp" }));
    expect(condition(r, "AuthorizationPolicy/shop/p", "WaypointAccepted")).toBe("True Accepted");
    expect(report()).toMatchObject({ waypoint: "shop/wp", enforced: ["shop/p"], unenforced: [] });
    expect(report()).not.toMatchObject({ bypasses: [] });
    r.put(policy("p", { targetRefs: [target, { ...target, name: "gone" }], rules: [GET] }));
    expect(condition(r, "AuthorizationPolicy/shop/p", "WaypointAccepted")).toBe("True PartiallyInvalid");
  });

  test("pods behind a waypoint admit only it, where the mesh says so", () => {
    const r = rig({ autoAllowWaypoint: true });
    const instance = {
      labels: { "gateway.networking.k8s.io/gateway-name": "wp" },
      spec: { serviceAccountName: "wp-sa" },
    };
    r.put(waypoint("wp"), service("web", { metadata: { labels: { "istio.io/use-waypoint": "wp" } } }), pod("web"));
    const attached = (): unknown => r.model.workloads.get("Kubernetes//Pod/shop/web")?.authorizationPolicies;
    expect(attached()).toEqual([]); // nobody to admit yet
    r.put(pod("wp-1", { ...instance, ip: "10.0.0.9" }));
    expect(attached()).toEqual(["shop/istio_allow_waypoint_shop_wp"]);
    expect(r.model.authorizations.get("shop/istio_allow_waypoint_shop_wp")).toMatchObject({
      action: "Allow",
      rules: [{ clauses: [{ matches: [{ principals: [{ t: "exact", value: "cluster.local/ns/shop/sa/wp-sa" }] }] }] }],
    });
  });
});
