import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAddress } from "./address-resource.ts";
import { decodeAuthorization, encodeAuthorization } from "./authorization-resource.ts";
import * as a from "./generated/authorization.ts";
import * as w from "./generated/workload.ts";
import { MAX_RESOURCE_BYTES } from "./resource-bytes.ts";
import { arbAuthorization, arbService, arbWorkload } from "./resources.test.support.ts";
import { encodeService } from "./service-resource.ts";
import { encodeWorkload, workloadInAddress } from "./workload-resource.ts";

describe("what was encoded decodes to the same", () => {
  test("workload", () =>
    fc.assert(
      fc.property(arbWorkload, (workload) => {
        expect(decodeAddress(encodeWorkload(workload))).toEqual({ ok: true, value: { t: "workload", workload } });
      }),
    ));
  test("service", () =>
    fc.assert(
      fc.property(arbService, (service) => {
        expect(decodeAddress(encodeService(service))).toEqual({ ok: true, value: { t: "service", service } });
      }),
    ));
  test("authorization", () =>
    fc.assert(
      fc.property(arbAuthorization, (policy) => {
        expect(decodeAuthorization(encodeAuthorization(policy))).toEqual({ ok: true, value: policy });
      }),
    ));
});

test("a workload is found in its address, and in no service's", () =>
  fc.assert(
    fc.property(arbWorkload, arbService, (workload, service) => {
      const found = workloadInAddress(encodeWorkload(workload));
      const read = found === null ? null : w.decodeWorkload(found);
      expect(read).toEqual({ ok: true, value: read?.ok === true && read.value });
      expect(w.encodeAddress(w.createAddress({ workload: read?.ok === true ? read.value : null }))).toEqual(
        encodeWorkload(workload),
      );
      expect(workloadInAddress(encodeService(service))).toBeNull();
    }),
  ));

test("equal workloads give equal bytes, whatever the order of their services", () =>
  fc.assert(
    fc.property(arbWorkload, (workload) => {
      const turned = { ...workload, services: new Map([...workload.services].reverse()) };
      expect(encodeWorkload(turned)).toEqual(encodeWorkload(workload));
    }),
  ));

test("no bytes make a decoder throw", () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decoded of [decodeAddress(bytes), decodeAuthorization(bytes)])
        if (!decoded.ok) expect(decoded.error.code).toBe("BAD_INPUT");
    }),
    { numRuns: 2_000 },
  ));

test("a workload cut anywhere is refused", () =>
  fc.assert(
    fc.property(arbWorkload, fc.nat(), (workload, at) => {
      const bytes = encodeWorkload(workload);
      expect(decodeAddress(bytes.subarray(0, at % bytes.length)).ok).toBe(false);
    }),
  ));

test("a resource beyond the limit is refused by its size", () => {
  const decoded = decodeAddress(new Uint8Array(MAX_RESOURCE_BYTES + 1));
  expect(!decoded.ok && decoded.error.message).toContain("larger than");
});

const decodeWorkload = (over: Partial<w.Workload>): ReturnType<typeof decodeAddress> =>
  decodeAddress(w.encodeAddress(w.createAddress({ workload: w.createWorkload({ uid: "u", ...over }) })));
const decodeService = (over: Partial<w.Service>): ReturnType<typeof decodeAddress> =>
  decodeAddress(w.encodeAddress(w.createAddress({ service: w.createService(over) })));

