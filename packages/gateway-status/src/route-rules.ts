import type { GatewayWorld } from "./gateway-world.ts";
import { GATEWAY_GROUP, isKind, isReferenceAllowed, kindOf } from "./reference-grants.ts";
import type { Fault } from "./status-conditions.ts";
import type { BackendRef, Route, RouteFilter, RouteMatch, RouteRule } from "./status-objects.ts";

/** A fault of a whole route, or of a backend that is left out while the rest counts. */
interface RuleFault extends Fault {
  readonly whole: boolean;
}

const whole = (reason: string, message: string): RuleFault => ({ reason, message, whole: true });
const part = (reason: string, message: string): RuleFault => ({ reason, message, whole: false });

/**
 * What is wrong with the rules of a route: what spoils it whole counts before all else, then the last of what is left out.
 * @param parents `gateway`: backends of other namespaces need their leave
 */
export function rulesFault(world: GatewayWorld, route: Route, parents: "mesh" | "gateway"): Fault | null {
  let found: RuleFault | null = null;
  for (const rule of route.spec.rules ?? []) {
    const fault = ruleFault(world, route, rule, parents);
    if (fault?.whole === true) return told(fault);
    found = fault ?? found;
  }
  return found === null ? null : told(found);
}

const told = ({ reason, message }: RuleFault): Fault => ({ reason, message });

