import { parseCidr, parseIp } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Authorization } from "@lateen/policy";
import type {
  GatewayAddress,
  GatewayDestination,
  NetworkAddress,
  PortMapping,
  Service,
  Workload,
} from "@lateen/workload-model";
import { z } from "zod";
import { StaticPolicy } from "./static-policy.ts";

/** Workloads, services and policies from a file, beside or in place of a control plane (dataplane 8.5). */
export interface StaticMesh {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly Authorization[];
}

const text = z.string();
const port = z.number().int().min(0).max(65_535);
const ip = text.transform((value, context) => {
  const parsed = parseIp(value);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: `${JSON.stringify(value.slice(0, 80))} is not an IP address` });
  return z.NEVER;
});

/** `{80: 8080}`; YAML and JSON keys are text here. */
const Ports = z
  .record(
    text.regex(/^(?:0|[1-9]\d{0,4})$/).refine((key) => Number(key) <= 65_535),
    port,
    "has a key that is no port",
  )
  .transform((ports): readonly PortMapping[] =>
    Object.entries(ports).map(([servicePort, targetPort]) => ({ servicePort: Number(servicePort), targetPort })),
  );

/** `network/ip`; the network may be empty. */
const VirtualIp = text.transform((value, context): NetworkAddress => {
  const at = value.indexOf("/");
  const parsed = at < 0 ? null : parseIp(value.slice(at + 1));
  if (parsed?.ok === true) return { network: value.slice(0, at), ip: parsed.value, length: null };
  context.addIssue({ code: "custom", message: `${JSON.stringify(value.slice(0, 80))} is not network/ip` });
  return z.NEVER;
});

const Block = z
  .strictObject({ cidr: text, network: text.default("") })
  .transform(({ cidr, network }, context): NetworkAddress => {
    const [address = "", length = ""] = cidr.split("/");
    const parsed = parseIp(address);
    if (parsed.ok && parseCidr(cidr).ok) return { network, ip: parsed.value, length: Number(length) };
    context.addIssue({ code: "custom", message: `${JSON.stringify(cidr.slice(0, 80))} is not a block` });
    return z.NEVER;
  });

/** Tried as `network/ip`, else it is `namespace/hostname`. */
function destination(value: string): GatewayDestination {
  const at = value.indexOf("/");
  const [first, rest] = [value.slice(0, at), value.slice(at + 1)];
  const parsed = parseIp(rest);
  if (parsed.ok) return { t: "address", network: first, ip: parsed.value };
  return { t: "hostname", namespace: first, hostname: rest };
}

