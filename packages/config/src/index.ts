export { cgroupCpuFiles, grantedCpus } from "./cgroup-cpus.ts";
export { formatDuration, parseDurationMs } from "./duration.ts";
export { envCommaList, envCpus, envDurationMs, envFlag, envInt, envPort, parseEnv } from "./env.ts";