describe("an address", () => {
  test("of nothing is refused", () => expect(decodeAddress(new Uint8Array(0)).ok).toBe(false));

  test("has the defaults of the contract", () =>
    expect(decodeWorkload({ namespace: "ns" })).toMatchObject({
      ok: true,
      value: {
        workload: {
          identity: { trustDomain: "cluster.local", namespace: "ns", serviceAccount: "default" },
          clusterId: "Kubernetes",
          capacity: 1,
        },
      },
    }));

  const bad: readonly (readonly [string, ReturnType<typeof decodeAddress>, string])[] = [
    ["without uid", decodeWorkload({ uid: "" }), "uid: must not be empty"],
    [
      "with the tunnel of older meshes",
      decodeWorkload({ tunnelProtocol: 2 }),
      "tunnelProtocol: 2 is not a known value",
    ],
    ["with a negative status", decodeWorkload({ status: -1 }), "status: -1 is not a known value"],
    [
      "with five address bytes",
      decodeWorkload({ addresses: [new Uint8Array(5)] }),
      "addresses[0]: 5 bytes are not an IP address",
    ],
    ["with a waypoint nowhere", decodeWorkload({ waypoint: w.createGatewayAddress() }), "waypoint: has no destination"],
    [
      "with a service key that is none",
      decodeWorkload({ services: new Map([["x", w.createPortList()]]) }),
      'services["x"]: is not namespace/hostname',
    ],
    [
      "with a port beyond 65535",
      decodeWorkload({
        services: new Map([["ns/x", w.createPortList({ ports: [w.createPort({ servicePort: 65_536 })] })]]),
      }),
      'services["ns/x"].ports[0].servicePort: 65536 is not a port',
    ],
    [
      "with an unspecified scope",
      decodeService({ loadBalancing: w.createLoadBalancing({ routingPreference: [1, 0] }) }),
      "loadBalancing.routingPreference[1]: -1 is not a known value",
    ],
    [
      "with a weighted waypoint nowhere",
      decodeService({ weightedWaypoints: [w.createWeightedWaypoint()] }),
      "weightedWaypoints[0].destination: is missing",
    ],
    [
      "with a block too long",
      decodeService({ addresses: [w.createNetworkAddress({ address: new Uint8Array(4), length: 33 })] }),
      "addresses[0].length: 33 is more than 32",
    ],
  ];
  for (const [name, decoded, why] of bad)
    test(`${name} is refused with the path`, () => expect(!decoded.ok && decoded.error.message).toBe(why));

  test("is refused with everything that is wrong, up to a bound", () => {
    const decoded = decodeWorkload({
      uid: "",
      status: 9,
      addresses: Array.from({ length: 40 }, () => new Uint8Array(3)),
    });
    expect(!decoded.ok && decoded.error.message).toMatch(/^uid: .*; addresses\[0\].*; and 22 more$/);
  });

  test("of a service with an unknown visibility is public", () =>
    expect(decodeService({ visibility: 7 })).toMatchObject({ ok: true, value: { service: { visibility: "PUBLIC" } } }));

  test("whose block has full length is one address", () =>
    expect(
      decodeService({ addresses: [w.createNetworkAddress({ address: Uint8Array.of(10, 0, 0, 1), length: 32 })] }),
    ).toMatchObject({
      value: { service: { addresses: [{ ip: "10.0.0.1", length: null }] } },
    }));

  test("maps each service port once, as it was said last", () =>
    expect(
      decodeService({
        ports: [w.createPort({ servicePort: 80, targetPort: 1 }), w.createPort({ servicePort: 80, targetPort: 2 })],
      }),
    ).toMatchObject({
      value: { service: { ports: [{ servicePort: 80, targetPort: 2 }] } },
    }));
});

describe("an authorization", () => {
  const decode = (
    match: Partial<a.Match>,
    over: Partial<a.Authorization> = {},
  ): ReturnType<typeof decodeAuthorization> =>
    decodeAuthorization(
      a.encodeAuthorization(
        a.createAuthorization({
          name: "p",
          rules: [a.createRule({ clauses: [a.createClause({ matches: [a.createMatch(match)] })] })],
          ...over,
        }),
      ),
    );
  const only = (decoded: ReturnType<typeof decodeAuthorization>): unknown =>
    decoded.ok ? decoded.value.rules[0]?.clauses[0]?.matches[0] : decoded.error.message;

  test("drops string matches that say nothing", () =>
    expect(only(decode({ principals: [a.createStringMatch(), a.createStringMatch({ exact: "" })] }))).toMatchObject({
      principals: [{ t: "exact", value: "" }],
    }));

  test("drops addresses that are none and clears host bits of the others", () => {
    const blocks = [
      a.createAddress({ address: new Uint8Array(5), length: 8 }),
      a.createAddress({ address: Uint8Array.of(10, 1, 2, 3), length: 40 }),
      a.createAddress({ address: Uint8Array.of(10, 1, 2, 3), length: 8 }),
    ];
    expect(only(decode({ sourceIps: blocks }))).toMatchObject({
      sourceIps: [{ network: Uint8Array.of(10, 0, 0, 0), length: 8 }],
    });
  });

  test("cuts ports to 16 bits", () =>
    expect(only(decode({ destinationPorts: [65_536 + 80] }))).toMatchObject({ destinationPorts: [80] }));

  test("is refused for an unknown scope or action", () =>
    expect(only(decode({}, { scope: 3, action: 2 }))).toBe(
      "scope: 3 is not a known value; action: 2 is not a known value",
    ));

  test("is refused without a name", () => expect(only(decode({}, { name: "" }))).toBe("name: must not be empty"));
});
