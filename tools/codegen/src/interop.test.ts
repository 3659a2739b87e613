import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { authorizationWire as a, protobufWire as p, workloadWire as w } from "@lateen/xds-types/wire";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../../../packages/xds-types/proto/", import.meta.url));
const root = new protobuf.Root();
for (const name of readdirSync(folder)) protobuf.parse(readFileSync(folder + name, "utf8"), root);
root.resolveAll();

const gateway = w.createGatewayAddress({
  address: w.createNetworkAddress({ network: "n", address: Uint8Array.of(10, 0, 0, 1), length: 0 }),
  hboneMtlsPort: 15_008,
});
const workload = w.createWorkload({
  uid: "Kubernetes//Pod/ns/täst",
  addresses: [Uint8Array.of(10, 0, 0, 2), new Uint8Array(16).fill(9)],
  tunnelProtocol: 1,
  nativeTunnel: true,
  status: -1,
  networkGateway: gateway,
  services: new Map([
    ["ns/a", w.createPortList({ ports: [w.createPort({ servicePort: 80, targetPort: 70_000 })] })],
    ["ns/b", w.createPortList()],
  ]),
  capacity: p.createUInt32Value({ value: 4_294_967_295 }),
});
const service = w.createService({
  hostname: "h".repeat(300),
  loadBalancing: w.createLoadBalancing({ routingPreference: [6, 1, 2], mode: 2 }),
  weightedWaypoints: [w.createWeightedWaypoint({ destination: gateway, weight: 1 })],
});
const strings = [{ exact: "" }, { prefix: "x" }, { presence: {} }].map((m) => a.createStringMatch(m));
const policy = a.createAuthorization({
  name: "p",
  scope: 2,
  rules: [
    a.createRule({
      clauses: [a.createClause({ matches: [a.createMatch({ notPrincipals: strings, destinationPorts: [0, 443] })] })],
    }),
  ],
});
const struct = p.createStruct({
  fields: new Map([
    [
      "list",
      p.createValue({
        listValue: p.createListValue({
          values: [p.createValue({ numberValue: -1.5 }), p.createValue({ nullValue: 0 })],
        }),
      }),
    ],
    ["yes", p.createValue({ boolValue: false })],
  ]),
});

const cases: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
  ["istio.workload.Workload", w.encodeWorkload(workload), w.decodeWorkload],
  ["istio.workload.Service", w.encodeService(service), w.decodeService],
  ["istio.security.Authorization", a.encodeAuthorization(policy), a.decodeAuthorization],
  ["google.protobuf.Struct", p.encodeStruct(struct), p.decodeStruct],
];

describe("another implementation of protobuf", () => {
  for (const [name, ours, decode] of cases)
    test(`reads our ${name} and writes one that we read the same`, () => {
      const type = root.lookupType(name);
      const theirs = type.decode(ours);
      expect(type.verify(theirs)).toBeNull();
      expect(decode(type.encode(theirs).finish())).toEqual(decode(ours));
      expect(Object.keys(type.toObject(theirs)).length).toBeGreaterThan(0);
    });

  test("sees the values that we wrote", () => {
    const seen = root.lookupType("istio.workload.Workload").decode(w.encodeWorkload(workload)).toJSON();
    expect(seen).toMatchObject({
      uid: "Kubernetes//Pod/ns/täst",
      tunnelProtocol: "HBONE",
      nativeTunnel: true,
      networkGateway: { address: { network: "n", length: 0 }, hboneMtlsPort: 15_008 },
      services: { "ns/a": { ports: [{ servicePort: 80, targetPort: 70_000 }] }, "ns/b": {} },
      capacity: { value: 4_294_967_295 },
    });
  });
});
