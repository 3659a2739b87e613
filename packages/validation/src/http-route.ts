import type {
  CorsPolicy,
  Destination,
  DirectResponse,
  Headers,
  HttpFault,
  HttpMatch,
  HttpRedirect,
  HttpRetry,
  HttpRewrite,
  HttpRoute,
  Percentage,
} from "@lateen/resources";
import { subsetProblem } from "./destination-rule.ts";
import { durationProblem, secondsProblem } from "./durations.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { checkGatewayNames } from "./gateway-names.ts";
import { checkHeaders, corsHeaderNameProblem, isAuthority, matchedHeaderProblem } from "./http-headers.ts";
import { isDnsLabel, labelsProblemOf, portProblem, wildcardDomainProblem } from "./names.ts";
import { checkStringMatch, regexProblem } from "./string-match.ts";

/** @param o.isDelegate whether the VirtualService has no hosts, so that others refer to its routes @see l7 2.3, 2.7 */
export function checkHttpRoute(route: HttpRoute, f: Findings, o: { readonly isDelegate: boolean }): void {
  checkActions(route, f, o);
  forEachOf(route.match, f.at("match"), (match, at) => {
    if (match !== null) checkMatch(match, at);
  });
  checkHeaders(route.headers, f.at("headers"));
  checkCors(route.corsPolicy, f.at("corsPolicy"));
  checkFault(route.fault, f.at("fault"));
  checkMirrors(route, f);
  checkRedirect(route.redirect, f.at("redirect"), route.match ?? []);
  checkDirectResponse(route.directResponse, f.at("directResponse"));
  checkRetry(route.retries, f.at("retries"));
  checkRewrite(route.rewrite, f.at("rewrite"));
  checkAuthority(route.rewrite, route.headers, f);
  checkWeights(route.route, f.at("route"));
  forEachOf(route.route, f.at("route"), (to, at) => checkHeaders(to.headers, at.at("headers")));
  f.at("timeout").check(durationProblem(route.timeout));
}

/** What becomes of a request is said once. */
function checkActions(route: HttpRoute, f: Findings, o: { readonly isDelegate: boolean }): void {
  const { redirect, directResponse, delegate } = route;
  const to = route.route ?? [];
  if (delegate !== undefined && !o.isDelegate) {
    if (redirect !== undefined) f.at("redirect").error("cannot be set together with delegate");
    if (route.route !== undefined) f.at("route").error("cannot be set together with delegate");
    return;
  }
  if (delegate !== undefined) f.at("delegate").error("cannot stand in what is delegated to");
  const [action, name] = redirect === undefined ? [directResponse, "directResponse"] : [redirect, "redirect"];
  if (action === undefined) {
    if (to.length === 0) f.error("needs a route, a redirect or a directResponse");
  } else {
    if (to.length > 0) f.at("route").error(`cannot be set together with ${name}`);
    if (route.fault !== undefined) f.at("fault").error(`cannot be set together with ${name}`);
    if (route.rewrite !== undefined) f.at("rewrite").error(`cannot be set together with ${name}`);
    if (redirect !== undefined && directResponse !== undefined)
      f.at("directResponse").error("cannot be set together with redirect");
  }
  if (route.mirror !== undefined && (route.mirrors?.length ?? 0) > 0)
    f.at("mirrors").error("cannot be set together with mirror");
}

function checkMatch(match: HttpMatch, f: Findings): void {
  for (const [name, value] of Object.entries(match.headers ?? {})) {
    f.at("headers", name).check(matchedHeaderProblem(name));
    checkStringMatch(value, f.at("headers", name));
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {})) {
    f.at("withoutHeaders", name).check(matchedHeaderProblem(name));
    // `*` is no regular expression here: it stands for "is there".
    if (value.regex !== "*") checkStringMatch(value, f.at("withoutHeaders", name));
  }
  checkStringMatch(match.uri, f.at("uri"), { emptyPrefix: true });
  for (const field of ["scheme", "method", "authority"] as const) checkStringMatch(match[field], f.at(field));
  for (const [name, value] of Object.entries(match.queryParams ?? {}))
    checkStringMatch(value, f.at("queryParams", name));
  if (match.port !== undefined && match.port !== 0) f.at("port").check(portProblem(match.port));
  f.at("sourceLabels").check(labelsProblemOf(match.sourceLabels));
  checkGatewayNames(match.gateways, f.at("gateways"));
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== "")
    f.at("sourceNamespace").require(isDnsLabel(match.sourceNamespace), "is not the name of a namespace");
}

const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"],
]);

