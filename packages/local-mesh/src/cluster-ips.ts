import { namespaceOf } from "@lateen/resources";
import { ipFamily, parseIp } from "@lateen/addresses";
import { z } from "zod";
import { type ManifestObject, type PlanProblem, describeObject, withoutNulls } from "./manifest-object.ts";

/** A Service with its addresses, as hosts files and the completed object need it. */
export interface ServicePlan {
  readonly name: string;
  readonly namespace: string;
  /** No virtual address: its name stands for the addresses of its pods. */
  readonly headless: boolean;
  /** Empty for headless ones. */
  readonly clusterIps: readonly string[];
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
}

export interface ServicePort {
  readonly protocol: string;
  readonly port: number;
  readonly targetPort: number | string;
}

export interface ServicePlans {
  readonly services: readonly ServicePlan[];
  readonly problems: readonly PlanProblem[];
}

const serviceSpec = z.object({
  type: z.string().default("ClusterIP"),
  clusterIP: z.string().optional(),
  clusterIPs: z.array(z.string()).optional(),
  ipFamilies: z.array(z.enum(["IPv4", "IPv6"])).optional(),
  ipFamilyPolicy: z.enum(["SingleStack", "PreferDualStack", "RequireDualStack"]).optional(),
  selector: z.record(z.string(), z.string()).default({}),
  ports: z
    .array(
      z.object({
        protocol: z.string().default("TCP"),
        port: z.int().min(1).max(65_535),
        targetPort: z.union([z.int().min(1).max(65_535), z.string()]).optional(),
      }),
    )
    .default([]),
});
type ServiceSpec = z.output<typeof serviceSpec>;

/** The addresses are a function of the name, so that a mesh brought up again has them again; a clash moves the later one. */
const FIRST = 10;
const COUNT = 65_000;

/**
 * Gives each Service its ClusterIPs: those that its spec asks for, else those it had, else free ones.
 * @param had addresses given out before, by `namespace/name`
 */
export function planServices(
  objects: readonly ManifestObject[],
  had: ReadonlyMap<string, readonly string[]> = new Map(),
): ServicePlans {
  const services: ServicePlan[] = [];
  const problems: PlanProblem[] = [];
  const taken = new Map<string, string>();
  const parsed: { object: ManifestObject; key: string; spec: ServiceSpec }[] = [];
  for (const object of objects) {
    if (object.kind !== "Service" || object.apiVersion !== "v1") continue;
    const spec = serviceSpec.safeParse(withoutNulls(object.spec ?? {}));
    const key = `${namespaceOf(object)}/${object.metadata.name}`;
    if (spec.success) parsed.push({ object, key, spec: spec.data });
    else
      for (const i of spec.error.issues)
        problems.push({ object: describeObject(object), field: `spec.${i.path.join(".")}`, message: i.message });
  }
  parsed.sort((a, b) => (a.key < b.key ? -1 : 1));
  const fixed = new Map<string, readonly string[]>();
  for (const p of parsed) fixed.set(p.key, claimFixed(p, taken, problems));
  for (const p of parsed) reclaim(p.key, had.get(p.key), fixed, taken);
  for (const p of parsed) services.push(finish(p, fixed.get(p.key) ?? [], taken));
  return { services, problems };
}

interface Parsed {
  readonly object: ManifestObject;
  readonly key: string;
  readonly spec: ServiceSpec;
}

function claimFixed(p: Parsed, taken: Map<string, string>, problems: PlanProblem[]): readonly string[] {
  const asked = [
    ...new Set([...(p.spec.clusterIP === undefined ? [] : [p.spec.clusterIP]), ...(p.spec.clusterIPs ?? [])]),
  ];
  const claimed: string[] = [];
  for (const text of asked.filter((t) => t !== "" && t !== "None")) {
    const ip = canonicalIp(text);
    if (ip === null)
      problems.push({
        object: describeObject(p.object),
        field: "spec.clusterIP",
        message: `"${text}" is no IP address`,
      });
    else if (taken.has(ip))
      problems.push({
        object: describeObject(p.object),
        field: "spec.clusterIP",
        message: `${ip} belongs to Service ${taken.get(ip) ?? ""} already`,
      });
    else {
      taken.set(ip, p.key);
      claimed.push(ip);
    }
  }
  return claimed;
}

function reclaim(
  key: string,
  had: readonly string[] | undefined,
  fixed: Map<string, readonly string[]>,
  taken: Map<string, string>,
): void {
  if (had === undefined || (fixed.get(key) ?? []).length > 0) return;
  const free = had.filter((ip) => !taken.has(ip));
  for (const ip of free) taken.set(ip, key);
  fixed.set(key, free);
}

function finish(p: Parsed, claimed: readonly string[], taken: Map<string, string>): ServicePlan {
  const headless = p.spec.clusterIP === "None" || p.spec.type === "ExternalName";
  const clusterIps = headless
    ? []
    : families(p.spec).map((f) => claimed.find((ip) => ipFamily(ip) === f) ?? allocate(p.key, f, taken));
  return {
    name: p.object.metadata.name,
    namespace: namespaceOf(p.object),
    headless,
    clusterIps,
    selector: p.spec.selector,
    ports: p.spec.ports.map((x) => ({ protocol: x.protocol, port: x.port, targetPort: x.targetPort ?? x.port })),
  };
}

type Family = "ipv4" | "ipv6";

function families(spec: ServiceSpec): readonly Family[] {
  const asked = (spec.ipFamilies ?? []).map((f): Family => (f === "IPv4" ? "ipv4" : "ipv6"));
  const first = asked[0] ?? (spec.clusterIP === undefined ? "ipv4" : (familyOf(spec.clusterIP) ?? "ipv4"));
  const both = asked.length > 1 || (spec.ipFamilyPolicy ?? "SingleStack") !== "SingleStack";
  return both ? [first, first === "ipv4" ? "ipv6" : "ipv4"] : [first];
}

function familyOf(text: string): Family | null {
  const ip = canonicalIp(text);
  return ip === null ? null : ipFamily(ip);
}

function canonicalIp(text: string): string | null {
  const ip = parseIp(text);
  return ip.ok ? ip.value : null;
}

function allocate(key: string, family: Family, taken: Map<string, string>): string {
  let n = numberOf(key);
  for (let tries = 0; tries < COUNT; tries++, n = (n + 1) % COUNT) {
    const at = FIRST + n;
    const ip = family === "ipv4" ? `10.96.${at >> 8}.${at & 255}` : `fd00:10:96::${at.toString(16)}`;
    if (taken.has(ip)) continue;
    taken.set(ip, key);
    return ip;
  }
  return family === "ipv4" ? "10.96.0.1" : "fd00:10:96::1"; // more Services than the block holds: manifests bound them far below
}

function numberOf(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) >>> 0;
  return hash % COUNT;
}
