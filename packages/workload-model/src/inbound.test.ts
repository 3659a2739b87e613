import { describe, expect, test } from "vitest";
import { resolveInbound } from "./inbound.ts";
import { byAddress, byHostname, members, service, storeOf, vip, workload } from "./mesh.test.support.ts";

const own = workload("own", {
  addresses: ["10.0.0.1"],
  services: new Map([
    ["ns/s.ns.svc", [{ servicePort: 80, targetPort: 9090 }]],
    ["ns/wp.ns.svc", []],
  ]),
});
const s = service("s", {
  addresses: [vip("2001:db8::96"), vip("10.96.0.1")],
  ports: [
    { servicePort: 80, targetPort: 0 },
    { servicePort: 81, targetPort: 8081 },
    { servicePort: 82, targetPort: 0 },
  ],
});
const wp = service("wp", { addresses: [vip("10.96.0.2")] });
const mine = workload("mine", { addresses: ["10.0.1.1"], waypoint: byHostname("wp.ns.svc") });
const mineByAddress = workload("mine-2", { addresses: ["10.0.1.2"], waypoint: byAddress("10.0.0.1") });
const theirs = workload("theirs", { addresses: ["10.0.1.3"], waypoint: byAddress("10.0.1.1") });
const guarded = service("guarded", {
  addresses: [vip("10.96.0.3")],
  weightedWaypoints: [{ destination: byHostname("wp.ns.svc"), weight: 0 }],
});
const store = storeOf([own, mine, mineByAddress, theirs], [s, wp, guarded]);
const at = (port: number): unknown => ({
  t: "target",
  destination: { ip: "10.0.0.1", port },
  dial: { ip: "10.0.0.1", port },
  proxyDestination: null,
});

describe("an inbound CONNECT", () => {
  const table: readonly (readonly [string, string, unknown])[] = [
    ["for the pod's address goes to that port", "10.0.0.1:7000", at(7000)],
    ["for a service goes to the pod's own mapping", "s.ns.svc:80", at(9090)],
    ["for a service goes to the service's mapping where the pod has none", "s.ns.svc:81", at(8081)],
    [
      "for a service with an unmapped named port is refused",
      "s.ns.svc:82",
      { t: "refuse", status: 503, error: "requested service s.ns.svc:82 found, but cannot resolve port" },
    ],
    ["for a service that lacks the port is refused", "s.ns.svc:99", { t: "refuse", status: 503 }],
    [
      "for an unknown hostname is refused",
      "nobody.svc:80",
      { t: "refuse", status: 503, error: "no service or workload for hostname: nobody.svc" },
    ],
    ["for a workload that names us its waypoint is taken", "10.0.1.1:80", at(80)],
    ["for a workload that names our address its waypoint is taken", "10.0.1.2:80", at(80)],
    [
      "for a workload of another waypoint is refused",
      "10.0.1.3:80",
      { t: "refuse", status: 400, error: "ip mismatch: 10.0.0.1 != 10.0.1.3" },
    ],
    ["for a service that may go through us is taken", "10.96.0.3:80", at(80)],
    [
      "for an address of nobody is refused",
      "192.0.2.1:80",
      { t: "refuse", status: 400, error: "ip mismatch: 10.0.0.1 != 192.0.2.1" },
    ],
    ["for a port of the proxy is refused", "10.0.0.1:15008", { t: "refuse", status: 503 }],
    ["without a port is refused", "10.0.0.1", { t: "refuse", status: 400 }],
    ["with a port too large is refused", "10.0.0.1:65536", { t: "refuse", status: 400 }],
    ["for IPv6 without brackets is refused", "2001:db8::1:80", { t: "refuse", status: 400 }],
    ["for a number that is no address is refused", "10.0.0.256:80", { t: "refuse", status: 400 }],
    ["with nothing is refused", "", { t: "refuse", status: 400 }],
    ["with a header's worth of junk is refused", "a b\r\n:80", { t: "refuse", status: 400 }],
  ];
  for (const [name, authority, want] of table)
    test(name, () =>
      expect(resolveInbound(store, { own, authority, localIp: "10.0.0.1" })).toMatchObject(want as object),
    );
});

describe("behind an application tunnel", () => {
  const tunnelled = { ...own, applicationTunnel: { protocol: "PROXY" as const, port: 15_088 } };

  test("the port is replaced, loopback is dialled, and the destination is told", () =>
    expect(resolveInbound(store, { own: tunnelled, authority: "10.96.0.9:80", localIp: "10.0.0.1" })).toMatchObject({
      destination: { ip: "10.0.0.1", port: 15_088 },
      dial: { ip: "127.0.0.1", port: 15_088 },
      fromLoopback: true,
      proxyDestination: { ip: "10.96.0.9", port: 80 },
    }));

  test("the pod's address is dialled when the application does not listen on loopback", () =>
    expect(
      resolveInbound(store, { own: tunnelled, authority: "10.0.0.1:80", localIp: "10.0.0.1", loopbackTunnel: false }),
    ).toMatchObject({ dial: { ip: "10.0.0.1", port: 15_088 }, fromLoopback: false }));

  test("a hostname is told as a virtual address, IPv4 first", () =>
    expect(resolveInbound(store, { own: tunnelled, authority: "s.ns.svc:81", localIp: "10.0.0.1" })).toMatchObject({
      proxyDestination: { ip: "10.96.0.1", port: 81 },
    }));

  test("a service without a virtual address is refused", () => {
    const bare = storeOf([tunnelled], [{ ...s, addresses: [] }]);
    expect(resolveInbound(bare, { own: tunnelled, authority: "s.ns.svc:81", localIp: "10.0.0.1" })).toMatchObject({
      status: 503,
    });
  });

  test("without a port of its own the target's port stays", () => {
    const plain = {
      ...own,
      services: members("ns/s.ns.svc"),
      applicationTunnel: { protocol: "NONE" as const, port: 0 },
    };
    expect(resolveInbound(store, { own: plain, authority: "10.0.9.9:80", localIp: "10.0.0.1" })).toMatchObject(
      at(80) as object,
    );
  });
});
