import {
  type GiverMessage,
  type Kind,
  MAX_OFFER_FDS,
  MAX_PIECE_BYTES,
  MAX_PIECE_FDS,
  MAX_STATE_BYTES,
  type TakerMessage,
  type Versions,
  agreeOn,
  decodeTakerMessage,
  encodeGiverMessage,
} from "./messages.ts";

/** How long a successor may take for its first word, for the answer to an offer, and between its steps. */
export const ANSWER_MS = 10_000;

export interface GiverOptions {
  readonly versions: Versions;
  /** Only a program of the same role is given anything. */
  readonly role: string;
  readonly nowMs: number;
}

interface Pending {
  readonly key: string;
  readonly kind: Kind;
  readonly sinceMs: number;
}

/**
 * - `hello`: nobody has said anything
 * - `greeted`, `listing`, `listed`: the successor has said hello, asks for listeners, has been offered all
 * - `moving`: it takes connections
 * - `ending`: everything is said, its goodbye is awaited
 * - `leaving`: nothing is sent any more; what the successor said before is still read
 */
export interface GiverState {
  readonly phase: "hello" | "greeted" | "listing" | "listed" | "moving" | "ending" | "leaving" | "over";
  readonly versions: Versions;
  readonly role: string;
  readonly version: number;
  readonly window: number;
  readonly nextId: number;
  readonly pending: ReadonlyMap<number, Pending>;
  /** Connections asked of the owner and not yet given. */
  readonly wanted: number;
  /** Since when the successor owes its next step; -1 while it owes none. */
  readonly owedSinceMs: number;
  /** It has taken listeners, so that new connections depend on it. */
  readonly listenersGiven: boolean;
}

export type GiverInput =
  | { readonly t: "message"; readonly bytes: Uint8Array; readonly nowMs: number }
  /** The peer is gone and everything that it said has been read. */
  | { readonly t: "closed"; readonly why: string }
  | { readonly t: "tick"; readonly nowMs: number }
  /** One offer. Its listeners keep accepting, its connections stand still, until the outcome. */
  | ({ readonly t: "offer"; readonly nowMs: number } & Offer)
  /** All listeners have been offered. */
  | { readonly t: "listed"; readonly nowMs: number }
  /** No connection can be offered any more; `left` stay. */
  | { readonly t: "exhausted"; readonly left: number; readonly nowMs: number };

export interface Offer {
  readonly kind: Kind;
  /** What the owner calls it, until its outcome. */
  readonly key: string;
  /** Whose it is, for the successor. */
  readonly name: string;
  readonly state: Uint8Array;
  readonly fds: readonly number[];
}

export type GiverEffect =
  | { readonly t: "send"; readonly bytes: Uint8Array; readonly fds: readonly number[] }
  /** Listeners are wanted: offer them, then say `listed`. States are to be in this format. */
  | { readonly t: "list"; readonly version: number }
  /** So many more offers of connections are wanted; `exhausted` when there are none. */
  | { readonly t: "want"; readonly count: number; readonly version: number }
  /** The successor has it. Listeners: stop accepting, but keep them. Connections: forget them. */
  | { readonly t: "given"; readonly key: string; readonly kind: Kind }
  /** It stays with us. Connections go on. */
  | { readonly t: "kept"; readonly key: string; readonly kind: Kind; readonly why: string }
  /** Let nothing in any more (shutdown of the socket), read what is there, then give `closed`. */
  | { readonly t: "leave"; readonly why: string }
  /** The last effect. `lost`: go on as if nobody had come; listeners that were given are ours again. */
  | { readonly t: "over"; readonly outcome: "done" | "refused" | "lost"; readonly why: string };

type Outcome = readonly [GiverState, readonly GiverEffect[]];

export function giverStart(o: GiverOptions): GiverState {
  return {
    phase: "hello",
    versions: o.versions,
    role: o.role,
    version: 0,
    window: 0,
    nextId: 1,
    pending: new Map(),
    wanted: 0,
    owedSinceMs: o.nowMs,
    listenersGiven: false,
  };
}

/**
 * One predecessor's side of one hand-over. Pure: whoever drives it sends, in order, and feeds back what happens. What is offered
 * stays ours until the successor says `took`; when it is gone, for whatever reason, all that it did not take is `kept`.
 */
export function giverStep(s: GiverState, input: GiverInput): Outcome {
  if (s.phase === "over") return input.t === "offer" ? [s, [kept(input, "the hand-over has ended")]] : [s, []];
  switch (input.t) {
    case "message":
      return receive(s, input);
    case "closed":
      return finish(s, "lost", input.why);
    case "tick":
      return isLate(s, input.nowMs) ? leave(s, "the successor does not answer") : [s, []];
    case "offer":
      return offer(s, input);
    case "listed":
      if (s.phase !== "listing") return [s, []];
      return [{ ...s, phase: "listed", owedSinceMs: s.listenersGiven ? input.nowMs : -1 }, [send({ t: "listed" })]];
    case "exhausted":
      if (s.phase !== "moving") return [s, []];
      return [{ ...s, phase: "ending", wanted: 0, owedSinceMs: input.nowMs }, [send({ t: "end", left: input.left })]];
  }
}

