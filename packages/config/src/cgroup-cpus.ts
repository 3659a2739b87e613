/**
 * The files that say how many CPUs a process may use, its own cgroup's and those of all above it.
 * @param procSelfCgroup content of `/proc/self/cgroup`
 * @param root where the cgroup file systems are mounted
 * @returns absolute paths; many will not exist, and a missing file means no limit there
 */
export function cgroupCpuFiles(procSelfCgroup: string, root = "/sys/fs/cgroup"): readonly string[] {
  const files: string[] = [];
  for (const line of procSelfCgroup.split("\n")) {
    const m = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (m === null) continue;
    const controllers = m[1]!.split(",");
    if (m[1] === "") for (const folder of upwards(m[2]!)) files.push(`${root}${folder}/cpu.max`);
    if (!controllers.includes("cpu")) continue;
    for (const mount of new Set([m[1]!, "cpu,cpuacct", "cpu"])) {
      for (const folder of upwards(m[2]!)) {
        files.push(`${root}/${mount}${folder}/cpu.cfs_quota_us`, `${root}/${mount}${folder}/cpu.cfs_period_us`);
      }
    }
  }
  return [...new Set(files)];
}

/** `/a/b` → `/a/b`, `/a`, "". Inside a cgroup namespace the path may begin with `/..`: then only the mount's root is ours. */
function upwards(path: string): readonly string[] {
  const parts = path.split("/").filter((p) => p !== "");
  if (parts.includes("..")) return [""];
  return Array.from({ length: parts.length + 1 }, (_, i) =>
    parts
      .slice(0, parts.length - i)
      .map((p) => `/${p}`)
      .join(""),
  );
}

const DEFAULT_PERIOD_US = 100_000;

/**
 * How many CPUs the cgroup grants: the smallest limit of any level, rounded up, at least 1 and at most `available`.
 * @param files contents by path, of those of `cgroupCpuFiles` that exist
 * @param available CPUs that the process may be scheduled on: the answer when nothing limits it
 */
export function grantedCpus(files: ReadonlyMap<string, string>, available: number): number {
  let cpus = Math.max(1, Math.floor(available));
  for (const [path, content] of files) {
    const limit = path.endsWith("/cpu.max") ? limitV2(content) : limitV1(path, content, files);
    if (limit !== null) cpus = Math.min(cpus, Math.max(1, Math.ceil(limit)));
  }
  return cpus;
}

function limitV2(content: string): number | null {
  const m = /^(\d{1,15})(?: (\d{1,15}))?\s*$/.exec(content); // "max 100000" is no limit
  return m === null ? null : quotient(Number(m[1]), m[2] === undefined ? DEFAULT_PERIOD_US : Number(m[2]));
}

function limitV1(path: string, content: string, files: ReadonlyMap<string, string>): number | null {
  if (!path.endsWith("/cpu.cfs_quota_us") || !/^\d{1,15}\s*$/.test(content)) return null; // -1 is no limit
  const period = files.get(path.replace(/quota_us$/, "period_us"));
  return quotient(Number(content), period === undefined ? DEFAULT_PERIOD_US : Number(period));
}

const quotient = (quotaUs: number, periodUs: number): number | null =>
  quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : null;
