import type { Family, Levels } from "@lateen/telemetry";
import type { Authorization } from "@lateen/policy";
import type { AddressUpdate } from "@lateen/workload-model";
import type { DataConfig } from "./config.ts";

/** Who a pod is, as the CNI agent told us (dataplane 3.2). */
export interface PodInfo {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** What a data thread needs to shake hands as one identity, or why it cannot. */
export type IdentityState =
  | {
      readonly t: "available";
      readonly keyPem: string;
      readonly chainPem: string;
      readonly rootsPem: readonly string[];
    }
  | { readonly t: "unavailable"; readonly why: string };

/** Given to a data thread when it starts. */
export interface ThreadStart {
  readonly config: DataConfig;
  readonly logFormat: "text" | "json";
  readonly levels: Levels;
}

/**
 * Control thread → data thread. Descriptors are plain numbers: all threads share the process's table. A pod may be started again
 * before its former start or stop was answered, so answers name their question, and a stop names the namespace it is about.
 */
export type ToThread =
  | { readonly t: "addresses"; readonly update: AddressUpdate }
  | { readonly t: "authorizations"; readonly upserted: readonly Authorization[]; readonly removed: readonly string[] }
  | { readonly t: "identity"; readonly identity: string; readonly state: IdentityState | null }
  | { readonly t: "start-pod"; readonly pod: PodInfo; readonly netns: number; readonly id: number }
  | { readonly t: "stop-pod"; readonly uid: string; readonly netns: number; readonly id: number }
  | { readonly t: "report"; readonly id: number }
  | { readonly t: "levels"; readonly levels: Levels; readonly mode: "merge" | "replace" }
  | { readonly t: "drain"; readonly graceMs: number };

/** One connection as `config_dump` shows it (dataplane 11.2). */
export interface LiveConnection {
  readonly uid: string;
  readonly direction: "inbound" | "outbound";
  readonly src: string;
  readonly originalDst: string;
  readonly actualDst: string;
  readonly protocol: "TCP" | "HBONE" | "DOUBLEHBONE";
}

export interface ThreadReport {
  readonly connections: readonly LiveConnection[];
  /** Totals since the thread started. */
  readonly traffic: readonly Family[];
}

/** Data thread → control thread. */
export type FromThread =
  | { readonly t: "pod-started"; readonly id: number; readonly error: string | null }
  | { readonly t: "pod-stopped"; readonly id: number }
  | { readonly t: "want-identity"; readonly identity: string }
  | { readonly t: "log"; readonly line: string }
  | { readonly t: "report"; readonly id: number; readonly report: ThreadReport }
  | { readonly t: "drained" };
