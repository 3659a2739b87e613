import type { ProcessStatus } from "./supervised-process.ts";

/** What the daemon of a mesh says about it. */
export interface MeshStatus {
  readonly mesh: string;
  /** Folder of manifests, null for none. */
  readonly manifests: string | null;
  /** Control plane, agents and ztunnels are up and connected. */
  readonly ready: boolean;
  /** `ready`, and every pod is ready or has failed. */
  readonly settled: boolean;
  /** What is still missing, in words. */
  readonly waitingFor: readonly string[];
  readonly controlPlane: ProcessStatus;
  readonly nodes: readonly NodeStatus[];
  readonly pods: readonly PodReport[];
  readonly services: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly clusterIps: readonly string[];
    readonly ports: readonly string[];
    readonly endpoints: number;
  }[];
  readonly problems: readonly string[];
}

export interface NodeStatus {
  readonly name: string;
  readonly ip: string;
  readonly cni: ProcessStatus;
  readonly ztunnel: ProcessStatus;
  /** ztunnels connected to the agent. */
  readonly ztunnels: number;
  readonly problem: string | null;
}

export interface PodReport {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly deployment: string | null;
  readonly serviceAccount: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly phase: string;
  readonly ready: boolean;
  /** The mesh is to capture it. */
  readonly meshed: boolean;
  /** The mesh has captured it, verified. */
  readonly enrolled: boolean;
  readonly containers: readonly ProcessStatus[];
  readonly problem: string | null;
}

/** Asks to run a command in a pod. Descriptors 0, 1 and 2 of the command come along. */
export interface ExecRequest {
  readonly t: "exec";
  readonly pod: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Asks to run a command as a pod of its own. Descriptors 0, 1 and 2 of the command come along. */
export interface RunRequest {
  readonly t: "run";
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly node: string | null;
  readonly meshed: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Asks for a socket, made in the namespace of a pod or of one behind `svc/NAME`, to connect to a port of it. */
export interface DialRequest {
  readonly t: "dial";
  readonly pod: string;
  readonly port: number;
}

export type AttachRequest = ExecRequest | RunRequest | DialRequest;

/** What the client says while its command runs. */
export interface SignalRequest {
  readonly t: "signal";
  readonly signal: string;
}

export type AttachAnswer =
  /** `warnings` are for the user: the command runs all the same. */
  | { readonly t: "started"; readonly pod: string; readonly warnings: readonly string[] }
  | { readonly t: "exit"; readonly code: number }
  /** The descriptor of the socket comes along; `port` is what to connect it to on 127.0.0.1. */
  | { readonly t: "connected"; readonly port: number }
  /** `exit` is what a shell's exit code would be where a command was there but could not be run. */
  | { readonly t: "error"; readonly code: string; readonly message: string; readonly exit?: number };

/** A command and what became of it, with its output bounded. */
export interface CapturedOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What an upgrade of a node's ztunnel did. */
export interface ZtunnelUpgrade {
  readonly node: string;
  /** From the start of the successor to the end of the one before. */
  readonly tookMs: number;
  /** As the successor saw it; null when it found nobody to take over from, so that the old one drained. */
  readonly handedOver: {
    readonly outcome: string;
    readonly why: string;
    readonly connections: number;
    readonly tunnels: number;
    readonly declined: number;
    readonly reasons: readonly string[];
    readonly left: number;
    readonly tookMs: number;
    readonly stallMs: { readonly p50: number; readonly p99: number; readonly max: number };
  } | null;
}