const Gateway = z
  .strictObject({ destination: text.regex(/\//, "is not network/ip or namespace/hostname"), hboneMtlsPort: port })
  .transform((g): GatewayAddress => ({ destination: destination(g.destination), hboneMtlsPort: g.hboneMtlsPort }));

/** One spelling for one value: `{ HBONE: "HBONE", TCP: "NONE" }`. */
function named<const V extends Readonly<Record<string, string>>>(values: V): z.ZodType<V[keyof V], string> {
  const names = Object.keys(values);
  return text
    .refine((name) => Object.hasOwn(values, name), { error: `must be one of ${names.join(", ")}`, abort: true })
    .transform((name) => values[name] as V[keyof V]);
}

const TYPES = { deployment: "DEPLOYMENT", cronjob: "CRONJOB", pod: "POD", job: "JOB", "": "DEPLOYMENT" } as const;

const StaticWorkload = z
  .strictObject({
    uid: text.default(""),
    name: text.default(""),
    namespace: text,
    serviceAccount: text.default("default"),
    trustDomain: text.default("cluster.local"),
    workloadIps: z.array(ip),
    protocol: named({ HBONE: "HBONE", TCP: "NONE" }).default("NONE"),
    networkMode: named({ Standard: "STANDARD", HostNetwork: "HOST_NETWORK" }).default("STANDARD"),
    network: text.default(""),
    hostname: text.default(""),
    node: text.default(""),
    waypoint: Gateway.nullable().default(null),
    networkGateway: Gateway.nullable().default(null),
    workloadName: text.default(""),
    workloadType: named(TYPES).default("DEPLOYMENT"),
    canonicalName: text.default(""),
    canonicalRevision: text.default(""),
    nativeTunnel: z.boolean().default(false),
    applicationTunnel: z
      .strictObject({ protocol: named({ NONE: "NONE", PROXY: "PROXY" }), port: port.nullable().default(0) })
      .transform((t) => ({ protocol: t.protocol, port: t.port ?? 0 }))
      .nullable()
      .default(null),
    authorizationPolicies: z.array(text).default([]),
    status: named({ Healthy: "HEALTHY", Unhealthy: "UNHEALTHY" }).default("HEALTHY"),
    clusterId: text.default("Kubernetes"),
    locality: z
      .strictObject({ region: text.default(""), zone: text.default(""), subzone: text.default("") })
      .nullable()
      .default(null),
    capacity: z.number().int().min(0).max(0xffff_ffff).default(1),
    services: z.record(text.regex(/^[^/]*\/[^/]+$/, "is not namespace/hostname"), Ports),
  })
  .transform(({ workloadIps, protocol, serviceAccount, trustDomain, services, ...rest }): Workload => ({
    ...rest,
    addresses: workloadIps,
    tunnelProtocol: protocol,
    identity: { trustDomain, namespace: rest.namespace, serviceAccount },
    services: new Map(Object.entries(services)),
  }));

const SCOPES = {
  Region: "REGION",
  Zone: "ZONE",
  Subzone: "SUBZONE",
  Node: "NODE",
  Cluster: "CLUSTER",
  Network: "NETWORK",
} as const;
const MODES = {
  Standard: "UNSPECIFIED_MODE",
  Strict: "STRICT",
  Failover: "FAILOVER",
  Passthrough: "PASSTHROUGH",
} as const;

const LoadBalancer = z
  .strictObject({
    routingPreferences: z.array(named(SCOPES)),
    mode: named(MODES),
    healthPolicy: named({ OnlyHealthy: "ONLY_HEALTHY", AllowAll: "ALLOW_ALL" }),
  })
  .transform(({ routingPreferences, ...rest }) => ({ ...rest, routingPreference: routingPreferences }));

const StaticService = z
  .strictObject({
    name: text,
    namespace: text,
    hostname: text,
    vips: z.array(VirtualIp),
    cidrVips: z.array(Block).default([]),
    ports: Ports,
    /** As a dump shows them; what counts is what workloads say of themselves. */
    endpoints: z.unknown().optional(),
    subjectAltNames: z.array(text).default([]),
    waypoint: Gateway.nullable().default(null),
    weightedWaypoints: z
      .array(z.strictObject({ destination: Gateway, weight: z.number().int().min(0).max(0xffff_ffff) }))
      .default([]),
    loadBalancer: LoadBalancer.nullable().default(null),
    ipFamilies: named({ IPv4: "IPV4_ONLY", IPv6: "IPV6_ONLY", Dual: "DUAL" }).nullable().default(null),
    canonical: z.boolean().default(false),
    visibility: named({ Public: "PUBLIC", Namespace: "NAMESPACE" }).default("PUBLIC"),
  })
  .transform(({ vips, cidrVips, loadBalancer, ipFamilies, endpoints: _, ...rest }): Service => ({
    ...rest,
    addresses: [...vips, ...cidrVips],
    loadBalancing: loadBalancer,
    ipFamilies: ipFamilies ?? "AUTOMATIC",
  }));

const Static = z.strictObject({
  workloads: z.array(StaticWorkload).nullish(),
  services: z.array(StaticService).nullish(),
  policies: z.array(StaticPolicy).nullish(),
});

const MAX_LISTED = 20;

/**
 * Checks a static configuration, in the shape in which `/config_dump` shows one (dataplane 8.5). Unknown fields are refused.
 * @param document the parsed YAML; null stands for an empty one
 * @returns BAD_INPUT with every mistake and its path
 */
export function parseStaticConfig(document: unknown): Result<StaticMesh> {
  const read = Static.safeParse(document ?? {});
  if (read.success) {
    const { workloads, services, policies } = read.data;
    return ok({ workloads: workloads ?? [], services: services ?? [], policies: policies ?? [] });
  }
  const all = read.error.issues;
  const listed = all.slice(0, MAX_LISTED).map((i) => `${i.path.join(".")}: ${i.message}`);
  const more = all.length > MAX_LISTED ? `; and ${all.length - MAX_LISTED} more` : "";
  return fail(new MeshError(Code.BadInput, `Cannot use static configuration: ${listed.join("; ")}${more}`));
}
