import { compareAge } from "./objects.ts";
import { type ServiceInfo, hostKey, infoKey } from "./service-info.ts";

/** Which of several objects with one host name count. */
export interface HostDecision {
  /** One for each namespace, with `canonical` as it is told. */
  readonly winners: readonly ServiceInfo[];
  /** The others, each with the one that counts in its namespace. */
  readonly losers: readonly { readonly info: ServiceInfo; readonly winner: ServiceInfo }[];
}

const byAge = (a: ServiceInfo, b: ServiceInfo): number =>
  compareAge({ created: a.created, key: infoKey(a) }, { created: b.created, key: infoKey(b) });

/** A Service before any ServiceEntry, then the oldest, then the first by name. */
const byRank = (a: ServiceInfo, b: ServiceInfo): number => {
  if (a.origin.kind !== b.origin.kind) return a.origin.kind === "Service" ? -1 : 1;
  return byAge(a, b);
};

/**
 * Decides between all services of one host name, whatever the order of their coming.
 * @see control-plane 2.7
 */
export function decideHost(rivals: readonly ServiceInfo[]): HostDecision {
  const ranked = [...rivals].sort(byRank);
  const winners = new Map<string, ServiceInfo>();
  const losers: HostDecision["losers"][number][] = [];
  for (const info of ranked) {
    const winner = winners.get(info.service.namespace);
    if (winner === undefined) winners.set(info.service.namespace, info);
    else losers.push({ info, winner });
  }
  const canonical = [...winners.values()].find(
    (info) => info.origin.kind === "Service" || info.service.visibility === "PUBLIC",
  );
  return {
    winners: [...winners.values()].map((info) => withCanonical(info, info === canonical)),
    losers,
  };
}

function withCanonical(info: ServiceInfo, canonical: boolean): ServiceInfo {
  return info.service.canonical === canonical ? info : { ...info, service: { ...info.service, canonical } };
}

export const winnerEntries = (d: HostDecision): (readonly [string, ServiceInfo])[] =>
  d.winners.map((info) => [hostKey(info.service), info]);
