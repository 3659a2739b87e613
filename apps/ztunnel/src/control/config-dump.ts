import { dumpAuthorization } from "@lateen/policy";
import { WorkloadStore, dumpService, dumpStagedServices, dumpWorkload } from "@lateen/workload-model";
import type { ProxyState } from "@lateen/zds";
import type { Config } from "../config.ts";
import type { LiveConnection, ThreadReport } from "../messages.ts";
import type { StaticMesh } from "../static-config.ts";
import type { ThreadView } from "./data-threads.ts";
import type { ModelFeed } from "./model-feed.ts";

export interface DumpSources {
  readonly config: Config;
  readonly version: string;
  readonly staticMesh: StaticMesh | null;
  readonly model: Pick<ModelFeed, "workloads" | "policies">;
  readonly pods: ProxyState;
  /** As the certificate manager describes them (dataplane 11.2). */
  readonly certificates: readonly unknown[];
  /** Null while the control plane tells none. */
  readonly trustBundle?: unknown;
  readonly reports: readonly ThreadReport[];
  /** What each data thread carries, and whether it accepts. */
  readonly threads: readonly ThreadView[];
}

type Shown = Pick<LiveConnection, "src" | "originalDst" | "actualDst" | "protocol">;
const shown = ({ src, originalDst, actualDst, protocol }: LiveConnection): Shown => ({
  src,
  originalDst,
  actualDst,
  protocol,
});

function workloadState(pods: ProxyState, reports: readonly ThreadReport[]): Readonly<Record<string, unknown>> {
  const connections = reports.flatMap((report) => report.connections);
  const of = (uid: string, direction: LiveConnection["direction"]): readonly Shown[] =>
    connections.filter((c) => c.uid === uid && c.direction === direction).map(shown);
  const state = (uid: string, info: unknown, name: "Up" | "Pending"): readonly [string, unknown] => [
    uid,
    { state: name, connections: { inbound: of(uid, "inbound"), outbound: of(uid, "outbound") }, info },
  ];
  return Object.fromEntries([
    ...[...pods.running.values()].map((pod) => state(pod.uid, pod.info, "Up")),
    ...[...pods.starting.values()].map(({ pod }) => state(pod.uid, pod.info, "Pending")),
    ...[...pods.pending.values()].map((pod) => state(pod.uid, pod.info, "Pending")),
  ]);
}

function dumpStatic({ workloads, services, policies }: StaticMesh): Readonly<Record<string, unknown>> {
  const none = new WorkloadStore(null); // endpoints are what the running model says, not part of the file
  return {
    workloads: workloads.map(dumpWorkload),
    services: services.map((service) => dumpService(none, service)),
    policies: policies.map(dumpAuthorization),
  };
}

/** The document behind `/config_dump`, in the shape that `istioctl ztunnel-config` reads (dataplane 11.2). */
export function configDump(from: DumpSources): Readonly<Record<string, unknown>> {
  const { workloads, policies } = from.model;
  return {
    workloads: workloads.workloads().map(dumpWorkload),
    services: workloads.services().map((service) => dumpService(workloads, service)),
    policies: policies.all().map(dumpAuthorization),
    stagedServices: dumpStagedServices(workloads),
    staticConfig: from.staticMesh === null ? {} : dumpStatic(from.staticMesh),
    version: { version: from.version },
    dataThreads: from.threads,
    config: { ...from.config.data, terminationGraceMs: from.config.drainMs },
    certificates: from.certificates,
    ...((from.trustBundle ?? null) === null ? {} : { trustBundle: from.trustBundle }),
    workloadState: workloadState(from.pods, from.reports),
  };
}
