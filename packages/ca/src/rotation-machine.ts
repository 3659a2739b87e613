/** A key with its self-signed certificate, PEM. */
export interface RootPair {
  readonly keyPem: string;
  readonly certPem: string;
}

/**
 * How far the change of what signs has come.
 * `distribute`: the old root signs, everybody is told to trust the new one too. `switch`: the new one signs, both are trusted.
 * `retire`: only the new one is trusted. `none`: no change is under way.
 */
export type RotationPhase = "none" | "distribute" | "switch" | "retire";

/** The state of a rotation: all that a replica needs to go on with it. */
export type Rotation =
  | { readonly phase: "none"; readonly serial: number; readonly sinceMs: number; readonly last: RotationEnd | null }
  | (Under & { readonly phase: "distribute" | "switch"; readonly other: RootPair })
  | (Under & { readonly phase: "retire"; readonly retiredPem: string });

interface Under {
  /** Grows by one with each step, so that what is said of one phase is never taken for another. */
  readonly serial: number;
  readonly sinceMs: number;
  /** Signs. */
  readonly current: RootPair;
  /** Whether it goes back to the root that signed before. */
  readonly direction: "forward" | "back";
  /** By then every certificate that was issued before this phase has expired. */
  readonly expiredMs: number;
  /** By then those have that went to callers who cannot acknowledge a bundle. */
  readonly othersExpiredMs: number;
}

/** What the last rotation came to. */
export interface RotationEnd {
  readonly outcome: "rotated" | "rolled back";
  readonly endedMs: number;
}

export type RotationInput =
  | { readonly t: "rotate"; readonly current: RootPair; readonly next: RootPair }
  | { readonly t: "rollback" }
  /** The gate of the phase is open. */
  | { readonly t: "advance" };

/** What the clock and the record of what was issued say. */
export interface RotationFacts {
  readonly nowMs: number;
  /** Longest lifetime of what was issued so far. */
  readonly longestMs: number;
  /** The last certificate of a caller that cannot acknowledge expires then; 0: there is none. */
  readonly othersUntilMs: number;
}

export const NO_ROTATION: Rotation = { phase: "none", serial: 0, sinceMs: 0, last: null };

/**
 * One step of a rotation. Pure. Safe whenever `advance` is given only through the gate: whoever holds a certificate of a phase
 * and whoever holds one of the next verify each other, since what signs in either is trusted in both.
 * @returns the next state, or why there is none
 */
export function stepRotation(
  s: Rotation,
  input: RotationInput,
  facts: RotationFacts,
): { readonly ok: true; readonly value: Rotation } | { readonly ok: false; readonly error: string } {
  switch (input.t) {
    case "rotate":
      return s.phase === "none" || s.phase === "retire"
        ? ok({
            ...begin(s, facts),
            phase: "distribute",
            current: input.current,
            other: input.next,
            direction: "forward",
          })
        : refuse(`one is under way, in phase ${s.phase}; let it end, or roll it back`);
    case "rollback":
      return rollback(s, facts);
    case "advance":
      return advance(s, facts);
  }
}

type Step = ReturnType<typeof stepRotation>;
const ok = (value: Rotation): Step => ({ ok: true, value });
const refuse = (error: string): Step => ({ ok: false, error });

function begin({ serial }: Rotation, f: RotationFacts): Omit<Under, "current" | "direction"> {
  return {
    serial: serial + 1,
    sinceMs: f.nowMs,
    expiredMs: f.nowMs + f.longestMs,
    othersExpiredMs: Math.max(f.nowMs, f.othersUntilMs),
  };
}

function rollback(s: Rotation, f: RotationFacts): Step {
  switch (s.phase) {
    case "none":
      return refuse("none is under way");
    case "retire":
      return refuse("the old root is retired: nobody trusts it any more; rotate again instead");
    case "distribute": // nothing was signed with the other
      return ok(ended(s, "rolled back", f));
    case "switch": // the other way round, through the same gate
      return ok({
        ...{ ...begin(s, f), phase: "switch", current: s.other, other: s.current },
        direction: s.direction === "forward" ? "back" : "forward",
      });
  }
}

function advance(s: Rotation, f: RotationFacts): Step {
  switch (s.phase) {
    case "none":
      return refuse("none is under way");
    case "distribute":
      return ok({ ...begin(s, f), phase: "switch", current: s.other, other: s.current, direction: s.direction });
    case "switch": {
      const { current, other, direction } = s;
      return ok({ ...begin(s, f), phase: "retire", current, retiredPem: other.certPem, direction });
    }
    case "retire":
      return ok(ended(s, s.direction === "forward" ? "rotated" : "rolled back", f));
  }
}

const ended = (s: Rotation, outcome: RotationEnd["outcome"], { nowMs }: RotationFacts): Rotation => ({
  ...{ phase: "none", serial: s.serial + 1, sinceMs: nowMs },
  last: { outcome, endedMs: nowMs },
});

/** The roots that are trusted, that of what signs first; null: those that there are without a rotation. */
export function bundleOf(s: Rotation): readonly string[] | null {
  if (s.phase === "none") return null;
  return s.phase === "retire" ? [s.current.certPem] : [s.current.certPem, s.other.certPem];
}

/** What is known of the proxies, for the gate. */
export interface RotationClients {
  /** Proxies that have not acknowledged this phase, and why. */
  readonly lacking: readonly { readonly name: string; readonly why: string }[];
  /** Proxies that cannot acknowledge: what they hold has to expire. */
  readonly mute: readonly string[];
}

export interface GateOptions extends RotationClients {
  readonly nowMs: number;
  /** A phase lasts at least so long: readers of files and ConfigMaps find the roots by then. */
  readonly settleMs: number;
}

/**
 * What the phase waits for, in words; nothing: the gate is open. When everything that was issued before the phase has expired it
 * opens whatever proxies say.
 */
export function rotationGate(s: Rotation, o: GateOptions): readonly string[] {
  if (s.phase === "none") return [];
  const settled = s.sinceMs + o.settleMs;
  const waits = o.nowMs < settled ? [`${iso(settled)}: roots in files and ConfigMaps are read late`] : [];
  if (o.nowMs >= s.expiredMs) return waits;
  return [
    ...waits,
    ...o.lacking.map(({ name, why }) => `${name}: ${why}`),
    ...o.mute.map((name) => `${name}: cannot acknowledge; its certificates have expired by ${iso(s.expiredMs)}`),
    ...(o.nowMs < s.othersExpiredMs
      ? [`certificates of workloads that fetch their own: have expired by ${iso(s.othersExpiredMs)}`]
      : []),
  ];
}

const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
