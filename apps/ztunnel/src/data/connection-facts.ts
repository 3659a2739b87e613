import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import type { Baggage, Service, Workload } from "@lateen/workload-model";
import { type Bare, type Fields, bare } from "@lateen/telemetry";

/** Why a connection ended other than by itself (dataplane 11.3). */
export type ResponseFlag =
  "-" | "DENY" | "CONNECT" | "TLS_FAILURE" | "H2_HANDSHAKE_FAILURE" | "NETWORK_POLICY" | "IDENTITY_ERROR";

/** What is told of a workload. */
export type WorkloadFacts = Pick<
  Workload,
  "name" | "namespace" | "identity" | "canonicalName" | "canonicalRevision" | "workloadName" | "clusterId" | "locality"
>;

/** Why a connection did not come to its own end, for its access-log line and its metrics. */
export interface Refusal {
  readonly flag: ResponseFlag;
  readonly error: string;
  /** Policy that refused it, with the index of its rule where one hit. */
  readonly refusedBy: { readonly policy: string; readonly rule: number | null } | null;
}

/** Who and what a connection is about; resolved once, shared by its access log, its metrics and `config_dump`. */
export interface ConnectionFacts {
  readonly direction: "inbound" | "outbound";
  readonly src: SocketAddress;
  readonly srcWorkload: WorkloadFacts | null;
  /** What the client's proxy says about a workload that we do not know; for metrics alone. */
  readonly srcBaggage: Baggage | null;
  /** Only under mutual TLS. */
  readonly srcIdentity: SpiffeIdentity | null;
  /** The next hop. */
  readonly dst: SocketAddress;
  /** `:authority` of the CONNECT request; null without HBONE. */
  readonly hboneAuthority: string | null;
  readonly dstService: Pick<Service, "name" | "namespace" | "hostname"> | null;
  readonly dstWorkload: WorkloadFacts | null;
  readonly dstIdentity: SpiffeIdentity | null;
}

export interface ConnectionEnd {
  /** Downstream to upstream. */
  readonly received: number;
  /** Upstream to downstream. */
  readonly sent: number;
  readonly durationMs: number;
  readonly error: string | null;
  /** Policy that refused the connection, with the index of its rule where one hit. */
  readonly refusedBy: { readonly policy: string; readonly rule: number | null } | null;
}

const address = (a: SocketAddress): Bare => bare(formatSocketAddress(a));

const nameOf = (w: WorkloadFacts | null): string | null => w?.name || w?.canonicalName || null;
const uriOf = (identity: SpiffeIdentity | null): string | null => (identity === null ? null : formatIdentity(identity));

/** The fields of `connection opened`, in ztunnel's order (dataplane 11.4). One shape, for every connection has a line. */
export function openedFields(facts: ConnectionFacts): Fields {
  const { srcWorkload: src, dstWorkload: dst } = facts;
  return {
    "src.addr": address(facts.src),
    "src.workload": nameOf(src),
    "src.namespace": src?.namespace || null,
    "src.identity": uriOf(facts.srcIdentity),
    "src.cluster": src?.clusterId || null,
    "dst.addr": address(facts.dst),
    "dst.hbone_addr": facts.hboneAuthority === null ? null : bare(facts.hboneAuthority),
    "dst.service": facts.dstService?.hostname,
    "dst.workload": nameOf(dst),
    "dst.namespace": dst?.namespace || null,
    "dst.identity": uriOf(facts.dstIdentity),
    "dst.cluster": dst?.clusterId || null,
    direction: facts.direction,
  };
}

/**
 * The fields of `connection complete`; bytes count from the point of view of this side's workload (dataplane 11.4). `policy`
 * and `policy.rule` are ours, behind the fields that others read.
 */
export function completeFields(facts: ConnectionFacts, end: ConnectionEnd): Fields {
  const [sent, received] = facts.direction === "outbound" ? [end.received, end.sent] : [end.sent, end.received];
  return {
    ...openedFields(facts),
    bytes_sent: sent,
    bytes_recv: received,
    duration: `${Math.round(end.durationMs)}ms`,
    error: end.error,
    policy: end.refusedBy?.policy,
    "policy.rule": end.refusedBy?.rule,
  };
}

/** Labels of every traffic metric, in ztunnel's order (dataplane 11.3). */
export const TRAFFIC_LABELS = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_service",
  "destination_service_namespace",
  "destination_service_name",
  "destination_workload",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_cluster",
  "request_protocol",
  "response_flags",
  "connection_security_policy",
  "source_region",
  "source_zone",
  "destination_region",
  "destination_zone",
] as const;
export type TrafficLabel = (typeof TRAFFIC_LABELS)[number];

const known = (text: string | undefined | null): string => text || "unknown";

type Side = "source" | "destination";
type SideLabels<S extends Side> = Record<Extract<TrafficLabel, `${S}_${string}`>, string>;

/** The longest text that a label takes from a peer's baggage. */
const MAX_TOLD = 253;
const told = (text: string | null): string | null => text?.slice(0, MAX_TOLD) ?? null;

/** A workload as labels show it: as the control plane knows it, else as its proxy describes it. */
function shown(w: WorkloadFacts | null, baggage: Baggage | null): Omit<Baggage, "workloadType"> {
  if (w === null)
    return {
      clusterId: told(baggage?.clusterId ?? null),
      namespace: told(baggage?.namespace ?? null),
      workloadName: told(baggage?.workloadName ?? null),
      serviceName: told(baggage?.serviceName ?? null),
      revision: told(baggage?.revision ?? null),
      region: told(baggage?.region ?? null),
      zone: told(baggage?.zone ?? null),
    };
  const { clusterId, namespace, workloadName, canonicalName: serviceName, canonicalRevision: revision, locality } = w;
  const { region, zone } = locality ?? { region: null, zone: null };
  return { clusterId, namespace, workloadName, serviceName, revision, region, zone };
}

function sideLabels<S extends Side>(
  side: S,
  of: ReturnType<typeof shown>,
  principal: SpiffeIdentity | null,
): SideLabels<S> {
  return {
    [`${side}_workload`]: known(of.workloadName),
    [`${side}_canonical_service`]: known(of.serviceName),
    [`${side}_canonical_revision`]: known(of.revision),
    [`${side}_workload_namespace`]: known(of.namespace),
    [`${side}_principal`]: principal === null ? "unknown" : formatIdentity(principal),
    [`${side}_app`]: known(of.serviceName),
    [`${side}_version`]: known(of.revision),
    [`${side}_cluster`]: known(of.clusterId),
    [`${side}_region`]: known(of.region),
    [`${side}_zone`]: known(of.zone),
  } as SideLabels<S>;
}

/** Label values of a connection; `response_flags` follows when it ends. */
export function trafficLabels(facts: ConnectionFacts): Omit<Record<TrafficLabel, string>, "response_flags"> {
  const service = facts.dstService;
  return {
    ...sideLabels("source", shown(facts.srcWorkload, facts.srcBaggage), facts.srcIdentity),
    ...sideLabels("destination", shown(facts.dstWorkload, null), facts.dstWorkload?.identity ?? null),
    reporter: facts.direction === "outbound" ? "source" : "destination",
    destination_service: known(service?.hostname),
    destination_service_namespace: known(service?.namespace),
    destination_service_name: known(service?.name),
    request_protocol: "tcp",
    connection_security_policy: facts.hboneAuthority === null ? "unknown" : "mutual_tls",
  };
}