function checkCors(cors: CorsPolicy | undefined, f: Findings): void {
  if (cors === undefined) return;
  forEachOf(cors.allowOrigins, f.at("allowOrigins"), (origin, at) => {
    if ((origin.exact ?? origin.prefix ?? origin.regex ?? "") === "") at.error("must match something");
    else if (origin.regex !== undefined) at.at("regex").check(regexProblem(origin.regex));
  });
  forEachOf(cors.allowMethods, f.at("allowMethods"), (method, at) =>
    at.require(METHODS.has(method), `${quoted(method)} is not a method of HTTP`),
  );
  for (const field of ["allowHeaders", "exposeHeaders"] as const)
    forEachOf(cors[field], f.at(field), (name, at) => at.check(corsHeaderNameProblem(name)));
  f.at("maxAge").check(secondsProblem(cors.maxAge));
}

const GRPC_STATUSES: ReadonlySet<string> = new Set([
  ...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
  ...["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"],
  ...["INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"],
]);
const SMALLEST_PERCENTAGE = 0.0001;

/** Of answers that a proxy gives itself; 600 is taken as Istio takes it. */
export const httpStatusProblem = (status: number): string | null =>
  status >= 200 && status <= 600 ? null : `${status} is not a status of an answer: it must be 200 to 599`;

function percentageProblem(percentage: Percentage | undefined): string | null {
  const n = percentage?.value ?? 0;
  if (n === 0 || (n >= SMALLEST_PERCENTAGE && n <= 100)) return null;
  return `${n} is not a percentage: it must be 0, or ${SMALLEST_PERCENTAGE} to 100`;
}

function checkFault(fault: HttpFault | undefined, f: Findings): void {
  if (fault === undefined) return;
  const { abort, delay } = fault;
  if (abort === undefined && delay === undefined) f.error("needs an abort or a delay");
  if (abort !== undefined) {
    const at = f.at("abort");
    at.at("percentage").check(percentageProblem(abort.percentage));
    if (abort.grpcStatus !== undefined)
      at.at("grpcStatus").require(
        GRPC_STATUSES.has(abort.grpcStatus),
        `${quoted(abort.grpcStatus)} is no status of gRPC`,
      );
    else if (abort.http2Error !== undefined) at.at("http2Error").error("is not supported");
    else if (abort.httpStatus !== undefined) at.at("httpStatus").check(httpStatusProblem(abort.httpStatus));
    else at.warn("does nothing: it says no status");
  }
  if (delay === undefined) return;
  const at = f.at("delay");
  at.at("percentage").check(percentageProblem(delay.percentage));
  at.at("fixedDelay").check(durationProblem(delay.fixedDelay));
  if (delay.exponentialDelay !== undefined) at.at("exponentialDelay").error("is not supported");
}

export function checkDestination(destination: Destination | undefined, f: Findings): void {
  if (destination === undefined) return;
  const { host, subset, port } = destination;
  f.at("host").check(host === "*" ? 'cannot be "*": it must name one service' : wildcardDomainProblem(host));
  if (subset !== undefined && subset !== "") f.at("subset").check(subsetProblem(subset));
  if (port !== undefined) f.at("port", "number").check(portProblem(port.number ?? 0));
}

function checkMirrors(route: HttpRoute, f: Findings): void {
  const { mirror_percent: older } = route;
  const percent = route.mirrorPercent ?? older ?? null;
  if (percent !== null) {
    f.at("mirrorPercent").warn("is no longer used: set mirrorPercentage");
    f.at("mirrorPercent").require(percent <= 100, `${percent} is not a percentage`);
  }
  const inRange = ({ value = 0 }: Percentage, at: Findings): void =>
    at.require(value >= 0 && value <= 100, `${value} is not a percentage`);
  if (route.mirrorPercentage !== undefined) inRange(route.mirrorPercentage, f.at("mirrorPercentage"));
  checkDestination(route.mirror, f.at("mirror"));
  forEachOf(route.mirrors, f.at("mirrors"), ({ destination, percentage }, at) => {
    checkDestination(destination, at.at("destination"));
    if (percentage !== undefined) inRange(percentage, at.at("percentage"));
  });
}

function checkRedirect(redirect: HttpRedirect | undefined, f: Findings, matches: readonly (HttpMatch | null)[]): void {
  if (redirect === undefined) return;
  const { uri = "", prefixRewrite = "", authority = "", scheme = "", port, derivePort, redirectCode = 0 } = redirect;
  if (uri !== "" && prefixRewrite !== "") f.at("prefixRewrite").error("cannot be set together with uri");
  const byPrefix = matches.every((m) => m?.uri === undefined || m.uri.prefix !== undefined);
  if (prefixRewrite !== "" && !byPrefix) f.at("prefixRewrite").error("needs every match of the path to be by prefix");
  if (`${uri}${prefixRewrite}${authority}${scheme}` === "" && port === undefined && derivePort === undefined)
    f.error("must change something: uri, prefixRewrite, authority, scheme or port");
  if (redirectCode !== 0)
    f.at("redirectCode").require(
      redirectCode >= 300 && redirectCode <= 399,
      `${redirectCode} is no code of a redirect`,
    );
  f.at("scheme").require(["", "http", "https"].includes(scheme), "must be http or https");
  if (port !== undefined && port !== 0) f.at("port").check(portProblem(port));
}

