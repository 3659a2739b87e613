/** What the environment and the configuration say about CPUs; null: nothing. Limits and requests may be fractions. */
export interface ThreadSettings {
  /** A number, `0` for every CPU, or a percentage of them. */
  readonly workerThreads: string | null;
  readonly cpuLimit: number | null;
  readonly resourceCpuLimit: number | null;
  readonly resourceCpuRequest: number | null;
  /** 0: every CPU. */
  readonly concurrency: number | null;
}

/** Of the CPUs, where nobody says how many are ours. */
const SHARE = 0.25;
/** One that is not needed accepts nothing and costs its memory alone: see ADR 0011. */
const MIN_THREADS = 2;

/** Where neither a number of threads nor a limit is known. */
const byCpus = (cpus: number): number => Math.min(cpus, Math.max(MIN_THREADS, Math.ceil(cpus * SHARE)));

/**
 * How many data threads to start (dataplane 12.1): as many as were asked for, else as many as we have CPUs where a limit is known, else
 * for a quarter of the CPUs; at least what was requested. Unlike Istio's ztunnel one and not two where there is but one CPU.
 * @param granted CPUs that the cgroup grants, at least 1; what the environment says of our limit wins over it
 */
export function workerThreads(s: ThreadSettings, granted: number): number {
  const limit = s.resourceCpuLimit ?? s.cpuLimit;
  const cpus = Math.max(1, Math.ceil(limit ?? granted));
  const wanted = s.workerThreads ?? (s.concurrency === null ? null : String(s.concurrency));
  if (wanted === null) return Math.max(limit === null ? byCpus(cpus) : cpus, Math.ceil(s.resourceCpuRequest ?? 0));
  if (wanted.endsWith("%")) return Math.max(1, Math.ceil((cpus * Number(wanted.slice(0, -1))) / 100));
  return Number(wanted) === 0 ? cpus : Number(wanted);
}
