import type { Result } from "@lateen/errors";
import type { WorkloadInfo, WorkloadRequest, WorkloadResponse, ZdsHello } from "./messages.ts";

/** How long the proxy may take for its hello and for each ack. */
export const ACK_DEADLINE_MS = 5_000;
/** Updates waiting on one connection. */
export const MAX_QUEUED_UPDATES = 100;

/** Something to tell the proxy. `handle` is the driver's: it stands for the descriptor that goes with an `add`. */
export type AgentUpdate<H> =
  | { readonly t: "add"; readonly uid: string; readonly info: WorkloadInfo; readonly handle: H }
  | { readonly t: "keep"; readonly uid: string }
  | { readonly t: "del"; readonly uid: string };

/** An update that somebody waits for; `id` comes back in its outcome. */
interface Queued<H> {
  readonly id: number;
  readonly update: AgentUpdate<H>;
}

/** One connection of a proxy, as the agent sees it. */
export interface AgentState<H> {
  readonly phase: "hello" | "snapshot" | "live" | "closed";
  /** What is left of the snapshot. */
  readonly snapshot: readonly AgentUpdate<H>[];
  readonly queue: readonly Queued<H>[];
  /** Sent and not acknowledged yet. `id` is -1 for what belongs to the snapshot; `update` null for its end. */
  readonly sent: { readonly id: number; readonly update: AgentUpdate<H> | null } | null;
  /** When the peer must have answered; null while nothing is owed. */
  readonly deadlineMs: number | null;
}

/**
 * - `hello`: the first datagram; `snapshot` is what the agent holds at this moment
 * - `response`: every later datagram
 * - `unexpected`: a datagram that was truncated or carried descriptors
 * - `update`: something new to tell; `id` is 0 or more
 * - `closed`: the connection ended or a send failed
 */
export type AgentInput<H> =
  | {
      readonly t: "hello";
      readonly hello: Result<ZdsHello>;
      readonly snapshot: readonly AgentUpdate<H>[];
      readonly nowMs: number;
    }
  | { readonly t: "response"; readonly response: Result<WorkloadResponse>; readonly nowMs: number }
  | { readonly t: "unexpected"; readonly why: string }
  | { readonly t: "update"; readonly id: number; readonly update: AgentUpdate<H>; readonly nowMs: number }
  | { readonly t: "tick"; readonly nowMs: number }
  | { readonly t: "closed"; readonly why: string };

/**
 * - `send`: one datagram, with the descriptor behind `handle` unless that is null
 * - `release`: the machine is done with this handle
 * - `outcome`: what became of update `id`; `lost` when the connection ended before the ack, and it may or may not have been done
 * - `refused`: the proxy could not start a pod of the snapshot; it tries again by itself
 * - `live`: the snapshot is acknowledged
 */
export type AgentEffect<H> =
  | { readonly t: "send"; readonly request: WorkloadRequest; readonly handle: H | null }
  | { readonly t: "release"; readonly handle: H }
  | { readonly t: "outcome"; readonly id: number; readonly result: "done" | "refused" | "lost"; readonly why: string }
  | { readonly t: "acknowledged"; readonly uid: string }
  | { readonly t: "refused"; readonly uid: string; readonly why: string }
  | { readonly t: "live" }
  | { readonly t: "drop"; readonly why: string };

type Step<H> = readonly [AgentState<H>, readonly AgentEffect<H>[]];

/** A connection just accepted. */
export function agentStart<H>(nowMs: number): AgentState<H> {
  return { phase: "hello", snapshot: [], queue: [], sent: null, deadlineMs: nowMs + ACK_DEADLINE_MS };
}

function released<H>(update: AgentUpdate<H> | null): readonly AgentEffect<H>[] {
  return update?.t === "add" ? [{ t: "release", handle: update.handle }] : [];
}

/**
 * The agent's side of one ZDS connection. Pure: the driver performs the effects in order.
 * An ack that comes late would be taken for that of the next message, so a missed deadline drops the connection.
 * @see the data-plane contract, section 3.3
 */