const KIB = 1_024;

function checkDirectResponse(response: DirectResponse | undefined, f: Findings): void {
  if (response === undefined) return;
  f.at("status").check(httpStatusProblem(response.status));
  const { string, bytes } = response.body ?? {};
  const size =
    string === undefined ? Math.floor(((bytes ?? "").replace(/=+$/, "").length * 3) / 4) : utf8Length(string);
  const at = f.at("body");
  if (size > KIB * KIB) at.error("is larger than 1 MiB");
  else if (size > 100 * KIB) at.warn("is large: every proxy keeps it in memory");
}

/** Bytes of a text in UTF-8. */
function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return length;
}

const RETRY_ON: ReadonlySet<string> = new Set([
  ...["5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream"],
  ...["retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure"],
  ...["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"],
]);
/** Those that are registered, which is what Istio takes for a status here. */
const isRegisteredStatus = (text: string): boolean => /^[+]?0*\d{3}$/.test(text) && REGISTERED.has(Number(text));
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
const REGISTERED: ReadonlySet<number> = new Set([
  ...range(100, 103),
  ...range(200, 208),
  226,
  ...range(300, 305),
  ...[307, 308],
  ...range(400, 418),
  ...range(421, 426),
  ...[428, 429, 431, 451],
  ...range(500, 508),
  ...[510, 511],
]);

export function checkRetry(retry: HttpRetry | undefined, f: Findings): void {
  if (retry === undefined) return;
  const { attempts = 0, retryOn = "" } = retry;
  if (attempts < 0) f.at("attempts").error("must not be negative");
  // null counts as not there
  const says = [retry.perTryTimeout, retryOn === "" ? undefined : retryOn, retry.retryRemoteLocalities ?? undefined];
  if (attempts === 0 && says.some((s) => s !== undefined)) f.error("says how to retry and, by attempts, not to");
  f.at("perTryTimeout").check(durationProblem(retry.perTryTimeout));
  f.at("backoff").check(durationProblem(retry.backoff));
  if (retryOn === "") return;
  for (const on of retryOn.split(","))
    f.at("retryOn").require(RETRY_ON.has(on) || isRegisteredStatus(on), `${quoted(on)} is nothing to retry on`);
}

function checkRewrite(rewrite: HttpRewrite | undefined, f: Findings): void {
  if (rewrite === undefined) return;
  const { uri = "", authority = "", uriRegexRewrite: regex } = rewrite;
  if (uri !== "" && regex !== undefined) f.at("uriRegexRewrite").error("cannot be set together with uri");
  if (uri === "" && authority === "" && regex === undefined)
    f.error("must change something: uri, uriRegexRewrite or authority");
  if (regex !== undefined) checkRegexRewrite(regex, f.at("uriRegexRewrite"));
}

function checkRegexRewrite(regex: NonNullable<HttpRewrite["uriRegexRewrite"]>, f: Findings): void {
  const { match = "", rewrite = "" } = regex;
  if (rewrite === "") f.at("rewrite").error("is missing");
  f.at("match").check(match === "" ? "is missing" : regexProblem(match));
}

/** The authority is rewritten in one place. */
function checkAuthority(rewrite: HttpRewrite | undefined, headers: Headers | undefined, f: Findings): void {
  let set = (rewrite?.authority ?? "") !== "";
  for (const field of ["set", "add"] as const)
    for (const [name, value] of Object.entries(headers?.request?.[field] ?? {})) {
      if (!isAuthority(name)) continue;
      if (set) f.at("headers", "request", field, name).error("sets the authority a second time");
      set ||= value !== "";
    }
}

/** Destinations of a route and their shares. */
export function checkWeights(
  to: readonly { readonly destination: Destination; readonly weight?: number | undefined }[] | undefined,
  f: Findings,
): void {
  forEachOf(to, f, ({ destination, weight = 0 }, at) => {
    checkDestination(destination, at.at("destination"));
    at.at("weight").require(weight >= 0, "must not be negative");
  });
  const total = (to ?? []).reduce((sum, { weight = 0 }) => sum + weight, 0);
  if ((to?.length ?? 0) > 1 && total === 0) f.error("the weights add up to 0, so nothing would go anywhere");
}
