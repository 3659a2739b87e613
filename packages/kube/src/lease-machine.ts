import { z } from "zod";

/** Times of an election (control-plane 7.4). */
export interface LeaseTiming {
  /** How long others must see no renewal before they take over. */
  readonly leaseMs: number;
  /** A leader that could not renew for so long lets go, well before others may take over. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export const ISTIO_LEASE: LeaseTiming = { leaseMs: 30_000, renewDeadlineMs: 15_000, retryMs: 7_500 };

const spec = z.looseObject({
  holderIdentity: z.string().nullable().optional(),
  leaseDurationSeconds: z.number().nullable().optional(),
  acquireTime: z.string().nullable().optional(),
  renewTime: z.string().nullable().optional(),
  leaseTransitions: z.number().nullable().optional(),
});
const lease = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  spec: spec.nullable().optional(),
});

/** What a Lease says, and at which version of it. */
export interface LeaseRecord {
  readonly version: string;
  readonly holder: string;
  readonly leaseMs: number;
  /** As written by the holder. Its clock is not ours: only whether the text changes counts. */
  readonly renewTime: string;
  readonly acquireTime: string;
  readonly transitions: number;
}

/** @returns null when it is no Lease */
export function readLease(raw: unknown): LeaseRecord | null {
  const parsed = lease.safeParse(raw);
  if (!parsed.success) return null;
  const { metadata, spec: s } = parsed.data;
  return {
    version: metadata.resourceVersion,
    holder: s?.holderIdentity ?? "",
    leaseMs: (s?.leaseDurationSeconds ?? 0) * 1_000,
    renewTime: s?.renewTime ?? "",
    acquireTime: s?.acquireTime ?? "",
    transitions: s?.leaseTransitions ?? 0,
  };
}

/** What a candidate does next. */
export type LeaseDecision =
  | { readonly t: "create" }
  /** Writes over the record at this version: to renew, or to take over. */
  | {
      readonly t: "update";
      readonly version: string;
      readonly transitions: number;
      /** Null: it begins now. */
      readonly acquireTime: string | null;
    }
  | { readonly t: "wait" };

/**
 * One candidate. Whether another's lease has run out is judged by how long its record has not changed here, never by the times in
 * it: clocks of other machines may be wrong. Pure; `nowMs` is monotonic.
 * @see client-go, leader election
 */
export class LeaseMachine {
  readonly #identity: string;
  readonly #timing: LeaseTiming;
  #observed: LeaseRecord | null = null;
  #observedMs = 0;
  /** Until when we lead unless we renew; null while we do not. */
  #leadsUntilMs: number | null = null;

  constructor(identity: string, timing: LeaseTiming) {
    this.#identity = identity;
    this.#timing = timing;
  }

  /** When it must let go if nothing is renewed; null while it does not lead. */
  get leadsUntilMs(): number | null {
    return this.#leadsUntilMs;
  }

  leads(nowMs: number): boolean {
    return this.#leadsUntilMs !== null && nowMs < this.#leadsUntilMs;
  }

  get holder(): string {
    return this.#observed?.holder ?? "";
  }

  /** @param found what the server has; null: nothing */
  decide(found: LeaseRecord | null, nowMs: number): LeaseDecision {
    if (found === null) return { t: "create" };
    if (!sameRecord(this.#observed, found)) {
      this.#observed = found;
      this.#observedMs = nowMs;
    }
    const mine = found.holder === this.#identity;
    if (!mine && found.holder !== "" && nowMs < this.#observedMs + found.leaseMs) return { t: "wait" };
    // A record of ours from a life before this one is taken over anew.
    const renewing = mine && this.#leadsUntilMs !== null;
    return {
      t: "update",
      version: found.version,
      transitions: found.transitions + (renewing ? 0 : mine ? 0 : 1),
      acquireTime: renewing ? found.acquireTime : null,
    };
  }

  /** The write that `decide` asked for was taken. @param beganMs when it was begun: leading counts from there */
  wrote(written: LeaseRecord, beganMs: number): void {
    this.#observed = written;
    this.#observedMs = beganMs;
    this.#leadsUntilMs = beganMs + this.#timing.renewDeadlineMs;
  }

  /** It does not lead any more, or never did. */
  lost(): void {
    this.#leadsUntilMs = null;
  }
}

function sameRecord(a: LeaseRecord | null, b: LeaseRecord): boolean {
  return a !== null && a.holder === b.holder && a.renewTime === b.renewTime && a.version === b.version;
}
