import type { MeshError } from "@lateen/errors";

/** One tunnel as the pool's decisions see it: open, and with room as far as it knows. */
export interface TunnelView {
  readonly id: number;
  readonly active: number;
  readonly lastUsedMs: number;
}

/** Tunnels of one key, and what waits for one. */
export interface KeyState {
  readonly tunnels: readonly TunnelView[];
  /** Connects under way. */
  readonly dials: number;
  readonly waiting: number;
}

export const EMPTY_KEY: KeyState = { tunnels: [], dials: 0, waiting: 0 };

/**
 * Connects of one key under way at once, however many wait. Many steps of one kind in a row cost less than each by itself; our own
 * servers take 128 handshakes of one address.
 */
export const MAX_DIALS = 32;

export type PoolInput =
  /** A request asks for a stream. */
  | { readonly t: "want" }
  /** One waiting request was withdrawn. */
  | { readonly t: "withdrawn" }
  | { readonly t: "dialed"; readonly id: number; readonly nowMs: number }
  /** A tunnel came from elsewhere. */
  | { readonly t: "adopted"; readonly tunnel: TunnelView }
  /** Those that no other dial will serve fail with it. */
  | { readonly t: "dialFailed"; readonly error: MeshError }
  | { readonly t: "tick"; readonly nowMs: number };

export type PoolEffect =
  /** Give the oldest waiting request a stream on this tunnel. */
  | { readonly t: "assign"; readonly id: number }
  /** The oldest `count` of those waiting fail. */
  | { readonly t: "refuse"; readonly count: number; readonly error: MeshError }
  | { readonly t: "dial" }
  /** The tunnel left the pool: it takes no more streams and closes when its last one is over. */
  | { readonly t: "retire"; readonly id: number };

export interface PoolLimits {
  readonly maxStreams: number;
  readonly idleMs: number;
}

/** What a tunnel says of itself, null when it can take no stream any more (closed, GOAWAY). */
export type Activity = (id: number) => number | null;

/** The state with every tunnel's own word; those that can take no stream any more are gone from it. */
export function observe(state: KeyState, activity: Activity, nowMs: number): KeyState {
  const tunnels: TunnelView[] = [];
  for (const t of state.tunnels) {
    const active = activity(t.id);
    if (active !== null) tunnels.push({ id: t.id, active, lastUsedMs: active > 0 ? nowMs : t.lastUsedMs });
  }
  return { ...state, tunnels };
}

type Outcome = readonly [KeyState, readonly PoolEffect[]];

/**
 * The pool's decisions for one key: never more connects than those waiting will fill tunnels, a tunnel retires when it is full, idle
 * ones go. Pure.
 * @param state as `observe` gave it
 * @see dataplane contract 5.9
 */
export function planPool(state: KeyState, input: PoolInput, limits: PoolLimits): Outcome {
  switch (input.t) {
    case "want":
      return serve({ ...state, waiting: state.waiting + 1 }, [], limits);
    case "withdrawn":
      return [{ ...state, waiting: Math.max(0, state.waiting - 1) }, []];
    case "dialed": {
      const tunnel: TunnelView = { id: input.id, active: 0, lastUsedMs: input.nowMs };
      return serve({ ...state, dials: state.dials - 1, tunnels: [...state.tunnels, tunnel] }, [], limits);
    }
    case "adopted":
      return serve({ ...state, tunnels: [...state.tunnels, input.tunnel] }, [], limits);
    case "dialFailed": {
      const dials = state.dials - 1;
      const waiting = Math.min(state.waiting, dials * limits.maxStreams);
      const count = state.waiting - waiting;
      return [{ ...state, dials, waiting }, count === 0 ? [] : [{ t: "refuse", count, error: input.error }]];
    }
    case "tick": {
      const idle = state.tunnels.filter((t) => t.active === 0 && input.nowMs - t.lastUsedMs >= limits.idleMs);
      const tunnels = state.tunnels.filter((t) => !idle.includes(t));
      return [{ ...state, tunnels }, idle.map((t) => ({ t: "retire", id: t.id }) as const)];
    }
  }
}

/** Gives waiting requests to tunnels with room, and dials for the rest. */
function serve(state: KeyState, effects: readonly PoolEffect[], limits: PoolLimits): Outcome {
  if (state.waiting === 0) return [state, effects];
  const open = state.tunnels.find((t) => t.active < limits.maxStreams);
  if (open === undefined) {
    const dials = Math.max(state.dials, Math.min(MAX_DIALS, Math.ceil(state.waiting / limits.maxStreams)));
    const more = Array.from({ length: dials - state.dials }, () => ({ t: "dial" }) as const);
    return [{ ...state, dials }, [...effects, ...more]];
  }
  const full = open.active + 1 >= limits.maxStreams;
  const tunnels = full
    ? state.tunnels.filter((t) => t !== open)
    : state.tunnels.map((t) => (t === open ? { ...t, active: t.active + 1 } : t));
  const assigned: readonly PoolEffect[] = [...effects, { t: "assign", id: open.id }];
  const next = full ? [...assigned, { t: "retire", id: open.id } as const] : assigned;
  return serve({ ...state, tunnels, waiting: state.waiting - 1 }, next, limits);
}
