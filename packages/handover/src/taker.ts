import {
  type GiverMessage,
  type Kind,
  MAX_PIECE_FDS,
  type TakerMessage,
  type Versions,
  decodeGiverMessage,
  encodeTakerMessage,
} from "./messages.ts";

/** How long a predecessor may take for its answer to hello. What it still has to give may take as long as it takes. */
export const WELCOME_MS = 5_000;

export interface TakerOptions {
  readonly versions: Versions;
  readonly role: string;
  readonly program: string;
  readonly nowMs: number;
}

/** An offer of which pieces are missing. */
interface Assembly {
  readonly id: number;
  readonly kind: Kind;
  readonly name: string;
  readonly bytes: number;
  readonly fdCount: number;
  readonly parts: readonly Uint8Array[];
  readonly have: number;
  readonly fds: readonly number[];
}

/**
 * - `greeting`: hello is said
 * - `greeted`, `listing`, `listed`: it was answered, listeners are asked for, all have been offered
 * - `moving`, `ended`: connections are offered, all have been
 */
export interface TakerState {
  readonly phase: "greeting" | "greeted" | "listing" | "listed" | "moving" | "ended" | "over";
  readonly versions: Versions;
  readonly sinceMs: number;
  readonly assembly: Assembly | null;
  /** Offers without a decision. */
  readonly undecided: ReadonlyMap<number, Kind>;
  readonly lastId: number;
  readonly window: number;
}

export type TakerInput =
  | { readonly t: "message"; readonly bytes: Uint8Array; readonly fds: readonly number[] }
  | { readonly t: "closed"; readonly why: string }
  | { readonly t: "tick"; readonly nowMs: number }
  /** The owner is ready for listeners, or for connections. */
  | { readonly t: "list" }
  | { readonly t: "move"; readonly window: number }
  /** The owner's answer to an offer; `take` means that all of it is prepared and nothing of it runs. */
  | { readonly t: "decided"; readonly id: number; readonly why: string | null }
  /** The owner has all that it wanted after `ended`. */
  | { readonly t: "bye" };

export type TakerEffect =
  | { readonly t: "send"; readonly bytes: Uint8Array }
  | { readonly t: "welcomed"; readonly version: number }
  /** Prepare it, run nothing of it, and decide. The descriptors are the owner's from here on. */
  | {
      readonly t: "offered";
      readonly id: number;
      readonly kind: Kind;
      readonly name: string;
      readonly state: Uint8Array;
      readonly fds: readonly number[];
    }
  /** Send this; if and only if that succeeds, the offer is ours and may run. If it fails, let go of it without a word. */
  | { readonly t: "commit"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly t: "listed" }
  /** Everything has come; `left` connections stay with the predecessor. */
  | { readonly t: "ended"; readonly left: number }
  /** Close these; nobody owns them. */
  | { readonly t: "discard"; readonly fds: readonly number[] }
  /** The last effect. What was prepared and not committed is to be let go. `refused`: start as if there were no predecessor. */
  | { readonly t: "over"; readonly outcome: "done" | "refused" | "lost"; readonly why: string };

type Outcome = readonly [TakerState, readonly TakerEffect[]];

/** The state before anything was said, and hello. */
export function takerStart(o: TakerOptions): Outcome {
  const { versions, role, program } = o;
  const state: TakerState = {
    phase: "greeting",
    versions,
    sinceMs: o.nowMs,
    assembly: null,
    undecided: new Map(),
    lastId: 0,
    window: 0,
  };
  return [state, [send({ t: "hello", versions, role, program })]];
}

/**
 * A successor's side of one hand-over. Pure: whoever drives it sends, in order, and feeds back what happens. Nothing that was
 * offered runs before its `commit` was sent.
 */
export function takerStep(s: TakerState, input: TakerInput): Outcome {
  if (s.phase === "over") return input.t === "message" && input.fds.length > 0 ? [s, [discard(input.fds)]] : [s, []];
  switch (input.t) {
    case "message":
      return receive(s, input.bytes, input.fds);
    case "closed":
      return lost(s, input.why, []);
    case "tick":
      return s.phase === "greeting" && input.nowMs - s.sinceMs > WELCOME_MS
        ? lost(s, "the predecessor does not answer", [])
        : [s, []];
    case "list":
      return s.phase === "greeted" ? [{ ...s, phase: "listing" }, [send({ t: "list" })]] : [s, []];
    case "move": {
      const { window } = input;
      return s.phase === "listed" ? [{ ...s, phase: "moving", window }, [send({ t: "move", window })]] : [s, []];
    }
    case "decided":
      return decide(s, input.id, input.why);
    case "bye":
      if (s.phase !== "ended") return [s, []];
      return [{ ...s, phase: "over" }, [send({ t: "bye" }), { t: "over", outcome: "done", why: "" }]];
  }
}

