import type { EnvoyConfigPatch, EnvoyFilterSpec } from "@lateen/resources";
import { checkLabelsSelector } from "./attachment.ts";
import { type Findings, forEachOf } from "./findings.ts";
import { re2Problem } from "./re2-syntax.ts";

const MAX_VERSION = 1_024;
const CONNECTION_MANAGERS: ReadonlySet<string> = new Set([
  "envoy.filters.network.http_connection_manager",
  "envoy.http_connection_manager",
]);
/** Which kind of match an object of Envoy takes. */
const MATCH_OF: Readonly<Record<string, "listener" | "routeConfiguration" | "cluster">> = {
  LISTENER: "listener",
  FILTER_CHAIN: "listener",
  NETWORK_FILTER: "listener",
  HTTP_FILTER: "listener",
  ROUTE_CONFIGURATION: "routeConfiguration",
  VIRTUAL_HOST: "routeConfiguration",
  HTTP_ROUTE: "routeConfiguration",
  CLUSTER: "cluster",
};

/** Form only: what is patched is Envoy's, and nothing here has it. @see l7 4.4 */
export function checkEnvoyFilter(spec: EnvoyFilterSpec, f: Findings): void {
  f.warn("changes the inside of Envoy, which may differ in any release: use another kind where one will do");
  checkLabelsSelector(spec.workloadSelector, f.at("workloadSelector"));
  forEachOf(spec.configPatches, f.at("configPatches"), (patch, at) => {
    if (patch.match?.context !== "WAYPOINT") checkPatch(patch, at);
  });
}

function checkPatch({ applyTo = "INVALID", match, patch }: EnvoyConfigPatch, f: Findings): void {
  if (applyTo === "INVALID") return f.at("applyTo").error("is missing");
  if (patch === undefined) return f.at("patch").error("is missing");
  const { operation = "INVALID", value } = patch;
  if (operation === "INVALID") return f.at("patch", "operation").error("is missing");
  if (operation !== "REMOVE" && value === undefined)
    return f.at("patch", "value").error(`is missing, which ${operation} needs`);
  const version = match?.proxy?.proxyVersion ?? "";
  const at = f.at("match", "proxy", "proxyVersion");
  if (version.length > MAX_VERSION) at.warn(`is longer than ${MAX_VERSION} characters and is not looked at`);
  else if (version !== "") at.check(re2Problem(version));
  const wanted = Object.hasOwn(MATCH_OF, applyTo) ? MATCH_OF[applyTo] : undefined;
  const given = (["listener", "routeConfiguration", "cluster"] as const).find((m) => match?.[m] !== undefined);
  if (wanted === undefined || given === undefined) return;
  if (given !== wanted) f.at("match", given).error(`does not fit ${applyTo}, which is matched by ${wanted}`);
  else if (given === "listener") checkFilter(match?.listener?.filterChain?.filter, f.at("match"), applyTo);
}

function checkFilter(
  filter:
    | { readonly name?: string | undefined; readonly subFilter?: { readonly name?: string | undefined } | undefined }
    | undefined,
  f: Findings,
  applyTo: string,
): void {
  if (filter === undefined) return;
  const at = f.at("listener", "filterChain", "filter");
  if (applyTo === "LISTENER" || applyTo === "FILTER_CHAIN") at.warn(`has no effect with ${applyTo}`);
  const { name = "", subFilter } = filter;
  if (name === "") return at.at("name").error("is missing");
  if (subFilter === undefined) return;
  if (applyTo !== "HTTP_FILTER") return at.at("subFilter").error("is for HTTP_FILTER only");
  if (!CONNECTION_MANAGERS.has(name))
    return at.at("subFilter").error("needs the filter to be the HTTP connection manager");
  if ((subFilter.name ?? "") === "") at.at("subFilter", "name").error("is missing");
}
