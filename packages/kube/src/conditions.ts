import { z } from "zod";

/** What a writer wants to say about an object. */
export interface WantedCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** An exact identifier. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** A condition as it stands in an object. */
export interface Condition extends WantedCondition {
  readonly observedGeneration?: number | undefined;
  /** RFC 3339. */
  readonly lastTransitionTime?: string | undefined;
}

const condition = z.looseObject({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().default(""),
  message: z.string().default(""),
  observedGeneration: z.number().optional(),
  lastTransitionTime: z.string().optional(),
});

/** The conditions of an object's status; what is none is passed over. */
export function readConditions(status: unknown): readonly Condition[] {
  const { conditions } = (typeof status === "object" && status !== null ? status : {}) as {
    readonly conditions?: unknown;
  };
  if (!Array.isArray(conditions)) return [];
  return conditions.flatMap((raw) => {
    const parsed = condition.safeParse(raw);
    if (!parsed.success) return [];
    const { type, status: value, reason, message, observedGeneration, lastTransitionTime } = parsed.data;
    return [{ type, status: value, reason, message, observedGeneration, lastTransitionTime }];
  });
}

/** Longest message that is written; the API server takes 32 KiB. */
const MAX_MESSAGE = 4_096;

/**
 * The conditions to be written, or null when the object says all of it already. The time of a condition is that of the last
 * change of its `status`.
 * @param o.current conditions of the object now
 * @param o.owned types that this writer answers for: those that it does not want any more are removed
 */
export function planConditions(o: {
  readonly current: readonly Condition[];
  readonly wanted: readonly WantedCondition[];
  readonly owned: ReadonlySet<string>;
  readonly generation: number | undefined;
  readonly nowMs: number;
}): readonly Condition[] | null {
  const { next, changed } = renewConditions(o);
  const gone = o.current.some((c) => o.owned.has(c.type) && !next.some((n) => n.type === c.type));
  return gone || changed ? next : null;
}

/** What is wanted, sorted, with its times; and whether the object does not say all of it already. */
export function renewConditions(o: {
  readonly current: readonly Condition[];
  readonly wanted: readonly WantedCondition[];
  readonly generation: number | undefined;
  readonly nowMs: number;
}): { readonly next: readonly Condition[]; readonly changed: boolean } {
  const { current, generation } = o;
  const time = new Date(o.nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const next = [...o.wanted].sort(byType).map((want): Condition => {
    const old = current.find((c) => c.type === want.type);
    const since = old?.status === want.status ? (old.lastTransitionTime ?? time) : time;
    const message = want.message.slice(0, MAX_MESSAGE);
    return {
      ...{ type: want.type, status: want.status, reason: want.reason, message },
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: since,
    };
  });
  return { next, changed: next.some((n) => !says(current, n)) };
}

function says(current: readonly Condition[], want: Condition): boolean {
  return current.some(
    (c) =>
      c.type === want.type &&
      c.status === want.status &&
      c.reason === want.reason &&
      c.message === want.message &&
      c.observedGeneration === want.observedGeneration,
  );
}

const byType = (a: WantedCondition, b: WantedCondition): number => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0);
