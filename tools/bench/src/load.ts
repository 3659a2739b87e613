import { Code, MeshError } from "@lateen/errors";

/** `iperf3 -J` in short. */
export interface Bulk {
  readonly gbps: number;
  readonly gigabytes: number;
}

interface Iperf {
  readonly error?: string;
  readonly end: { readonly sum_received: { readonly bits_per_second: number; readonly bytes: number } };
}

/** Reads what `iperf3 -J` printed. @throws MeshError UNAVAILABLE with iperf3's own error */
export function readIperf(json: string): Bulk {
  const result = JSON.parse(json) as Iperf;
  if (result.error !== undefined) throw new MeshError(Code.Unavailable, `iperf3: ${result.error}`);
  const { bits_per_second, bytes } = result.end.sum_received;
  return { gbps: bits_per_second / 1e9, gigabytes: bytes / 1e9 };
}

/** `fortio load -json -` in short. */
export interface Requests {
  readonly perSec: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

interface Fortio {
  readonly ActualQPS: number;
  readonly DurationHistogram: {
    readonly Count: number;
    readonly Percentiles: readonly { readonly Percentile: number; readonly Value: number }[] | null;
  };
  readonly RetCodes: Readonly<Record<string, number>>;
}

/** Reads what `fortio load -json -` printed. @throws MeshError UNAVAILABLE when a request did not succeed */
export function readFortio(json: string): Requests {
  const result = JSON.parse(json.slice(json.indexOf("{"))) as Fortio;
  const bad = Object.entries(result.RetCodes).filter(([code]) => code !== "200");
  if (bad.length > 0)
    throw new MeshError(Code.Unavailable, `fortio: not every request succeeded: ${JSON.stringify(bad)}`);
  const at = (p: number): number =>
    1_000 * (result.DurationHistogram.Percentiles?.find((x) => x.Percentile === p)?.Value ?? Number.NaN);
  return {
    perSec: result.ActualQPS,
    count: result.DurationHistogram.Count,
    p50Ms: at(50),
    p90Ms: at(90),
    p99Ms: at(99),
  };
}
