import type { HboneConnection } from "@lateen/hbone";
import type { OpenConnection } from "../open-connection.ts";
import type { PodTunnels } from "../pod-tunnels.ts";
import type { ServedPod } from "../served-pod.ts";
import type { ThreadContext } from "../thread-context.ts";
import { type Candidate, carrierOf } from "./freeze.ts";

/** What a candidate is about, for as long as it lives. */
export type Subject = HboneConnection | OpenConnection;

export interface Found {
  readonly pod: ServedPod;
  readonly candidate: Candidate;
}

const connectionsOf = (thread: ThreadContext, uid: string): readonly OpenConnection[] =>
  thread.connections.of(uid) as readonly OpenConnection[];

export const subjectOf = (candidate: Candidate): Subject =>
  candidate.t === "plain" ? candidate.connection : candidate.tunnel;

export const isOver = (candidate: Candidate): boolean =>
  candidate.t === "plain" ? candidate.connection.over : candidate.tunnel.closed;

/** How many connections stand still with it. */
export const weightOf = (candidate: Candidate): number =>
  candidate.t === "plain" ? 1 : Math.max(1, candidate.tunnel.active);

/** Which tunnels may move. Where the successor does not know tunnels inside others, both stay, and are not waited for. */
const movable = (tunnels: PodTunnels, movesInner: boolean): PodTunnels["outbound"] =>
  tunnels.outbound.filter(({ tunnel }) => movesInner || tunnels.innerOf(tunnel).length === 0);

/**
 * Everything of these pods that could move, each once. The lightest come first: what is done for the first time is slow, and is
 * to hold up few.
 */
export function findCandidates(pods: Iterable<ServedPod>, movesInner: boolean): readonly Found[] {
  const found = [...pods].flatMap((pod): Found[] => {
    const { tunnels, context } = pod;
    return [
      ...Array.from(tunnels.inbound, ([tunnel, about]) => ({
        pod,
        candidate: { t: "inbound", tunnel, about } as const,
      })),
      ...movable(tunnels, movesInner).map((about) => ({
        pod,
        candidate: { t: "outbound", tunnel: about.tunnel, about } as const,
      })),
      ...connectionsOf(context.thread, context.info.uid)
        .filter((c) => c.carried && carrierOf(c, tunnels) === null)
        .map((connection) => ({ pod, candidate: { t: "plain", connection } as const })),
    ];
  });
  return found.sort((a, b) => weightOf(a.candidate) - weightOf(b.candidate));
}

/** What is still here: `later` may be movable in a moment, `left` are connections. */
export interface Remaining {
  readonly later: number;
  readonly left: number;
}

/** What a giver knows of subjects. */
export interface Knowledge {
  /** It is under way. */
  readonly isOut: (subject: Subject) => boolean;
  /** It will not move any more. */
  readonly stays: (subject: Subject) => boolean;
  readonly movesInner: boolean;
}

export function remaining(pods: Iterable<ServedPod>, { isOut, stays, movesInner }: Knowledge): Remaining {
  let [later, left] = [0, 0];
  for (const { context, tunnels } of pods) {
    later += context.beginning;
    for (const tunnel of [...tunnels.inbound.keys(), ...movable(tunnels, movesInner).map((o) => o.tunnel)])
      if (!stays(tunnel) && !isOut(tunnel)) later += 1;
    for (const c of connectionsOf(context.thread, context.info.uid)) {
      const carrier = carrierOf(c, tunnels);
      if (isOut(c) || (carrier !== null && isOut(carrier))) continue;
      left += 1;
      if (carrier === null && !stays(c)) later += 1;
    }
  }
  return { later, left };
}
