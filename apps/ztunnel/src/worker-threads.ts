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

/**
 * How many data threads to start (dataplane 12.1): as many as were asked for, else as there are CPUs for us, at least what was
 * requested.
 * @param granted CPUs that the cgroup grants, at least 1; what the environment says of our limit wins over it
 */
export function workerThreads(s: ThreadSettings, granted: number): number {
  const cpus = Math.max(1, Math.ceil(s.resourceCpuLimit ?? s.cpuLimit ?? granted));
  const wanted = s.workerThreads ?? (s.concurrency === null ? null : String(s.concurrency));
  if (wanted === null) return Math.max(cpus, Math.ceil(s.resourceCpuRequest ?? 0));
  if (wanted.endsWith("%")) return Math.max(1, Math.ceil((cpus * Number(wanted.slice(0, -1))) / 100));
  return Number(wanted) === 0 ? cpus : Number(wanted);
}
