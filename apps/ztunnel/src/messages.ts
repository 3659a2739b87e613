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
  /** Where the formats of handed-over states come from; null: they are the program's own. */
  readonly stateFormatModule: string | null;
  /** Of which the threads of a process make the keys of their session tickets; null: sessions are not resumed. */
  readonly ticketSecret: Uint8Array | null;
  /** Whether the thread tells of its load: there are others that can help. */
  readonly tellsLoad: boolean;
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
  /**
   * `listeners` are a predecessor's: the thread owns their descriptors, and opens only those that are missing. Null: it opens none,
   * and accepts for the pod when it is told to.
   */
  | {
      readonly t: "start-pod";
      readonly pod: PodInfo;
      readonly netns: number;
      readonly id: number;
      readonly listeners: readonly PodListener[] | null;
    }
  /** Accepts on the first thread's listeners too, those that it has already aside. The thread owns their descriptors. */
  | { readonly t: "accept"; readonly pods: readonly OwnListeners[] }
  /** Does so no more, on any. */
  | { readonly t: "accept-no-more" }
  /** What is left, for a moment, to whoever else accepts. */
  | { readonly t: "yield"; readonly what: Yields }
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
  /**
   * To a predecessor: give what you carry to whoever is at the other end of this SEQPACKET socket, or give nothing more.
   * @param fd the thread's to close @param version format of the states @param patienceMs what cannot be moved by then stays
   */
  | { readonly t: "give"; readonly fd: number; readonly version: number; readonly patienceMs: number }
  | { readonly t: "stop-giving" }
  /** To a successor: take what comes over this socket. */
  | { readonly t: "take"; readonly fd: number; readonly version: number };

/** A listener of a pod, as it goes from one process to the next. */
export interface PodListener {
  readonly port: number;
  readonly fd: number;
  readonly transparent: boolean;
}

/** The listeners of a pod that a thread opened or was given to keep. */
export interface OwnListeners {
  readonly uid: string;
  readonly netns: number;
  readonly listeners: readonly PodListener[];
}

/**
 * What a data thread has to do. Whatever comes new is better off elsewhere when it is `full`, or `crowded`: it carries so many
 * connections that it may be full at any moment. Not when it is `contended`, and waits for a processor that others have.
 */
export type Load = "easy" | "busy" | "contended" | "crowded" | "full";

/** Connections to leave to others: of tunnels there are few, and each may bring much. */
export type Yields = "nothing" | "tunnels" | "everything";

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
  | { readonly t: "listeners"; readonly id: number; readonly pods: readonly OwnListeners[] }
  /** It has changed. */
  | { readonly t: "load"; readonly load: Load }
  /** Ends of what `give` and `take` began. */
  | { readonly t: "gave"; readonly gave: Gave }
  | { readonly t: "took"; readonly took: Took };

/** How a thread's giving ended. */
export interface Gave {
  readonly outcome: "done" | "refused" | "lost";
  readonly why: string;
  /** Bundles that the successor has, and that it did not want. */
  readonly moved: number;
  readonly kept: number;
  /** Connections that are still here. */
  readonly left: number;
}

/** One tunnel with its connections, or one connection, that goes on here. */
export interface TookBundle {
  readonly connections: number;
  readonly tunnel: boolean;
  readonly stalledMs: number;
}

/** How a thread's taking ended. */
export interface Took {
  readonly outcome: "done" | "refused" | "lost";
  readonly why: string;
  /** Connections that stayed, -1 when the predecessor never said. */
  readonly left: number;
  /** Why bundles were not taken. */
  readonly declined: readonly string[];
  readonly bundles: readonly TookBundle[];
}