export function agentStep<H>(s: AgentState<H>, i: AgentInput<H>): Step<H> {
  if (s.phase === "closed") return [s, afterClose(i)];
  switch (i.t) {
    case "hello":
      if (s.phase !== "hello") return drop(s, "a second hello", i.snapshot);
      if (!i.hello.ok) return drop(s, `the hello is malformed: ${i.hello.error.message}`, i.snapshot);
      return next({ ...s, phase: "snapshot", snapshot: i.snapshot, deadlineMs: null }, i.nowMs, []);
    case "response":
      return response(s, i.response, i.nowMs);
    case "unexpected":
      return drop(s, i.why);
    case "update":
      return update(s, i);
    case "tick":
      if (s.deadlineMs === null || i.nowMs < s.deadlineMs) return [s, []];
      return drop(s, s.phase === "hello" ? "no hello within its deadline" : "no ack within its deadline");
    case "closed": {
      const [closed, effects] = drop(s, i.why);
      return [closed, effects.filter((e) => e.t !== "drop")];
    }
  }
}

function afterClose<H>(i: AgentInput<H>): readonly AgentEffect<H>[] {
  if (i.t === "hello") return i.snapshot.flatMap((u) => released(u));
  if (i.t !== "update") return [];
  return [...released(i.update), { t: "outcome", id: i.id, result: "lost", why: "the connection is closed" }];
}

function drop<H>(s: AgentState<H>, why: string, extra: readonly AgentUpdate<H>[] = []): Step<H> {
  const waiting = [...(s.sent !== null && s.sent.id >= 0 ? [s.sent.id] : []), ...s.queue.map((q) => q.id)];
  const held = [s.sent?.update ?? null, ...s.snapshot, ...s.queue.map((q) => q.update), ...extra];
  const effects: readonly AgentEffect<H>[] = [
    { t: "drop", why },
    ...held.flatMap((u) => released(u)),
    ...waiting.map((id) => ({ t: "outcome", id, result: "lost", why }) as const),
  ];
  return [{ phase: "closed", snapshot: [], queue: [], sent: null, deadlineMs: null }, effects];
}

function request<H>(u: AgentUpdate<H>): WorkloadRequest {
  return u.t === "add" ? { t: "add", uid: u.uid, info: u.info } : { t: u.t, uid: u.uid };
}

/** Sends what comes next, if anything. */
function next<H>(s: AgentState<H>, nowMs: number, before: readonly AgentEffect<H>[]): Step<H> {
  const deadlineMs = nowMs + ACK_DEADLINE_MS;
  if (s.phase === "snapshot") {
    const [first, ...snapshot] = s.snapshot;
    const sent = { id: -1, update: first ?? null };
    const message: WorkloadRequest = first === undefined ? { t: "snapshotSent" } : request(first);
    const handle = first?.t === "add" ? first.handle : null;
    return [{ ...s, snapshot, sent, deadlineMs }, [...before, { t: "send", request: message, handle }]];
  }
  const [first, ...queue] = s.queue;
  if (first === undefined) return [{ ...s, sent: null, deadlineMs: null }, before];
  const handle = first.update.t === "add" ? first.update.handle : null;
  return [{ ...s, queue, sent: first, deadlineMs }, [...before, { t: "send", request: request(first.update), handle }]];
}

function response<H>(s: AgentState<H>, r: Result<WorkloadResponse>, nowMs: number): Step<H> {
  if (s.sent === null) return drop(s, "data without a request");
  if (!r.ok) return drop(s, r.error.message);
  const { id, update: done } = s.sent;
  const why = r.value.error;
  const effects: AgentEffect<H>[] = [...released(done)];
  if (id >= 0) effects.push({ t: "outcome", id, result: why === "" ? "done" : "refused", why });
  else if (done !== null && why !== "") effects.push({ t: "refused", uid: done.uid, why });
  else if (done?.t === "add") effects.push({ t: "acknowledged", uid: done.uid });
  const endsSnapshot = id < 0 && done === null;
  if (!endsSnapshot) return next({ ...s, sent: null }, nowMs, effects);
  return next({ ...s, phase: "live", sent: null }, nowMs, [...effects, { t: "live" }]);
}

function update<H>(s: AgentState<H>, i: AgentInput<H> & { readonly t: "update" }): Step<H> {
  if (s.queue.length >= MAX_QUEUED_UPDATES) {
    const why = `${MAX_QUEUED_UPDATES} updates wait already`;
    return [s, [...released(i.update), { t: "outcome", id: i.id, result: "lost", why }]];
  }
  const queued = { ...s, queue: [...s.queue, { id: i.id, update: i.update }] };
  return s.phase === "live" && s.sent === null ? next(queued, i.nowMs, []) : [queued, []];
}
