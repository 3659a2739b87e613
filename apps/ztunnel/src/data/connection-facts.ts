import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import type { Service, Workload } from "@lateen/workload-model";
import { type Bare, type Fields, bare } from "@lateen/telemetry";

/** Why a connection ended other than by itself (dataplane 11.3). */
export type ResponseFlag =
  "-" | "DENY" | "CONNECT" | "TLS_FAILURE" | "H2_HANDSHAKE_FAILURE" | "NETWORK_POLICY" | "IDENTITY_ERROR";

/** Who and what a connection is about; resolved once, shared by its access log, its metrics and `config_dump`. */
export interface ConnectionFacts {
  readonly direction: "inbound" | "outbound";
  readonly src: SocketAddress;
  readonly srcWorkload: Workload | null;
  /** Only under mutual TLS. */
  readonly srcIdentity: SpiffeIdentity | null;
  /** The next hop. */
  readonly dst: SocketAddress;
  /** `:authority` of the CONNECT request; null without HBONE. */
  readonly hboneAuthority: string | null;
  readonly dstService: Pick<Service, "name" | "namespace" | "hostname"> | null;
  readonly dstWorkload: Workload | null;
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

function endpointFields(prefix: "src" | "dst", workload: Workload | null, identity: SpiffeIdentity | null): Fields {
  return {
    [`${prefix}.workload`]: workload?.name || workload?.canonicalName || null,
    [`${prefix}.namespace`]: workload?.namespace || null,
    [`${prefix}.identity`]: identity === null ? null : formatIdentity(identity),
    [`${prefix}.cluster`]: workload?.clusterId || null,
  };
}

/** The fields of `connection opened`, in ztunnel's order (dataplane 11.4). */
export function openedFields(facts: ConnectionFacts): Fields {
  return {
    "src.addr": address(facts.src),
    ...endpointFields("src", facts.srcWorkload, facts.srcIdentity),
    "dst.addr": address(facts.dst),
    "dst.hbone_addr": facts.hboneAuthority === null ? null : bare(facts.hboneAuthority),
    "dst.service": facts.dstService?.hostname,
    ...endpointFields("dst", facts.dstWorkload, facts.dstIdentity),
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

const known = (text: string | undefined | null): string => text || "unknown";

function sideLabels(
  side: "source" | "destination",
  w: Workload | null,
  principal: SpiffeIdentity | null,
): Record<string, string> {
  return {
    [`${side}_workload`]: known(w?.workloadName),
    [`${side}_canonical_service`]: known(w?.canonicalName),
    [`${side}_canonical_revision`]: known(w?.canonicalRevision),
    [`${side}_workload_namespace`]: known(w?.namespace),
    [`${side}_principal`]: principal === null ? "unknown" : formatIdentity(principal),
    [`${side}_app`]: known(w?.canonicalName),
    [`${side}_version`]: known(w?.canonicalRevision),
    [`${side}_cluster`]: known(w?.clusterId),
  };
}

const localityLabels = (side: "source" | "destination", w: Workload | null): Record<string, string> => ({
  [`${side}_region`]: known(w?.locality?.region),
  [`${side}_zone`]: known(w?.locality?.zone),
});

/** The traffic labels of dataplane 11.3, without `response_flags`. */
export function trafficLabels(facts: ConnectionFacts): Readonly<Record<string, string>> {
  const service = facts.dstService;
  const mutualTls = facts.hboneAuthority !== null;
  return {
    reporter: facts.direction === "outbound" ? "source" : "destination",
    ...sideLabels("source", facts.srcWorkload, facts.srcIdentity),
    destination_service: known(service?.hostname),
    destination_service_namespace: known(service?.namespace),
    destination_service_name: known(service?.name),
    ...sideLabels("destination", facts.dstWorkload, facts.dstWorkload === null ? null : facts.dstWorkload.identity),
    request_protocol: "tcp",
    connection_security_policy: mutualTls ? "mutual_tls" : "unknown",
    ...localityLabels("source", facts.srcWorkload),
    ...localityLabels("destination", facts.dstWorkload),
  };
}