const HTTP_FILTERS: ReadonlySet<string> = new Set([
  ...["RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "RequestMirror", "URLRewrite", "CORS"],
]);
const GRPC_FILTERS: ReadonlySet<string> = new Set(["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"]);
/** Of one backend. */
const BACKEND_FILTERS: ReadonlySet<string> = new Set(["RequestHeaderModifier", "ResponseHeaderModifier"]);

function ruleFault(world: GatewayWorld, route: Route, rule: RouteRule, parents: "mesh" | "gateway"): RuleFault | null {
  const isL7 = route.kind === "HTTPRoute" || route.kind === "GRPCRoute";
  const refs = rule.backendRefs ?? [];
  let mirrors: RuleFault | null = null;
  if (isL7) {
    for (const match of rule.matches ?? []) {
      const fault = matchFault(route, match);
      if (fault !== null) return fault;
    }
    for (const filter of rule.filters ?? []) {
      const fault = filterFault(filter, route.kind === "HTTPRoute" ? HTTP_FILTERS : GRPC_FILTERS);
      if (fault !== null) return fault;
      const mirror = filter.requestMirror && backendFault(world, route, filter.requestMirror.backendRef, parents);
      // A copy that cannot be sent spoils nothing of an HTTPRoute.
      if (mirror && route.kind === "HTTPRoute") mirrors = { ...mirror, whole: false };
      else if (mirror) return { ...mirror, whole: true };
    }
  }
  const counted = refs.filter((ref) => (ref.weight ?? 1) !== 0);
  let left: RuleFault | null = null;
  for (const ref of counted) {
    const fault = backendFault(world, route, ref, parents) ?? backendFilterFault(ref);
    if (fault?.whole === true) return fault;
    left = fault ?? left;
  }
  if (left === null || mirrors === null) return left ?? mirrors;
  return { ...left, message: `${left.message}; ${mirrors.message}` };
}

const MATCHES: ReadonlySet<string> = new Set(["Exact", "RegularExpression"]);
const PATH_MATCHES: ReadonlySet<string> = new Set([...MATCHES, "PathPrefix"]);

function matchFault({ kind }: Route, { path, headers = [], queryParams = [], method }: RouteMatch): RuleFault | null {
  const unknown = (what: string, type: string): RuleFault =>
    whole("InvalidConfiguration", `${what} cannot be matched by ${JSON.stringify(type.slice(0, 100))}`);
  if (kind === "GRPCRoute") {
    const { type = "Exact", ...named } = (method ?? { service: "" }) as Readonly<Record<string, string | undefined>>;
    if (named["service"] === undefined && named["method"] === undefined)
      return whole("InvalidConfiguration", "a match of gRPC names a service or a method");
    if (!MATCHES.has(type)) return unknown("methods", type);
  } else if (path?.type !== undefined && !PATH_MATCHES.has(path.type)) return unknown("paths", path.type);
  const header = headers.find((h) => h.type !== undefined && !MATCHES.has(h.type));
  if (header?.type !== undefined) return unknown("headers", header.type);
  const parameter = queryParams.find((q) => q.type !== undefined && !MATCHES.has(q.type));
  return parameter?.type === undefined ? null : unknown("parameters", parameter.type);
}

/** Tabs and what can be printed; never the end of a line. */
const FORBIDDEN_IN_HEADERS = /[\u0000-\u0008\u000a-\u001f\u007f]/;

function filterFault(filter: RouteFilter, known: ReadonlySet<string>): RuleFault | null {
  const { type, requestHeaderModifier, responseHeaderModifier } = filter;
  if (!known.has(type))
    return whole("InvalidFilter", `the filter ${JSON.stringify(type.slice(0, 100))} is not supported`);
  for (const set of [requestHeaderModifier, responseHeaderModifier])
    for (const { name, value } of [...(set?.set ?? []), ...(set?.add ?? [])])
      if (FORBIDDEN_IN_HEADERS.test(value))
        return whole("InvalidFilter", `the value of header ${JSON.stringify(name.slice(0, 100))} cannot be sent`);
  return null;
}

function backendFilterFault({ filters = [] }: BackendRef): RuleFault | null {
  for (const filter of filters) {
    const fault = filterFault(filter, BACKEND_FILTERS);
    if (fault !== null) return fault;
  }
  return null;
}

/** @see Gateway API, `ResolvedRefs` of routes */
function backendFault(
  world: GatewayWorld,
  route: Route,
  ref: BackendRef,
  parents: "mesh" | "gateway",
): RuleFault | null {
  const kind = kindOf(ref, { group: "", kind: "Service" });
  const own = route.metadata.namespace;
  const namespace = ref.namespace ?? own;
  const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: own };
  if (parents === "gateway" && !isReferenceAllowed(world, from, { ...kind, namespace, name: ref.name })) {
    const message = `backend ${namespace}/${ref.name} is of another namespace, and no ReferenceGrant there allows it`;
    return part("RefNotPermitted", message);
  }
  const found = existence(world, { ...ref, namespace }, kind, ref.namespace !== undefined);
  if (found?.whole === true || found?.reason === "InvalidKind") return found;
  return ref.port === undefined ? whole("InvalidDestination", `backend ${ref.name} needs a port`) : found;
}

function existence(
  world: GatewayWorld,
  { name, namespace }: { readonly name: string; readonly namespace: string },
  kind: { readonly group: string; readonly kind: string },
  saysNamespace: boolean,
): RuleFault | null {
  const missing = (what: string): RuleFault => part("BackendNotFound", `there is no ${what}`);
  if (isKind(kind, "", "Service")) {
    if (name.includes(".")) return whole("InvalidDestination", `${name} is a host name: a Service is named by its own`);
    return world.serviceLabels(`${namespace}/${name}`) === undefined ? missing(`Service ${namespace}/${name}`) : null;
  }
  if (isKind(kind, "networking.istio.io", "Hostname")) {
    if (saysNamespace) return whole("InvalidDestination", `a host name like ${name} takes no namespace`);
    return world.hasHost(name, namespace) ? null : missing(`host ${name}`);
  }
  // An imported service stands for the Service of its name.
  if (isKind(kind, "multicluster.x-k8s.io", "ServiceImport"))
    return world.serviceLabels(`${namespace}/${name}`) === undefined ? missing(`Service ${namespace}/${name}`) : null;
  return part("InvalidKind", `nothing is sent to a ${kind.kind} of group "${kind.group}"`);
}
