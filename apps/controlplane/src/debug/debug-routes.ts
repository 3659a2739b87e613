import { type AdminRequest, type Reply, type Route, type Routes, jsonReply } from "@lateen/admin-http";
import { type Registry, metricsContentType, renderOpenMetrics } from "@lateen/telemetry";
import { stepAuthority } from "./authority-page.ts";
import { type DebugRules, type Visible, admitToDebug } from "./debug-access.ts";
import { DEBUG_PAGES, type DebugSources } from "./debug-pages.ts";

/** Metrics for everybody, as scrapers bring no proof; everything else for who proves that it may. */
export function debugRoutes(from: DebugSources, rules: DebugRules, registry: Registry): Routes {
  const guarded =
    (reply: (url: URL, visible: Visible) => Reply | Promise<Reply>) =>
    async (request: AdminRequest): Promise<Reply> => {
      const admitted = await admitToDebug(request, rules);
      return "status" in admitted ? admitted : reply(request.url, admitted);
    };
  const stepping = (what: "rotate" | "rollback"): Route =>
    guarded((_, visible) =>
      visible.t === "all"
        ? stepAuthority(what, from)
        : { status: 403, body: "Forbidden: this is for the mesh's own\n" },
    );
  return {
    "POST /debug/ca/rotate": stepping("rotate"),
    "POST /debug/ca/rollback": stepping("rollback"),
    "GET /metrics": ({ accept }) => {
      const type = metricsContentType(accept);
      return { status: 200, type, body: renderOpenMetrics(registry.families()) };
    },
    "GET /debug": guarded(() => ({ status: 200, body: index() })),
    "GET /debug/list": guarded(() => jsonReply(Object.keys(DEBUG_PAGES).map((name) => `/debug/${name}`))),
    "GET /debug/": guarded((url, visible) => debugPage(from, url, visible)),
  };
}

const PREFIX = "/debug/";

/** @param url its path is `/debug/NAME` */
export function debugPage(from: DebugSources, url: URL, visible: Visible): Reply {
  const name = url.pathname.slice(PREFIX.length);
  const page = Object.hasOwn(DEBUG_PAGES, name) ? DEBUG_PAGES[name] : undefined;
  if (page === undefined) return { status: 404, body: `Not Found: see ${PREFIX}list\n` };
  if (visible.t === "namespace" && page.audience === "mesh")
    return { status: 403, body: `Forbidden: ${visible.namespace} may see only what is of its own namespace\n` };
  const shown = page.show(from, { query: url.searchParams, visible });
  return shown === undefined ? { status: 404, body: "Not Found\n" } : jsonReply(shown);
}

const index = (): string =>
  Object.entries(DEBUG_PAGES)
    .map(([name, { about }]) => `${PREFIX}${name.padEnd(14)} ${about}\n`)
    .join("");