function receive(s: TakerState, bytes: Uint8Array, fds: readonly number[]): Outcome {
  const decoded = decodeGiverMessage(bytes);
  if (!decoded.ok) return lost(s, decoded.error.message, fds);
  const m = decoded.value;
  if (m.t === "piece") return piece(s, m, fds);
  if (fds.length > 0) return lost(s, `descriptors came with "${m.t}"`, fds);
  if (s.assembly !== null) return lost(s, "an offer is not complete", fds);
  switch (m.t) {
    case "welcome":
      if (s.phase !== "greeting") break;
      if (m.version < s.versions.oldest || m.version > s.versions.newest)
        return lost(s, `the predecessor chose format ${m.version}, which is not known here`, fds);
      return [{ ...s, phase: "greeted" }, [{ t: "welcomed", version: m.version }]];
    case "refused":
      if (s.phase !== "greeting") break;
      return [{ ...s, phase: "over" }, [{ t: "over", outcome: "refused", why: m.why }]];
    case "listed":
      return s.phase === "listing"
        ? [{ ...s, phase: "listed" }, [{ t: "listed" }]]
        : lost(s, "a list has no end here", fds);
    case "end":
      return s.phase === "moving"
        ? [{ ...s, phase: "ended" }, [{ t: "ended", left: m.left }]]
        : lost(s, "an end comes out of turn", fds);
  }
  return lost(s, `the predecessor said "${m.t}" out of turn`, fds);
}

function piece(s: TakerState, m: Extract<GiverMessage, { t: "piece" }>, fds: readonly number[]): Outcome {
  const a = s.assembly ?? { ...m, fdCount: m.fds, parts: [], have: 0, fds: [] };
  const problem = pieceProblem(s, a, m, fds);
  if (problem !== null) return lost(s, problem, fds);
  const next: Assembly = {
    id: a.id,
    kind: a.kind,
    name: a.name,
    bytes: a.bytes,
    fdCount: a.fdCount,
    parts: [...a.parts, new Uint8Array(m.part)], // a copy, which a slice is not of every kind of view
    have: a.have + m.part.length,
    fds: [...a.fds, ...fds],
  };
  if (next.have < next.bytes || next.fds.length < next.fdCount) return [{ ...s, assembly: next }, []];
  const { id, kind, name } = next;
  const after: TakerState = { ...s, assembly: null, lastId: id, undecided: new Map(s.undecided).set(id, kind) };
  return [after, [{ t: "offered", id, kind, name, state: join(next.parts, next.bytes), fds: next.fds }]];
}

function pieceProblem(
  s: TakerState,
  a: Assembly,
  m: Extract<GiverMessage, { t: "piece" }>,
  fds: readonly number[],
): string | null {
  if (s.phase !== (m.kind === "listeners" ? "listing" : "moving")) return `${m.kind} were not asked for`;
  if (m.id !== a.id || m.kind !== a.kind || m.name !== a.name || m.bytes !== a.bytes || m.fds !== a.fdCount)
    return "two offers are mixed up";
  if (s.assembly === null && m.id <= s.lastId) return "an offer comes twice";
  if (m.kind === "connections" && undecidedConnections(s) >= s.window) return "more is offered than was asked for";
  if (a.have + m.part.length > a.bytes || a.fds.length + fds.length > a.fdCount)
    return "an offer is longer than it says";
  if (fds.length > MAX_PIECE_FDS || (m.part.length === 0 && fds.length === 0 && a.bytes + a.fdCount > 0))
    return "an offer has an empty piece";
  return null;
}

function undecidedConnections(s: TakerState): number {
  let count = 0;
  for (const kind of s.undecided.values()) if (kind === "connections") count += 1;
  return count;
}

function decide(s: TakerState, id: number, why: string | null): Outcome {
  if (!s.undecided.has(id)) return [s, []];
  const undecided = new Map(s.undecided);
  undecided.delete(id);
  const effect: TakerEffect =
    why === null ? { t: "commit", id, bytes: encodeTakerMessage({ t: "took", id }) } : send({ t: "declined", id, why });
  return [{ ...s, undecided }, [effect]];
}

/** The hand-over ends here. Descriptors of an offer that nobody has seen whole are closed; what was offered, its owner lets go. */
function lost(s: TakerState, why: string, fds: readonly number[]): Outcome {
  const all = [...(s.assembly?.fds ?? []), ...fds];
  const over: TakerEffect = { t: "over", outcome: "lost", why };
  return [{ ...s, phase: "over", assembly: null }, all.length > 0 ? [discard(all), over] : [over]];
}

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const discard = (fds: readonly number[]): TakerEffect => ({ t: "discard", fds });
const send = (m: TakerMessage): TakerEffect => ({ t: "send", bytes: encodeTakerMessage(m) });
