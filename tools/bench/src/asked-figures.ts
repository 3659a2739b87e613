import type { TunnelReport } from "./tunnel.ts";

/** A figure that the tunnel bench is to reach: a ratio to another variant, or our own figure with its unit. */
interface Asked {
  readonly of: "lateen" | "lateen/tls-relay" | "lateen/ztunnel";
  readonly metrics: readonly string[];
  readonly atLeast?: number;
  readonly atMost?: number;
}

const BULK_GBPS = ["gbps1", "gbps8", "gbps1R", "gbps8R"] as const;
const BULK_CPU = ["cpuSecPerGB1", "cpuSecPerGB8", "cpuSecPerGB1R", "cpuSecPerGB8R"] as const;

/** Memory is that of both proxies together, its bounds are asked of each; at rest is 75 s after the loads. Against the relays always, against a real ztunnel when it is in the run. */
const ASKED: readonly Asked[] = [
  { of: "lateen/tls-relay", metrics: ["gbps1", "gbps8"], atLeast: 0.9 },
  { of: "lateen/tls-relay", metrics: ["cpuSecPerGB1", "cpuSecPerGB8"], atMost: 0.8 },
  { of: "lateen/tls-relay", metrics: ["requestsPerSec32"], atLeast: 1.5 },
  { of: "lateen", metrics: ["p50AddedMs1000"], atMost: 0.5 },
  { of: "lateen", metrics: ["rssRestedMiB"], atMost: 2 * 80 },
  { of: "lateen", metrics: ["rssAfterMiB"], atMost: 2 * 120 },
  { of: "lateen", metrics: ["rssPerNewConnKiB", "rssPerIdleConnKiB"], atMost: 2 * 8 },
  { of: "lateen/ztunnel", metrics: BULK_CPU, atMost: 0.95 },
  { of: "lateen/ztunnel", metrics: BULK_GBPS, atLeast: 1.1 },
  { of: "lateen/ztunnel", metrics: ["requestsPerSec32"], atLeast: 1 },
  { of: "lateen/ztunnel", metrics: ["cpuUsPerRequest1000"], atMost: 1.1 },
  { of: "lateen/ztunnel", metrics: ["p50AddedMs1000"], atMost: 0.9 },
  { of: "lateen/ztunnel", metrics: ["p99AddedMs1000"], atMost: 1.1 },
  { of: "lateen/ztunnel", metrics: ["newConnsPerSec"], atLeast: 1 },
  { of: "lateen/ztunnel", metrics: ["handshakesPerSec"], atLeast: 0.8 },
];

/** What is missed, one line each; medians count. A figure that was not measured is not asked for. */
export function missedFigures(report: TunnelReport): readonly string[] {
  return ASKED.flatMap(({ of, metrics, atLeast = -Infinity, atMost = Infinity }) =>
    metrics.flatMap((metric) => {
      const median = (of === "lateen" ? report.variants : report.ratios)[of]?.[metric]?.median;
      if (median === undefined || (median >= atLeast && median <= atMost)) return [];
      const bound = atLeast > -Infinity ? `at least ${atLeast}` : `at most ${atMost}`;
      return [`${of} ${metric}: ${median.toFixed(3)}, ${bound} is asked for`];
    }),
  );
}
