import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readListenerSet, readRoute } from "./status-objects.ts";
import {
  CONTROLLER,
  type Given,
  HTTP_LISTENER,
  MESH_LISTENER,
  brief,
  gateway,
  ingress,
  parent,
  route,
  routeSays,
  said,
  waypoint,
} from "./gateway-status.test.support.ts";

const READY = { ports: [15008], ready: new Map([[15008, [15008]]]), clusterIps: ["10.96.0.9"] };
const GOOD = "True Accepted";

describe("a waypoint", () => {
  const says = (given: Given, name = "Gateway/shop/wp") => brief(parent(given, name).status.conditions);

  test("is not programmed before it has a service, an instance, and all is made for it; the reason says what is missing", () => {
    const gateways = [waypoint()];
    const missing = { Accepted: GOOD, Programmed: "False AddressNotUsable", ResolvedRefs: "True ResolvedRefs" };
    expect(says({ gateways })).toEqual(missing);
    expect(parent({ gateways }, "Gateway/shop/wp").status.addresses).toBeNull();
    const reached = { "wp.shop": { ...READY, ready: new Map() } };
    expect(says({ gateways, reached })["Programmed"]).toBe("False AddressNotAssigned");
    expect(says({ gateways, reached: { "wp.shop": READY }, problem: "its name is taken" })).toEqual(missing);
    expect(says({ gateways, reached: { "wp.shop": READY } })["Programmed"]).toBe("True Programmed");
  });

  test("is told of by name and by address, as far as the annotation does not choose", () => {
    const reached = { "wp.shop": READY };
    const at = (annotations: object) =>
      parent({ gateways: [waypoint("wp", [MESH_LISTENER], { annotations })], reached }, "Gateway/shop/wp").status
        .addresses;
    const ip = { type: "IPAddress", value: "10.96.0.9" };
    const name = { type: "Hostname", value: "wp.shop.svc.cluster.local" };
    expect(at({})).toEqual([ip, name]);
    expect(at({ "networking.istio.io/address-type": "Hostname" })).toEqual([name]);
    expect(at({ "networking.istio.io/address-type": "IPAddress" })).toEqual([ip]);
  });

  test.each([
    ["HBONE on its port", MESH_LISTENER, GOOD],
    ["PROXY beside it", { name: "p", port: 15088, protocol: "istio.io/PROXY" }, GOOD],
    ["HBONE elsewhere", { ...MESH_LISTENER, port: 1234 }, "False UnsupportedProtocol"],
    ["HTTP", { ...MESH_LISTENER, protocol: "HTTP" }, "False UnsupportedProtocol"],
    ["nonsense", { ...MESH_LISTENER, protocol: "x\n" }, "False UnsupportedProtocol"],
  ])("has a listener with %s", (_, listener, accepted) => {
    const [first] = parent({ gateways: [waypoint("wp", [listener])] }, "Gateway/shop/wp").status.listeners;
    expect(brief(first!.conditions)["Accepted"]).toBe(accepted);
  });

  test("its parameters must exist", () => {
    const infrastructure = { parametersRef: { group: "", kind: "ConfigMap", name: "none" } };
    const wp = gateway("wp", { gatewayClassName: "istio-waypoint", listeners: [MESH_LISTENER], infrastructure });
    expect(says({ gateways: [wp] })["Accepted"]).toBe("False InvalidParameters");
  });
});

