/** What the bench asks of the process that plays the control plane. */
export type PushServerAsk =
  /** So many changes, each of another pod; `everyMs` apart. */
  | { readonly t: "change"; readonly count: number; readonly everyMs: number }
  /** So many namespaces, each with everything in it, come and go. */
  | { readonly t: "churn"; readonly namespaces: number }
  | { readonly t: "cost" };

export type PushServerTold =
  | {
      readonly t: "ready";
      readonly port: number;
      readonly rootPem: string;
      readonly token: string;
      /** From the first object until every resource is encoded. */
      readonly startMs: number;
      readonly resources: number;
      readonly responseMiB: number;
    }
  /** When each change was made, by its number, on the machine's monotonic clock. */
  | { readonly t: "changed"; readonly madeMs: readonly (readonly [number: number, atMs: number])[] }
  | { readonly t: "churned" }
  | { readonly t: "cost"; readonly cost: PushServerCost };

export interface PushServerCost {
  readonly heapMiB: number;
  readonly rssMiB: number;
  readonly cpuMs: number;
  readonly pushes: number;
  readonly pushedBytes: number;
  readonly rejects: number;
  readonly clients: number;
}

/** What the bench asks of the process that plays the node proxies. */
export type PushClientAsk =
  | {
      readonly t: "connect";
      readonly count: number;
      readonly port: number;
      readonly rootPem: string;
      readonly token: string;
    }
  | { readonly t: "heard" };

export type PushClientTold =
  /** Every client has everything. How long it took the first, and all the others that resumed by versions. */
  | { readonly t: "connected"; readonly fullMs: number; readonly resumedMs: number }
  /** When the last client had each change, by its number; only changes that all had. */
  | { readonly t: "heard"; readonly allMs: readonly (readonly [number: number, atMs: number])[] };

/** Milliseconds of the machine's monotonic clock: the same in every process. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A changed pod carries its number where every proxy can read it. */
export const changeMark = (number: number): string => `change-${number}`;
export function readMark(revision: string): number | null {
  const number = /^change-(\d+)$/.exec(revision)?.[1];
  return number === undefined ? null : Number(number);
}
