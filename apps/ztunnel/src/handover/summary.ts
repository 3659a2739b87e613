import type { Took } from "../messages.ts";

/** What a hand-over did, as the successor saw it. */
export interface Summary {
  readonly outcome: "done" | "refused" | "lost";
  readonly why: string;
  readonly connections: number;
  readonly tunnels: number;
  readonly declined: number;
  /** Why bundles were declined, the first few. */
  readonly reasons: readonly string[];
  /** Connections that stayed with the predecessor; -1 when it never said. */
  readonly left: number;
  readonly tookMs: number;
  /** For how long connections stood still, in milliseconds. */
  readonly stallMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

const MAX_REASONS = 5;
const round = (ms: number): number => Math.round(ms * 100) / 100;

/** @param took what each data thread took */
export function summarize(took: readonly Took[], about: Pick<Summary, "outcome" | "why" | "left" | "tookMs">): Summary {
  const moved = took.flatMap(({ bundles }) => bundles);
  // Every connection of a bundle stood still as long as the bundle; an idle tunnel counts as one.
  const stalls = moved
    .flatMap((m) => Array.from({ length: Math.max(1, m.connections) }, () => m.stalledMs))
    .sort((a, b) => a - b);
  const at = (share: number): number => round(stalls[Math.max(0, Math.ceil(share * stalls.length) - 1)] ?? 0);
  return {
    ...about,
    tookMs: round(about.tookMs),
    connections: moved.reduce((n, m) => n + m.connections, 0),
    tunnels: moved.filter((m) => m.tunnel).length,
    declined: took.reduce((n, t) => n + t.declined.length, 0),
    reasons: [...new Set(took.flatMap((t) => t.declined))].slice(0, MAX_REASONS),
    stallMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
  };
}
