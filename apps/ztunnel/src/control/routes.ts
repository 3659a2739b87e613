import { type Reply, type Routes, jsonReply } from "@lateen/admin-http";
import { MeshError, httpStatus } from "@lateen/errors";
import type { Readiness } from "@lateen/lifecycle";
import {
  type Family,
  type LevelFilter,
  type Levels,
  formatLevels,
  mergeFamilies,
  metricsContentType,
  parseLevels,
  renderOpenMetrics,
} from "@lateen/telemetry";

/** The longest that a question about a pod may wait for its answer. */
const MAX_WAIT_MS = 5_000;

export interface AdminSources {
  readonly dump: () => Promise<unknown>;
  /** Null for a pod that this proxy does not know; answers early once the pod is up with a certificate. */
  readonly pod: (uid: string, waitMs: number) => Promise<{ readonly state: string; readonly identity: string } | null>;
  readonly levels: LevelFilter;
  readonly setLevels: (levels: Levels, mode: "merge" | "replace") => void;
  readonly quit: () => void;
  /** What was taken over from a predecessor; null while it goes on, or when there was none. */
  readonly takenOver: () => unknown;
  /** What the data threads spend their time on, from one call to the other; a profile of each in V8's JSON. */
  readonly startProfiles: () => Promise<void>;
  readonly stopProfiles: () => Promise<readonly string[]>;
}

const LOGGING_HELP = `
usage: POST /logging                               (tells the levels)
usage: POST /logging?level=<level>                 (sets the default)
usage: POST /logging?level=<scope>:<level>,...     (sets levels of scopes)
usage: POST /logging?reset                         (goes back to the levels of the start)

hint: loglevel:\terror|warn|info|debug|trace|off
hint: scope:\tthe second word of a log line, such as access
`;

/** Levels of the running proxy. A level that is not understood changes nothing, the reset that came with it included. */
function setLogging(sources: Pick<AdminSources, "levels" | "setLevels">, url: URL): Reply {
  const wanted = parseLevels(url.searchParams.get("level") ?? "");
  if (!wanted.ok) return { status: 400, body: `${wanted.error.message}\n${LOGGING_HELP}` };
  if (url.searchParams.has("reset")) sources.setLevels(new Map(), "replace");
  if (wanted.value.size > 0) sources.setLevels(wanted.value, "merge");
  return { status: 200, body: `current log level is ${formatLevels(sources.levels.current())}\n` };
}

/** The answer, or what is wrong with the question. */
const answered = (reply: Promise<Reply>): Promise<Reply> =>
  reply.catch((e: unknown) => {
    if (MeshError.is(e)) return { status: httpStatus[e.code], body: `${e.message}\n` };
    throw e;
  });

/**
 * Port 15000, on the loopback only (dataplane 11.1). `/pods/UID` is ours: the CNI agent asks it before it says enrolled; so is
 * `/debug/cpuprofile/`.
 */
export function adminRoutes(sources: AdminSources): Routes {
  return {
    "GET /config_dump": async () => jsonReply(await sources.dump()),
    "GET /pods/": async ({ url }) => {
      const uid = decodeURIComponent(url.pathname.slice("/pods/".length));
      const waitMs = Math.min(Number(url.searchParams.get("waitMs") ?? 0) || 0, MAX_WAIT_MS);
      const pod = await sources.pod(uid, waitMs);
      if (pod === null) return { status: 404, body: `pod ${uid} is not known to this proxy\n` };
      return jsonReply(pod);
    },
    "GET /handover": () => jsonReply(sources.takenOver()),
    "POST /debug/cpuprofile/start": () =>
      answered(sources.startProfiles().then(() => ({ status: 200, body: "profiles run\n" }))),
    "POST /debug/cpuprofile/stop": () =>
      answered(
        sources.stopProfiles().then((all) => ({ status: 200, type: "application/json", body: `[${all.join(",")}]\n` })),
      ),
    "POST /logging": ({ url }) => setLogging(sources, url),
    "POST /quitquitquit": () => {
      sources.quit();
      return { status: 200, body: "shutdown now\n" };
    },
  };
}

/** Port 15021 (dataplane 11.1). */
export function readinessRoutes(readiness: Readiness): Routes {
  return {
    "GET /healthz/ready": () =>
      readiness.isReady
        ? { status: 200, body: "ready\n" }
        : { status: 500, body: `not ready, pending: ${readiness.pending().join(", ")}\n` },
  };
}

/** Port 15020 (dataplane 11.1). @param collect the families of this thread and of each data thread */
export function metricsRoutes(collect: () => Promise<readonly (readonly Family[])[]>): Routes {
  const show = async ({ accept }: { readonly accept: string }): Promise<Reply> => {
    const merged = mergeFamilies(await collect());
    return { status: 200, type: metricsContentType(accept), body: renderOpenMetrics(merged) };
  };
  return { "GET /metrics": show, "GET /stats/prometheus": show };
}
