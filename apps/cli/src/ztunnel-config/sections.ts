import { renderTable } from "../table.ts";
import type { ConfigDump, DumpCertificate, DumpService, DumpWorkload, DumpWorkloadState } from "./config-dump.ts";

/** What narrows a listing; each is compared without regard to case, empty means any. */
export interface SectionFilter {
  readonly address?: string | undefined;
  readonly workloadNamespace?: string | undefined;
  readonly workloadNode?: string | undefined;
  readonly serviceNamespace?: string | undefined;
  readonly policyNamespace?: string | undefined;
  /** One workload, by `name` and `namespace`. */
  readonly workload?: { readonly name: string; readonly namespace: string } | undefined;
  readonly direction?: "inbound" | "outbound" | undefined;
  /** Show addresses as they are, do not replace them by names. */
  readonly raw?: boolean | undefined;
}

/** One listing: what JSON and YAML show, and the table. */
export interface Section {
  readonly value: readonly unknown[];
  readonly table: string;
}

/** The ztunnel tables of Istio are set this tight; that of certificates is not. */
const TIGHT = 1;

const same = (want: string | undefined, is: string): boolean =>
  want === undefined || want === "" || want.toLowerCase() === is.toLowerCase();

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function sorted<T>(list: readonly T[], ...keys: readonly ((item: T) => string)[]): T[] {
  return [...list].sort((a, b) => keys.reduce((order, key) => order || compare(key(a), key(b)), 0));
}

/** @see cli-and-chart 1.4.2, `workload` */
export function workloadSection(dump: ConfigDump, filter: SectionFilter = {}): Section {
  const chosen = dump.workloads.filter(
    (w) =>
      same(filter.workloadNamespace, w.namespace) &&
      same(filter.workloadNode, w.node) &&
      (filter.address === undefined || filter.address === "" || w.workloadIps.some((ip) => same(filter.address, ip))) &&
      (filter.workload === undefined ||
        (filter.workload.name === w.name && same(filter.workload.namespace, w.namespace))),
  );
  const value = sorted(
    chosen,
    (w) => `${w.namespace}.${w.name}`,
    (w) => w.node,
  );
  return {
    value,
    table: renderTable(
      ["NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL"],
      value.map((w) => [w.namespace, w.name, addressOf(w), w.node, waypointName(dump, w), w.protocol]),
      TIGHT,
    ),
  };
}

const addressOf = (w: DumpWorkload): string => (w.workloadIps.length === 0 ? w.hostname : w.workloadIps.join(","));

/** The waypoint's service: its destination is `namespace/hostname` or `network/ip`. */
function waypointName(dump: ConfigDump, of: DumpWorkload | DumpService): string {
  const destination = of.waypoint?.destination ?? "";
  if (destination === "") return "None";
  const found = dump.services.find(
    (s) => `${s.namespace}/${s.hostname}` === destination || s.vips.includes(destination),
  );
  return found?.name ?? "NA";
}

/** @see cli-and-chart 1.4.2, `service` */
export function serviceSection(dump: ConfigDump, filter: SectionFilter = {}): Section {
  const healthy = new Set(dump.workloads.filter((w) => w.status === "Healthy").map((w) => w.uid));
  const chosen = dump.services.filter((s) => same(filter.serviceNamespace, s.namespace));
  const value = sorted(
    chosen,
    (s) => s.namespace,
    (s) => s.name,
    (s) => s.hostname,
  );
  return {
    value,
    table: renderTable(
      ["NAMESPACE", "SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"],
      value.map((s) => {
        const endpoints = Object.values(s.endpoints);
        const up = endpoints.filter((e) => healthy.has(e.workloadUid)).length;
        const vips = s.vips.map((vip) => vip.slice(vip.indexOf("/") + 1)).join(",");
        return [s.namespace, s.name, vips, waypointName(dump, s), `${up}/${endpoints.length}`];
      }),
      TIGHT,
    ),
  };
}

/** @see cli-and-chart 1.4.2, `policy` */
export function policySection(dump: ConfigDump, filter: SectionFilter = {}): Section {
  const value = sorted(
    dump.policies.filter((p) => same(filter.policyNamespace, p.namespace)),
    (p) => p.namespace,
    (p) => p.name,
  );
  return {
    value,
    table: renderTable(
      ["NAMESPACE", "POLICY NAME", "ACTION", "SCOPE"],
      value.map((p) => [p.namespace, p.name, p.action, p.scope]),
      TIGHT,
    ),
  };
}