function receive(s: GiverState, { bytes, nowMs }: { readonly bytes: Uint8Array; readonly nowMs: number }): Outcome {
  const decoded = decodeTakerMessage(bytes);
  if (!decoded.ok) return s.phase === "leaving" ? [s, []] : leave(s, decoded.error.message);
  const m = decoded.value;
  if (m.t === "took" || m.t === "declined") return answered(s, m, nowMs);
  if (s.phase === "leaving") return [s, []];
  if (m.t === "hello" && s.phase === "hello") return greet(s, m);
  if (m.t === "list" && s.phase === "greeted")
    return [{ ...s, phase: "listing", owedSinceMs: -1 }, [{ t: "list", version: s.version }]];
  if (m.t === "move" && s.phase === "listed") return ask({ ...s, phase: "moving", window: m.window, owedSinceMs: -1 });
  if (m.t === "bye" && s.phase === "ending") return finish(s, "done", "");
  return leave(s, `the successor said "${m.t}" out of turn`);
}

function greet(s: GiverState, hello: Extract<TakerMessage, { t: "hello" }>): Outcome {
  const { newest, oldest } = hello.versions;
  const version = agreeOn(s.versions, hello.versions);
  if (hello.role === s.role && version !== null)
    return [{ ...s, phase: "greeted", version, owedSinceMs: -1 }, [send({ t: "welcome", version })]];
  const why =
    hello.role !== s.role
      ? `this is a ${s.role}, and the successor is a ${hello.role}`
      : `formats ${s.versions.oldest} to ${s.versions.newest} are known here, and ${oldest} to ${newest} to the successor`;
  return [{ ...s, phase: "over" }, [send({ t: "refused", why }), { t: "over", outcome: "refused", why }]];
}

function answered(s: GiverState, m: Extract<TakerMessage, { t: "took" | "declined" }>, nowMs: number): Outcome {
  const one = s.pending.get(m.id);
  if (one === undefined)
    return s.phase === "leaving" ? [s, []] : leave(s, "the successor answered what was not offered");
  const pending = new Map(s.pending);
  pending.delete(m.id);
  const { key, kind } = one;
  const next: GiverState = {
    ...s,
    pending,
    listenersGiven: s.listenersGiven || (kind === "listeners" && m.t === "took"),
  };
  const owed = next.phase === "listed" && next.listenersGiven ? nowMs : next.owedSinceMs;
  const effect: GiverEffect = m.t === "took" ? { t: "given", key, kind } : { t: "kept", key, kind, why: m.why };
  const [after, effects] = ask({ ...next, owedSinceMs: owed });
  return [after, [effect, ...effects]];
}

/** Asks the owner for as many connections as the window has room for. */
function ask(s: GiverState): Outcome {
  if (s.phase !== "moving") return [s, []];
  let waiting = s.wanted;
  for (const { kind } of s.pending.values()) if (kind === "connections") waiting += 1;
  const count = s.window - waiting;
  if (count <= 0) return [s, []];
  return [{ ...s, wanted: s.wanted + count }, [{ t: "want", count, version: s.version }]];
}

function offer(s: GiverState, o: Offer & { readonly nowMs: number }): Outcome {
  const isDue = o.kind === "listeners" ? s.phase === "listing" : s.phase === "moving" && s.wanted > 0;
  const after: GiverState = isDue && o.kind === "connections" ? { ...s, wanted: s.wanted - 1 } : s;
  if (!isDue) return [after, [kept(o, "the successor did not ask for it")]];
  if (o.state.length > MAX_STATE_BYTES || o.fds.length > MAX_OFFER_FDS) {
    const [next, effects] = ask(after);
    return [next, [kept(o, "its state is too large to be handed over"), ...effects]];
  }
  const id = s.nextId;
  const pending = new Map(s.pending).set(id, { key: o.key, kind: o.kind, sinceMs: o.nowMs });
  return [{ ...after, nextId: id + 1, pending }, pieces(id, o)];
}

function pieces(id: number, o: Offer): readonly GiverEffect[] {
  const effects: GiverEffect[] = [];
  const count = Math.max(1, Math.ceil(o.state.length / MAX_PIECE_BYTES), Math.ceil(o.fds.length / MAX_PIECE_FDS));
  for (let i = 0; i < count; i++) {
    const part = o.state.subarray(i * MAX_PIECE_BYTES, (i + 1) * MAX_PIECE_BYTES);
    const fds = o.fds.slice(i * MAX_PIECE_FDS, (i + 1) * MAX_PIECE_FDS);
    const { kind, name } = o;
    effects.push(send({ t: "piece", id, kind, name, bytes: o.state.length, fds: o.fds.length, part }, fds));
  }
  return effects;
}

function isLate(s: GiverState, nowMs: number): boolean {
  if (s.phase === "leaving") return false;
  if (s.owedSinceMs >= 0 && nowMs - s.owedSinceMs > ANSWER_MS) return true;
  for (const { kind, sinceMs } of s.pending.values())
    if (kind === "connections" && nowMs - sinceMs > ANSWER_MS) return true;
  return false;
}

/**
 * Stops listening to the successor before anything is taken back: from the shutdown on none of its answers can be sent, and those
 * that were sent before are read first. So nothing is ever driven by both.
 */
function leave(s: GiverState, why: string): Outcome {
  return [{ ...s, phase: "leaving", wanted: 0 }, [{ t: "leave", why }]];
}

function finish(s: GiverState, outcome: "done" | "lost", why: string): Outcome {
  const effects = Array.from(s.pending.values(), (one): GiverEffect => kept(one, why || "the hand-over has ended"));
  return [{ ...s, phase: "over", pending: new Map(), wanted: 0 }, [...effects, { t: "over", outcome, why }]];
}

const kept = ({ key, kind }: { readonly key: string; readonly kind: Kind }, why: string): GiverEffect => ({
  t: "kept",
  key,
  kind,
  why,
});

const send = (m: GiverMessage, fds: readonly number[] = []): GiverEffect => ({
  t: "send",
  bytes: encodeGiverMessage(m),
  fds,
});
