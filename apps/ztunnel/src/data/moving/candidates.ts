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

/** A tunnel that runs within another has no socket of its own that could be passed on: both stay, and are not waited for. */
const movable = (tunnels: PodTunnels): PodTunnels["outbound"] =>
  tunnels.outbound.filter(({ tunnel }) => !tunnels.carriesTunnel(tunnel));

/**
 * Everything of these pods that could move, each once. The lightest come first: what is done for the first time is slow, and is
 * to hold up few.
 */
export function findCandidates(pods: Iterable<ServedPod>): readonly Found[] {
  const found = [...pods].flatMap((pod): Found[] => {
    const { tunnels, context } = pod;
    return [
      ...Array.from(tunnels.inbound, ([tunnel, about]) => ({
        pod,
        candidate: { t: "inbound", tunnel, about } as const,
      })),
      ...movable(tunnels).map((about) => ({
        pod,
        candidate: { t: "outbound", tunnel: about.tunnel, about } as const,
      })),
      ...connectionsOf(context.thread, context.info.uid)
        .filter((c) => c.carried && carrierOf(c) === null)
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

/** @param isOut whether it is under way; @param stays whether it will not move any more */
export function remaining(
  pods: Iterable<ServedPod>,
  isOut: (subject: Subject) => boolean,
  stays: (subject: Subject) => boolean,
): Remaining {
  let [later, left] = [0, 0];
  for (const { context, tunnels } of pods) {
    later += context.beginning;
    for (const tunnel of [...tunnels.inbound.keys(), ...movable(tunnels).map((o) => o.tunnel)])
      if (!stays(tunnel) && !isOut(tunnel)) later += 1;
    for (const c of connectionsOf(context.thread, context.info.uid)) {
      const carrier = carrierOf(c);
      if (isOut(c) || (carrier !== null && isOut(carrier))) continue;
      left += 1;
      if (carrier === null && !stays(c)) later += 1;
    }
  }
  return { later, left };
}
