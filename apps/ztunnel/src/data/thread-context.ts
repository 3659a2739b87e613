import type { DataPath } from "@lateen/datapath";
import type { PolicyStore } from "@lateen/policy";
import type { Workload, WorkloadStore } from "@lateen/workload-model";
import type { DataConfig } from "../config.ts";
import type { Logger } from "@lateen/telemetry";
import type { CredentialCache } from "./credential-cache.ts";
import type { LiveConnections } from "./live-connections.ts";
import type { Traffic } from "./traffic.ts";

/** What every pod of one data thread shares. */
export interface ThreadContext {
  readonly path: DataPath;
  readonly config: DataConfig;
  readonly workloads: WorkloadStore;
  readonly policies: PolicyStore;
  readonly credentials: CredentialCache;
  readonly connections: LiveConnections;
  readonly traffic: Traffic;
  /** The access log (scope `access`). */
  readonly access: Logger;
  /** What concerns the proxy itself (scope `proxy`). */
  readonly log: Logger;
  /** Hears of each connection that is taken from a listener, before anything else does. */
  readonly accepted: () => void;
  /** Hears of an exception that cost one connection. */
  readonly fault: (fault: unknown) => void;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The `baggage` header that describes a workload, built once for each. */
  readonly baggage: (workload: Workload) => string;
  /** Random bytes as lower-case hex, for trace ids. */
  readonly randomHex: (bytes: number) => string;
}
