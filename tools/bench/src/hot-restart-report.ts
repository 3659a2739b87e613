import type { ZtunnelUpgrade } from "@lateen/local-mesh";
import type { HotRestartReport } from "./hot-restart.ts";
import { percentile } from "./spread.ts";
import type { Ways } from "./way-histogram.ts";

/** The figure that is asked for: what restarts may add to the slowest hundredth of all ways through the mesh. */
const MAX_ADDED_MS = 50;

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const addedMs = (r: HotRestartReport): number => r.restarted.p99Ms - r.quiet.p99Ms;

/** One restart in a line. */
export function renderUpgrade({ node, tookMs, handedOver }: ZtunnelUpgrade): string {
  const total = `${node}: ${(tookMs / 1000).toFixed(1)} s`;
  if (handedOver === null) return `${total}; nothing was handed over\n`;
  const { outcome, connections, tunnels, left, declined, reasons, stallMs } = handedOver;
  const stalls = `stalled p50 ${ms(stallMs.p50)}, p99 ${ms(stallMs.p99)}, max ${ms(stallMs.max)}`;
  const rest = left + declined > 0 ? `; ${left} stayed, ${declined} declined: ${reasons.join("; ")}` : "";
  return `${total}; ${outcome}: ${connections} connections, ${tunnels} tunnels; ${stalls}${rest}\n`;
}

const renderWays = (name: string, w: Ways): string =>
  `${name.padEnd(16)}${w.count} pieces: p50 ${ms(w.p50Ms)}, p99 ${ms(w.p99Ms)}, max ${ms(w.maxMs)}\n`;

export function renderHotRestart(r: HotRestartReport): string {
  const mbit = (r.bytes * 8) / 1e6 / r.seconds;
  const why = r.problems.length === 0 ? "" : ` (${[...new Set(r.problems)].join("; ")})`;
  const stalls = r.restarts.flatMap((u) => u.handedOver?.stallMs ?? []);
  const of = (which: "p50" | "p99" | "max"): string => {
    const values = stalls.map((s) => s[which]);
    return `${which} ${ms(percentile(values, 0.5))} (worst ${ms(percentile(values, 1))})`;
  };
  const workloads = r.workloads.map(
    ({ what, rounds, done, problems }) =>
      `${what.padEnd(16)}${done} done in ${rounds} rounds, ${problems.length} rounds with an error ${problems[0] ?? ""}\n`,
  );
  return (
    `${r.restarts.length} restarts with ${r.connections} connections, ${mbit.toFixed(0)} Mbit/s echoed, ${r.seconds.toFixed(0)} s\n` +
    `${r.resets} resets, ${r.wrongBytes} wrong bytes, ${r.unanswered} unanswered, ${r.notEnded} not ended${why}; ` +
    `${r.fresh.failed} of ${r.fresh.opened} new connections failed\n` +
    `${renderWays("no restart", r.quiet)}${renderWays("restarts", r.restarted)}` +
    `added to p99    ${ms(addedMs(r))}\n` +
    `stood still     ${of("p50")}, ${of("p99")}, ${of("max")}; of each restart, the median of all\n` +
    workloads.join("")
  );
}

/** What is asked for and was not reached. */
export function missedHotRestart(r: HotRestartReport): readonly string[] {
  const missed: string[] = [];
  const cut = r.resets + r.unanswered + r.notEnded;
  if (cut > 0) missed.push(`connections cut: ${cut} of 0`);
  if (r.wrongBytes > 0) missed.push(`wrong bytes: ${r.wrongBytes} of 0`);
  if (r.fresh.failed > 0) missed.push(`new connections that failed: ${r.fresh.failed} of 0`);
  const stayed = r.restarts.filter((u) => u.handedOver?.outcome !== "done" || u.handedOver.left > 0).length;
  if (stayed > 0) missed.push(`restarts that left connections behind: ${stayed} of 0`);
  for (const { what, problems } of r.workloads)
    if (problems.length > 0) missed.push(`rounds of ${what} with an error: ${problems.length} of 0`);
  if (!(addedMs(r) <= MAX_ADDED_MS)) missed.push(`added stall p99: ${ms(addedMs(r))} of at most ${ms(MAX_ADDED_MS)}`);
  return missed;
}