describe("other Gateways", () => {
  test("of foreign classes are not spoken of; classes of ours are accepted", () => {
    const gateways = [gateway("theirs", { gatewayClassName: "nginx", listeners: [] })];
    const all = said({ gateways, classes: { nginx: "nginx.example", mine: "istio.io/mesh-controller" } });
    expect([...all.keys()]).toEqual(["GatewayClass/mine"]);
  });

  test("of other clusters are accepted and told that nothing here programs them", () => {
    const addresses = [{ type: "IPAddress", value: "192.0.2.1" }];
    const remote = gateway("far", { gatewayClassName: "istio-remote", listeners: [MESH_LISTENER], addresses });
    expect(parent({ gateways: [remote] }, "Gateway/shop/far").status).toMatchObject({ addresses, listeners: [] });
  });

  const https = (certificateRefs: readonly object[]): object => ({
    ...{ name: "s", port: 443, protocol: "HTTPS" },
    tls: { mode: "Terminate", certificateRefs },
  });
  const grant = (name?: string): object => ({
    metadata: { name: "g", namespace: "other" },
    spec: {
      from: [{ group: "gateway.networking.k8s.io", kind: "Gateway", namespace: "shop" }],
      to: [{ group: "", kind: "Secret", ...(name === undefined ? {} : { name }) }],
    },
  });
  const cert = { name: "cert", namespace: "other" };
  test.each([
    ["that is there", [{ name: "own" }], [], "True ResolvedRefs"],
    ["that is missing", [{ name: "none" }], [], "False InvalidCertificateRef"],
    ["that is none", [{ name: "bad" }], [], "False InvalidCertificateRef"],
    ["of which one is missing", [{ name: "own" }, { name: "none" }], [], "True ResolvedRefs"],
    ["of another kind", [{ name: "own", kind: "ConfigMap" }], [], "False InvalidCertificateRef"],
    ["of another namespace", [cert], [], "False RefNotPermitted"],
    ["of another namespace, granted", [cert], [grant()], "True ResolvedRefs"],
    ["of another namespace, granted by name", [cert], [grant("cert")], "True ResolvedRefs"],
    ["of another namespace, another granted", [cert], [grant("else")], "False RefNotPermitted"],
  ])("have a listener with a certificate %s", (_, refs, grants, resolved) => {
    const secrets = {
      "shop/own": { t: "good" },
      "other/cert": { t: "good" },
      "shop/bad": { t: "bad", why: "no key" },
    } as const;
    const gateways = [ingress({ listeners: [https(refs)] })];
    const [listener] = parent({ gateways, grants, secrets }, "Gateway/shop/gw").status.listeners;
    expect(brief(listener!.conditions)["ResolvedRefs"]).toBe(resolved);
  });

  test("are accepted in part as long as one listener is valid", () => {
    const bad = { ...HTTP_LISTENER, name: "bad", port: 81, protocol: "UDP" };
    const accepted = (listeners: readonly object[]) =>
      brief(parent({ gateways: [ingress({ listeners })] }, "Gateway/shop/gw").status.conditions)["Accepted"];
    expect(accepted([HTTP_LISTENER, bad])).toBe("True ListenersNotValid");
    expect(accepted([bad])).toBe("False ListenersNotValid");
    expect(accepted([])).toBe(GOOD);
  });

  test("take ListenerSets of namespaces that they allow; the older wins", () => {
    const set = (
      name: string,
      namespace: string,
      created: string,
      listeners: readonly object[] = [HTTP_LISTENER],
    ): object => ({
      metadata: { name, namespace, creationTimestamp: created },
      spec: { parentRef: { name: "gw", namespace: "shop" }, listeners },
    });
    const selector = { matchLabels: { "kubernetes.io/metadata.name": "other" } };
    const given: Given = {
      gateways: [ingress({ listeners: [], allowedListeners: { namespaces: { from: "Selector", selector } } })],
      sets: [
        set("young", "other", "2026-02-01T00:00:00Z"),
        set("old", "other", "2026-01-01T00:00:00Z"),
        set("far", "shop", "2025-01-01T00:00:00Z"),
        set("portless", "other", "2026-01-01T00:00:00Z", [{ name: "t", protocol: "TCP" }]),
      ],
    };
    const accepted = (name: string) => brief(parent(given, `ListenerSet/${name}`).status.conditions)["Accepted"];
    expect(accepted("other/old")).toBe(GOOD);
    expect(accepted("other/young")).toBe("False ListenersNotValid");
    expect(accepted("other/portless")).toBe("False ListenersNotValid");
    expect(accepted("shop/far")).toBe("False NotAllowed");
    const [lost] = parent(given, "ListenerSet/other/young").status.listeners;
    expect(brief(lost!.conditions)["Conflicted"]).toBe("True HostnameConflict");
    expect(parent(given, "Gateway/shop/gw").status.attachedListenerSets).toBe(1);
  });
});