/** @see cli-and-chart 1.4.2, `certificate` */
export function certificateSection(dump: ConfigDump, nowMs: number): Section {
  const rows = dump.certificates.flatMap((entry) => {
    const state = entry.state.includes("Unavailable") ? "Unavailable" : entry.state;
    const certs = typed(entry.certChain, entry.rootCerts ?? null);
    if (certs.length === 0) return [[entry.identity, "NA", state, "false", "NA", "NA", "NA"]];
    return certs.map(({ type, cert }) => [
      entry.identity,
      type,
      state,
      String(isValid(cert, nowMs)),
      hexSerial(cert.serialNumber),
      cert.expirationTime || "NA",
      cert.validFrom || "NA",
    ]);
  });
  const headers = ["CERTIFICATE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"];
  return { value: dump.certificates, table: renderTable(headers, rows) };
}

type TypedCertificate = { readonly type: "Leaf" | "Intermediate" | "Root"; readonly cert: DumpCertificate };

/** Dumps without `rootCerts` end their chain with the root. */
function typed(
  chain: readonly DumpCertificate[],
  roots: readonly DumpCertificate[] | null,
): readonly TypedCertificate[] {
  const last = roots === null && chain.length > 1 ? chain.length - 1 : -1;
  return [
    ...chain.map((cert, i): TypedCertificate => ({
      type: i === 0 ? "Leaf" : i === last ? "Root" : "Intermediate",
      cert,
    })),
    ...(roots ?? []).map((cert): TypedCertificate => ({ type: "Root", cert })),
  ];
}

function isValid(cert: DumpCertificate, nowMs: number): boolean {
  return Date.parse(cert.validFrom) < nowMs && nowMs < Date.parse(cert.expirationTime);
}

function hexSerial(decimal: string): string {
  if (decimal === "") return "NA";
  return /^[0-9]{1,80}$/.test(decimal) ? BigInt(decimal).toString(16) : decimal;
}

/** @see cli-and-chart 1.4.2, `connections` */
export function connectionSection(dump: ConfigDump, filter: SectionFilter = {}): Section {
  const chosen = Object.values(dump.workloadState).filter(
    ({ info }) =>
      same(filter.workloadNamespace, info.namespace) &&
      (filter.workload === undefined ||
        (filter.workload.name === info.name && same(filter.workload.namespace, info.namespace))),
  );
  const value = sorted(chosen, (w) => `${w.info.name}.${w.info.namespace}`).map((w) => narrowed(w, filter.direction));
  const name = filter.raw === true ? (text: string): string => text : namer(dump);
  return {
    value,
    table: renderTable(
      ["WORKLOAD", "DIRECTION", "LOCAL", "REMOTE", "REMOTE TARGET", "PROTOCOL"],
      value.flatMap((w) => connectionRows(w, name)),
      TIGHT,
    ),
  };
}

function narrowed(w: DumpWorkloadState, direction: SectionFilter["direction"]): DumpWorkloadState {
  if (direction === undefined) return w;
  const { inbound, outbound } = w.connections;
  const connections = direction === "inbound" ? { inbound, outbound: [] } : { inbound: [], outbound };
  return { ...w, connections };
}

function connectionRows(w: DumpWorkloadState, name: (address: string) => string): string[][] {
  const workload = `${w.info.name}.${w.info.namespace}`;
  return [
    ...w.connections.inbound.map((c) => [
      workload,
      "Inbound",
      name(c.actualDst),
      name(c.src),
      c.originalDst,
      c.protocol,
    ]),
    ...w.connections.outbound.map((c) => [
      workload,
      "Outbound",
      name(c.src),
      name(c.actualDst),
      name(c.originalDst),
      c.protocol,
    ]),
  ];
}

/** Replaces the IP of `ip:port` by the Service's hostname or by `pod.namespace`. */
function namer(dump: ConfigDump): (address: string) => string {
  const names = new Map<string, string>();
  for (const w of dump.workloads) {
    const [ip] = w.workloadIps;
    if (ip !== undefined) names.set(ip, `${w.name}.${w.namespace}`);
  }
  for (const s of dump.services) {
    const [vip] = s.vips;
    if (vip !== undefined) names.set(vip.slice(vip.indexOf("/") + 1), s.hostname);
  }
  return (address) => {
    const colon = address.lastIndexOf(":");
    if (colon < 0) return address;
    const name = names.get(address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"));
    return name === undefined ? address : `${name}${address.slice(colon)}`;
  };
}
