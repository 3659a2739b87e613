import { type Cidr, ipFromBytes, parseCidr } from "@lateen/addresses";
import type { Authorization, Match, StringMatch } from "@lateen/policy";
import type {
  GatewayAddress,
  NetworkAddress,
  PortMapping,
  ServicePort,
  Service,
  Workload,
} from "@lateen/workload-model";
import fc from "fast-check";

const word = fc.oneof(fc.stringMatching(/^[a-z0-9-]{0,10}$/), fc.string({ maxLength: 6, unit: "grapheme" }));
const name = fc.stringMatching(/^[a-z0-9-]{1,10}$/);
const port = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

/** Canonical texts; an IPv4 address inside of an IPv6 one would be written as IPv4. */
export const arbIp = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => ipFromBytes(bytes));

const arbGateway: fc.Arbitrary<GatewayAddress> = fc.record({
  destination: fc.oneof(
    fc.record({ t: fc.constant("hostname" as const), namespace: word, hostname: word }),
    fc.record({ t: fc.constant("address" as const), network: word, ip: arbIp }),
  ),
  hboneMtlsPort: port,
});
const arbNetworkAddress: fc.Arbitrary<NetworkAddress> = fc.record({
  network: word,
  ip: arbIp,
  length: fc.option(fc.integer({ min: 0, max: 31 })),
});
const arbPorts: fc.Arbitrary<PortMapping[]> = fc.uniqueArray(fc.record({ servicePort: port, targetPort: port }), {
  selector: (p) => p.servicePort,
  maxLength: 4,
});
const arbMemberships = fc
  .array(fc.tuple(name, name, arbPorts), { maxLength: 3 })
  .map((list) => new Map(list.map(([ns, host, ports]) => [`${ns}/${host}`, ports])));

const arbServicePorts: fc.Arbitrary<ServicePort[]> = fc.uniqueArray(
  fc.record(
    {
      servicePort: port,
      targetPort: port,
      appProtocol: fc.constantFrom(
        "HTTP11" as const,
        "HTTP2" as const,
        "GRPC" as const,
        "TCP" as const,
        "TLS" as const,
      ),
    },
    { requiredKeys: ["servicePort", "targetPort"] },
  ),
  { selector: (p) => p.servicePort, maxLength: 4 },
);

export const arbWorkload: fc.Arbitrary<Workload> = fc
  .record({
    uid: name,
    name: word,
    namespace: word,
    addresses: fc.array(arbIp, { maxLength: 3 }),
    network: word,
    hostname: word,
    tunnelProtocol: fc.constantFrom("NONE" as const, "HBONE" as const),
    nativeTunnel: fc.boolean(),
    trustDomain: fc.constantFrom("cluster.local", "example.org"),
    serviceAccount: name,
    node: word,
    networkMode: fc.constantFrom("STANDARD" as const, "HOST_NETWORK" as const),
    status: fc.constantFrom("HEALTHY" as const, "UNHEALTHY" as const),
    waypoint: fc.option(arbGateway),
    networkGateway: fc.option(arbGateway),
    applicationTunnel: fc.option(fc.record({ protocol: fc.constantFrom("NONE" as const, "PROXY" as const), port })),
    authorizationPolicies: fc.array(word, { maxLength: 2 }),
    services: arbMemberships,
    canonicalName: word,
    canonicalRevision: word,
    workloadType: fc.constantFrom("DEPLOYMENT" as const, "CRONJOB" as const, "POD" as const, "JOB" as const),
    workloadName: word,
    clusterId: name,
    locality: fc.option(fc.record({ region: word, zone: word, subzone: word })),
    capacity: u32,
  })
  .map(({ trustDomain, serviceAccount, ...w }) => ({
    ...w,
    identity: { trustDomain, namespace: w.namespace, serviceAccount },
  }));

export const arbService: fc.Arbitrary<Service> = fc
  .record({
    name: word,
    namespace: word,
    hostname: word,
    addresses: fc.array(arbNetworkAddress, { maxLength: 3 }),
    ports: arbServicePorts,
    subjectAltNames: fc.array(word, { maxLength: 2 }),
    waypoint: fc.option(arbGateway),
    weightedWaypoints: fc.array(fc.record({ destination: arbGateway, weight: u32 }), { maxLength: 2 }),
    loadBalancing: fc.option(
      fc.record({
        routingPreference: fc.array(fc.constantFrom("REGION", "ZONE", "SUBZONE", "NODE", "CLUSTER", "NETWORK"), {
          maxLength: 3,
        }),
        mode: fc.constantFrom("UNSPECIFIED_MODE", "STRICT", "FAILOVER", "PASSTHROUGH"),
        healthPolicy: fc.constantFrom("ONLY_HEALTHY", "ALLOW_ALL"),
      }),
    ),
    ipFamilies: fc.constantFrom("AUTOMATIC", "IPV4_ONLY", "IPV6_ONLY", "DUAL"),
    canonical: fc.boolean(),
    visibility: fc.constantFrom("PUBLIC" as const, "NAMESPACE" as const),
    throughWaypoint: fc.boolean(),
  })
  .map(({ throughWaypoint, ...s }) => (throughWaypoint ? { ...s, ingressUseWaypoint: true } : s));

const arbString: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({ t: fc.constantFrom("exact" as const, "prefix" as const, "suffix" as const), value: word }),
  fc.constant({ t: "presence" as const }),
);
const arbBlock: fc.Arbitrary<Cidr> = fc.tuple(arbIp, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => {
  const parsed = parseCidr(`${ip}/${length}`);
  return parsed.ok ? parsed.value : { network: new Uint8Array(4), length: 0 };
});
const few = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 2 });
const arbAccounts = few(fc.record({ namespace: word, serviceAccount: word }));
const arbMatch: fc.Arbitrary<Match> = fc.record({
  namespaces: few(arbString),
  notNamespaces: few(arbString),
  principals: few(arbString),
  notPrincipals: few(arbString),
  serviceAccounts: arbAccounts,
  notServiceAccounts: arbAccounts,
  sourceIps: few(arbBlock),
  notSourceIps: few(arbBlock),
  destinationIps: few(arbBlock),
  notDestinationIps: few(arbBlock),
  destinationPorts: few(port),
  notDestinationPorts: few(port),
});

export const arbAuthorization: fc.Arbitrary<Authorization> = fc.record({
  name,
  namespace: word,
  scope: fc.constantFrom("Global", "Namespace", "WorkloadSelector"),
  action: fc.constantFrom("Allow", "Deny"),
  rules: few(fc.record({ clauses: few(fc.record({ matches: few(arbMatch) })) })),
  dryRun: fc.boolean(),
});
