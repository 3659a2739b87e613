import type { SocketAddress } from "@lateen/addresses";
import type { CloseReason, PumpSide, PumpSnapshot } from "@lateen/byte-stream";
import type { Reader } from "@lateen/cbor";
import type { SpiffeIdentity } from "@lateen/identity";
import type { Connection } from "@lateen/policy";
import type { Baggage } from "@lateen/workload-model";
import type { ConnectionFacts, WorkloadFacts } from "./connection-facts.ts";

// A carried connection as plain data. Field names are a format between versions, as in packages/hbone/src/snapshot.ts.

export type FlowSnapshot = { readonly bytes: number; readonly chunks: number };

/** Everything of a connection but its streams: who it is about, what it has carried, how far it is. */
export type ConnectionSnapshot = {
  readonly facts: ConnectionFacts;
  readonly judged: Connection | null;
  readonly originalDst: string;
  readonly elapsedMs: number;
  readonly received: FlowSnapshot;
  readonly sent: FlowSnapshot;
  /** Null before it is carried. */
  readonly relay: PumpSnapshot | null;
};

const MAX_TEXT = 64 * 1024;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

const text = (r: Reader): string => r.text(MAX_TEXT);

export const readAddress = (r: Reader): SocketAddress => ({ ip: text(r.at("ip")), port: r.at("port").int(0, 65_535) });

export const readIdentity = (r: Reader): SpiffeIdentity => ({
  trustDomain: text(r.at("trustDomain")),
  namespace: text(r.at("namespace")),
  serviceAccount: text(r.at("serviceAccount")),
});

function readWorkload(r: Reader): WorkloadFacts {
  return {
    name: text(r.at("name")),
    namespace: text(r.at("namespace")),
    identity: readIdentity(r.at("identity")),
    canonicalName: text(r.at("canonicalName")),
    canonicalRevision: text(r.at("canonicalRevision")),
    workloadName: text(r.at("workloadName")),
    clusterId: text(r.at("clusterId")),
    locality: r.at("locality").nullable((l) => ({
      region: text(l.at("region")),
      zone: text(l.at("zone")),
      subzone: text(l.at("subzone")),
    })),
  };
}

const readBaggage = (r: Reader): Baggage => ({
  clusterId: r.at("clusterId").nullable(text),
  namespace: r.at("namespace").nullable(text),
  workloadType: r.at("workloadType").nullable(text),
  workloadName: r.at("workloadName").nullable(text),
  serviceName: r.at("serviceName").nullable(text),
  revision: r.at("revision").nullable(text),
  region: r.at("region").nullable(text),
  zone: r.at("zone").nullable(text),
});

function readFacts(r: Reader): ConnectionFacts {
  return {
    direction: r.at("direction").one(["inbound", "outbound"]),
    src: readAddress(r.at("src")),
    srcWorkload: r.at("srcWorkload").nullable(readWorkload),
    srcBaggage: r.at("srcBaggage").nullable(readBaggage),
    srcIdentity: r.at("srcIdentity").nullable(readIdentity),
    dst: readAddress(r.at("dst")),
    hboneAuthority: r.at("hboneAuthority").nullable(text),
    dstService: r.at("dstService").nullable((s) => ({
      name: text(s.at("name")),
      namespace: text(s.at("namespace")),
      hostname: text(s.at("hostname")),
    })),
    dstWorkload: r.at("dstWorkload").nullable(readWorkload),
    dstIdentity: r.at("dstIdentity").nullable(readIdentity),
  };
}

const readFlow = (r: Reader): FlowSnapshot => ({
  bytes: r.at("bytes").int(0, MAX_COUNT),
  chunks: r.at("chunks").int(0, MAX_COUNT),
});

function readCloseReason(r: Reader): CloseReason {
  const t = r.at("t").one(["ended", "aborted", "reset", "failed"]);
  return t === "ended" || t === "aborted" ? { t } : { t, why: text(r.at("why")) };
}

const readSide = (r: Reader): PumpSide => ({
  ended: r.at("ended").flag(),
  closed: r.at("closed").nullable(readCloseReason),
});

export function readConnection(r: Reader): ConnectionSnapshot {
  return {
    facts: readFacts(r.at("facts")),
    judged: r.at("judged").nullable((j) => ({
      identity: j.at("identity").nullable(readIdentity),
      source: readAddress(j.at("source")),
      destination: readAddress(j.at("destination")),
    })),
    originalDst: text(r.at("originalDst")),
    elapsedMs: r.at("elapsedMs").number(0, MAX_COUNT),
    received: readFlow(r.at("received")),
    sent: readFlow(r.at("sent")),
    relay: r.at("relay").nullable((p) => ({ a: readSide(p.at("a")), b: readSide(p.at("b")) })),
  };
}

const workload = (w: WorkloadFacts | null): WorkloadFacts | null =>
  w === null
    ? null
    : {
        name: w.name,
        namespace: w.namespace,
        identity: w.identity,
        canonicalName: w.canonicalName,
        canonicalRevision: w.canonicalRevision,
        workloadName: w.workloadName,
        clusterId: w.clusterId,
        locality: w.locality,
      };

/** The facts without what nobody tells of them: workloads and services have much more in them. */
export function plainFacts(facts: ConnectionFacts): ConnectionFacts {
  const { dstService: s } = facts;
  return {
    ...facts,
    srcWorkload: workload(facts.srcWorkload),
    dstWorkload: workload(facts.dstWorkload),
    dstService: s === null ? null : { name: s.name, namespace: s.namespace, hostname: s.hostname },
  };
}