describe("routes", () => {
  const service = { group: "", kind: "Service", name: "web" };
  const RESOLVED = { ResolvedRefs: "True ResolvedRefs", ResolvedWaypoints: "True ResolvedWaypoints" };
  const services = { "shop/web": {}, "other/web": {}, "shop/ext.example": {} };
  const rules = (...backendRefs: readonly object[]): object => ({ parentRefs: [service], rules: [{ backendRefs }] });

  test("of a service that exists are accepted, and told whether a waypoint takes them", () => {
    const message = (labels: Readonly<Record<string, string>>): string => {
      const routes = [["HTTPRoute", route({ parentRefs: [service] })]] as const;
      const found = said({ routes, services: { "shop/web": labels } }).get("HTTPRoute/shop/r");
      if (found?.t !== "route" || found.parents[0]?.t !== "ours") throw new TypeError("nothing is said");
      expect(brief(found.parents[0].conditions)).toEqual({ Accepted: GOOD, ...RESOLVED });
      return found.parents[0].conditions.find((c) => c.type === "ResolvedWaypoints")!.message;
    };
    expect(message({})).toContain("istio.io/use-waypoint");
    expect(message({ "istio.io/use-waypoint": "none" })).toContain("istio.io/use-waypoint");
    expect(message({ "istio.io/use-waypoint": "wp" })).toBe("a waypoint takes it");
    const routes = [["HTTPRoute", route({ parentRefs: [{ ...service, name: "unbound" }] })]] as const;
    const found = said({ routes, services: { "shop/unbound": { "istio.io/use-waypoint": "wp" } } });
    expect(JSON.stringify(found.get("HTTPRoute/shop/r"))).toContain("Service shop/unbound waits for its waypoint");
  });

  test.each([
    ["a Service that is not there", { ...service, name: "none" }],
    ["a ServiceEntry that is not there", { group: "networking.istio.io", kind: "ServiceEntry", name: "none" }],
  ])("of %s are not accepted", (_, ref) =>
    expect(routeSays({ routes: [["TCPRoute", route({ parentRefs: [ref] })]], services }, "TCPRoute/shop/r")).toEqual([
      { Accepted: "False NoMatchingParent", ...RESOLVED },
    ]),
  );

  test("of a service whose waypoint another controller runs are left to that one", () => {
    const foreign = gateway("theirs", { gatewayClassName: "agent", listeners: [] });
    const given: Given = {
      gateways: [foreign],
      classes: { agent: "agent.example" },
      services: { "shop/web": { "istio.io/use-waypoint": "theirs" } },
    };
    const status = {
      parents: [
        { parentRef: service, controllerName: "agent.example" },
        { parentRef: service, controllerName: CONTROLLER },
      ],
    };
    const routes = (s?: object) => [["HTTPRoute", route({ parentRefs: [service] }, {}, s)]] as const;
    expect(routeSays({ ...given, routes: routes(status) }, "HTTPRoute/shop/r")).toEqual([{ theirs: "agent.example" }]);
    expect(said({ ...given, routes: routes() }).has("HTTPRoute/shop/r")).toBe(false);
  });

  test("whose parent is nobody's here are not spoken of, and ours are renewed in their places", () => {
    const other = { group: "x.example", kind: "Y", name: "z" };
    expect(said({ routes: [["HTTPRoute", route({ parentRefs: [other] })]] }).size).toBe(0);
    const before = [
      { parentRef: { name: "gone" }, controllerName: CONTROLLER },
      { parentRef: service, controllerName: CONTROLLER },
      { parentRef: other, controllerName: "x.example" },
    ];
    const routes = [["HTTPRoute", route({ parentRefs: [other, service] }, {}, { parents: before })]] as const;
    expect(routeSays({ routes, services }, "HTTPRoute/shop/r")).toEqual([
      { Accepted: GOOD, ...RESOLVED },
      { theirs: "x.example" },
    ]);
  });

  const backends: readonly (readonly [name: string, refs: readonly object[], resolved: string])[] = [
    ["a Service", [{ name: "web", port: 80 }], "True ResolvedRefs"],
    [
      "a Service of another namespace: of its consumer no leave is asked",
      [{ name: "web", namespace: "other", port: 80 }],
      "True ResolvedRefs",
    ],
    ["a Service that is not there", [{ name: "none", port: 80 }], "False BackendNotFound"],
    ["one of no weight that is not there", [{ name: "none", port: 80, weight: 0 }], "True ResolvedRefs"],
    ["a Service without a port", [{ name: "web" }], "False InvalidDestination"],
    ["a host name as a Service", [{ name: "web.shop", port: 80 }], "False InvalidDestination"],
    [
      "a host",
      [{ group: "networking.istio.io", kind: "Hostname", name: "ext.example", port: 80 }],
      "True ResolvedRefs",
    ],
    [
      "a host of another namespace",
      [{ group: "networking.istio.io", kind: "Hostname", name: "ext.example", namespace: "other", port: 80 }],
      "False InvalidDestination",
    ],
    ["another kind", [{ group: "x", kind: "Y", name: "z" }], "False InvalidKind"],
    [
      "one that is there and one that is not",
      [
        { name: "web", port: 80 },
        { name: "none", port: 80 },
      ],
      "False BackendNotFound",
    ],
  ];
  test.each(backends)("with a backend that is %s", (_, refs, resolved) =>
    expect(routeSays({ routes: [["GRPCRoute", route(rules(...refs))]], services }, "GRPCRoute/shop/r")).toMatchObject([
      { Accepted: GOOD, ResolvedRefs: resolved },
    ]),
  );

  const odd: readonly (readonly [name: string, rule: object, resolved: string])[] = [
    ["an unknown filter", { filters: [{ type: "Magic" }] }, "False InvalidFilter"],
    [
      "a header that would end its line",
      {
        filters: [{ type: "RequestHeaderModifier", requestHeaderModifier: { set: [{ name: "a", value: "b\r\nc" }] } }],
      },
      "False InvalidFilter",
    ],
    ["an unknown match", { matches: [{ path: { type: "Glob" } }] }, "False InvalidConfiguration"],
    [
      "a copy to nowhere",
      { filters: [{ type: "RequestMirror", requestMirror: { backendRef: { name: "none", port: 80 } } }] },
      "False BackendNotFound",
    ],
    ["nothing", {}, "True ResolvedRefs"],
  ];
  test.each(odd)("with a rule of %s", (_, rule, resolved) =>
    expect(
      routeSays(
        { routes: [["HTTPRoute", route({ parentRefs: [service], rules: [rule] })]], services },
        "HTTPRoute/shop/r",
      ),
    ).toMatchObject([{ Accepted: GOOD, ResolvedRefs: resolved }]),
  );

  describe("of a Gateway", () => {
    const at = (more: object = {}) => ({ name: "gw", namespace: "shop", ...more });
    const listeners = [
      { ...HTTP_LISTENER, hostname: "*.example.com", allowedRoutes: { namespaces: { from: "All" } } },
      { name: "own", port: 81, protocol: "HTTP" },
      { name: "tcp", port: 82, protocol: "TCP", allowedRoutes: { namespaces: { from: "All" } } },
    ];
    const accepted = (spec: object, metadata: object = {}): string | undefined => {
      const given: Given = {
        gateways: [ingress({ listeners })],
        routes: [["HTTPRoute", route(spec, metadata)]],
        services,
      };
      const [name] = [...said(given).keys()].filter((k) => k.startsWith("HTTPRoute"));
      return name === undefined ? undefined : routeSays(given, name)[0]?.["Accepted"];
    };
    const named = (sectionName: string): object => ({ parentRefs: [at({ sectionName })] });
    const cases: readonly (readonly [name: string, accepted: string, spec: object])[] = [
      ["matching a listener", GOOD, { parentRefs: [at()], hostnames: ["a.example.com"] }],
      ["naming a listener", GOOD, named("own")],
      ["naming none that is there", "False NoMatchingParent", named("x")],
      ["naming a port that is not there", "False NoMatchingParent", { parentRefs: [at({ port: 1 })] }],
      ["of another host", "False NoMatchingListenerHostname", { ...named("http"), hostnames: ["b.test"] }],
      ["of another protocol", "False NotAllowedByListeners", named("tcp")],
    ];
    test.each(cases)("%s", (_, want, spec) => expect(accepted(spec)).toBe(want));
    test("of another namespace", () =>
      expect(accepted(named("own"), { namespace: "other" })).toBe("False NotAllowedByListeners"));

    test("are counted at each listener that takes them", () => {
      const spec = { parentRefs: [at()], hostnames: ["a.example.com"] };
      const given: Given = { gateways: [ingress({ listeners })], routes: [["HTTPRoute", route(spec)]], services };
      expect(parent(given, "Gateway/shop/gw").status.listeners.map((l) => l.attachedRoutes)).toEqual([1, 1, 0]);
    });

    test("need leave for backends of other namespaces", () => {
      const spec = {
        parentRefs: [at({ sectionName: "own" })],
        rules: [{ backendRefs: [{ name: "web", namespace: "other", port: 80 }] }],
      };
      const grants = [
        {
          metadata: { name: "g", namespace: "other" },
          spec: {
            from: [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", namespace: "shop" }],
            to: [{ group: "", kind: "Service" }],
          },
        },
      ];
      const resolved = (more: object) =>
        routeSays(
          { gateways: [ingress({ listeners })], routes: [["HTTPRoute", route(spec)]], services, ...more },
          "HTTPRoute/shop/r",
        )[0]?.["ResolvedRefs"];
      expect(resolved({})).toBe("False RefNotPermitted");
      expect(resolved({ grants })).toBe("True ResolvedRefs");
    });
  });
});

test("nothing that can be read makes it throw, however odd", () => {
  const name = fc.constantFrom("gw", "web", "", "a.b", "x\n");
  const odd = fc.constantFrom(undefined, "", "Service", "Gateway", "HTTP", "TLS", "Selector", "\u0000");
  const ref = fc.record({
    group: odd,
    kind: odd,
    name,
    namespace: odd,
    sectionName: odd,
    port: fc.constantFrom(undefined, 0, 80, -1),
  });
  const rule = fc.record({
    matches: fc.array(fc.record({ path: fc.record({ type: odd }), method: fc.anything() }), { maxLength: 2 }),
    filters: fc.array(
      fc.record({ type: fc.constantFrom("RequestMirror", "x"), requestMirror: fc.record({ backendRef: ref }) }),
      { maxLength: 2 },
    ),
    backendRefs: fc.array(ref, { maxLength: 2 }),
  });
  const raw = fc.record({
    parentRefs: fc.array(ref, { maxLength: 3 }),
    hostnames: fc.array(name, { maxLength: 2 }),
    rules: fc.array(rule, { maxLength: 2 }),
  });
  const listener = fc.record({
    name,
    protocol: fc.constantFrom("HTTP", "TLS", "x\n", ""),
    port: fc.nat(),
    hostname: odd,
  });
  fc.assert(
    fc.property(
      raw,
      fc.array(listener, { maxLength: 3 }),
      fc.constantFrom("HTTPRoute", "GRPCRoute", "TLSRoute"),
      (spec, listeners, kind) => {
        const one = route(spec);
        const set = { metadata: { name: "s", namespace: "shop" }, spec: { parentRef: { name: "gw" }, listeners } };
        if (!readRoute(kind, one).ok || !readListenerSet(set).ok) return;
        const allowedListeners = { namespaces: { from: "Same" } };
        said({
          gateways: [ingress({ allowedListeners }), waypoint()],
          routes: [[kind, one]],
          sets: [set],
          services: { "shop/web": {} },
        });
      },
    ),
  );
});
