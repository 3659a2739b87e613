import type { Family, Levels } from "@lateen/telemetry";
import type { Authorization } from "@lateen/policy";
import type { AddressUpdate } from "@lateen/workload-model";
import type { BellEnds } from "@lateen/fast-datapath";
import type { DataConfig } from "./config.ts";

/** Who a pod is, as the CNI agent told us (dataplane 3.2). */
export interface PodInfo {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A certificate with its key, and whom it trusts. */
export interface CredentialsPem {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: readonly string[];
}

/** What a data thread needs to shake hands as one identity, or why it cannot. */
export type IdentityState =
  ({ readonly t: "available" } & CredentialsPem) | { readonly t: "unavailable"; readonly why: string };

/** Given to a data thread when it starts. */
export interface ThreadStart {
  readonly config: DataConfig;
  readonly logFormat: "text" | "json";
  readonly levels: Levels;
}

/** `workerData` of a data thread. */
export interface ThreadWork {
  readonly start: ThreadStart;
  /** What wakes it; null with a driver that needs no waking. */
  readonly bell: BellEnds | null;
}

/**
 * Control thread → data thread. Descriptors are plain numbers: all threads share the process's table. A pod may be started again
 * before its former start or stop was answered, so answers name their question, and a stop names the namespace it is about.
 */
export type ToThread =
  | { readonly t: "addresses"; readonly update: AddressUpdate }
  | { readonly t: "authorizations"; readonly upserted: readonly Authorization[]; readonly removed: readonly string[] }
  | { readonly t: "identity"; readonly identity: string; readonly state: IdentityState | null }
  /** `listeners` are a predecessor's: the thread owns their descriptors, and opens only those that are missing. */
  | {
      readonly t: "start-pod";
      readonly pod: PodInfo;
      readonly netns: number;
      readonly id: number;
      readonly listeners: readonly PodListener[];
    }
  | { readonly t: "stop-pod"; readonly uid: string; readonly netns: number; readonly id: number }
  | { readonly t: "report"; readonly id: number }
  | { readonly t: "levels"; readonly levels: Levels; readonly mode: "merge" | "replace" }
  | { readonly t: "drain"; readonly graceMs: number }
  /** The process has come to rest: give back what is only kept in case. */
  | { readonly t: "rest" }
  /** Moves connections of no one from itself to itself, so that nothing of a hand-over is done for the first time in one. */
  | { readonly t: "rehearse"; readonly credentials: CredentialsPem }
  /** To a predecessor: describe every pod's listeners; no pod's accepts any more; all do again. */
  | { readonly t: "list-listeners"; readonly id: number }
  | { readonly t: "lend-listeners"; readonly uid: string }
  | { readonly t: "take-back-listeners" }
  /** Offer one more bundle, or say that there is none. What became of one. */
  | { readonly t: "next-offer"; readonly mode: "first" | "more" }
  | { readonly t: "offer-outcome"; readonly key: number; readonly outcome: "given" | "kept" }
  /** To a successor: make a bundle ready; run it, or let it go. */
  | {
      readonly t: "prepare";
      readonly id: number;
      readonly uid: string;
      readonly state: Uint8Array;
      readonly fds: readonly number[];
    }
  | { readonly t: "run"; readonly id: number }
  | { readonly t: "let-go"; readonly id: number };

/** A listener of a pod, as it goes from one process to the next. */
export interface PodListener {
  readonly port: number;
  readonly fd: number;
  readonly transparent: boolean;
}

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
  /** Finished lines, in order. */
  | { readonly t: "log"; readonly lines: readonly string[] }
  | { readonly t: "report"; readonly id: number; readonly report: ThreadReport }
  | { readonly t: "drained" }
  | { readonly t: "rehearsed"; readonly problem: string | null }
  | {
      readonly t: "listeners";
      readonly id: number;
      readonly pods: readonly { readonly uid: string; readonly listeners: readonly PodListener[] }[];
    }
  | {
      readonly t: "offer";
      readonly key: number;
      readonly uid: string;
      readonly state: Uint8Array;
      readonly fds: readonly number[];
    }
  /** `later` may become movable, `left` connections are here. */
  | { readonly t: "no-offer"; readonly later: number; readonly left: number }
  | { readonly t: "prepared"; readonly id: number; readonly error: string | null }
  | {
      readonly t: "moved";
      readonly id: number;
      readonly connections: number;
      readonly tunnel: boolean;
      readonly stalledMs: number;
    };
