import { hostCovers, hostsOverlap } from "@lateen/hostnames";
import type { TcpMatch, TlsMatch, VirtualServiceSpec } from "@lateen/resources";
import { checkExportTo } from "./export-to.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { checkGatewayNames } from "./gateway-names.ts";
import { isClaim } from "./http-headers.ts";
import { checkHttpRoute, checkWeights } from "./http-route.ts";
import {
  gatewayDomainProblem,
  isIpAddress,
  labelsProblemOf,
  portProblem,
  subnetProblem,
  wildcardDomainProblem,
} from "./names.ts";
import type { ObjectContext } from "./object-context.ts";
import { warnOverlaps, warnUnreachable } from "./unreachable-rules.ts";

const MESH = "mesh";

/** @see l7 2.7 */
export function checkVirtualService(spec: VirtualServiceSpec, f: Findings, object: ObjectContext): void {
  const isDelegate = (spec.hosts ?? []).length === 0;
  if (isDelegate) checkDelegate(spec, f);
  checkGatewayNames(spec.gateways, f.at("gateways"));
  const atGateways = (spec.gateways ?? []).length > 0 && !spec.gateways?.includes(MESH);
  if (!atGateways) refuseClaims(spec, f.at("http"));
  checkHosts(spec, f.at("hosts"), { atGateways });
  if ([spec.http, spec.tls, spec.tcp].every((routes) => (routes ?? []).length === 0))
    f.error("needs routes: http, tls or tcp");
  forEachOf(spec.http, f.at("http"), (route, at) => checkHttpRoute(route, at, { isDelegate }));
  forEachOf(spec.tls, f.at("tls"), ({ match, route }, at) => {
    if (match.length === 0) at.at("match").error("needs a match");
    forEachOf(match, at.at("match"), (m, place) => checkTlsMatch(m, place, spec));
    checkRoute(route, at.at("route"));
  });
  forEachOf(spec.tcp, f.at("tcp"), ({ match, route }, at) => {
    forEachOf(match, at.at("match"), checkL4Match);
    checkRoute(route, at.at("route"));
  });
  checkExportTo(spec.exportTo, f.at("exportTo"), object);
  for (const field of ["http", "tcp", "tls"] as const) warnUnreachable(spec[field], f.at(field));
  warnOverlaps(spec.http, f.at("http"));
}

function checkDelegate(spec: VirtualServiceSpec, f: Findings): void {
  for (const field of ["gateways", "tls", "tcp"] as const)
    if ((spec[field] ?? []).length > 0)
      f.at(field).error("cannot be set without hosts: others refer to the http routes");
}

function refuseClaims(spec: VirtualServiceSpec, f: Findings): void {
  forEachOf(spec.http, f, (route, at) =>
    forEachOf(route.match, at.at("match"), (match, place) => {
      for (const field of ["headers", "withoutHeaders"] as const)
        for (const name of Object.keys(match?.[field] ?? {}))
          if (isClaim(name)) place.at(field, name).error("claims of tokens can be matched at gateways only");
    }),
  );
}

function checkHosts(spec: VirtualServiceSpec, f: Findings, o: { readonly atGateways: boolean }): void {
  const { hosts = [] } = spec;
  const bySni = (spec.tls ?? []).some(({ match }) => match.some((m) => m.sniHosts.length > 0));
  let valid = true;
  for (const [i, host] of hosts.entries()) {
    const wrong = o.atGateways ? gatewayDomainProblem(host, { bySni }) : wildcardDomainProblem(host);
    const everything = !o.atGateways && host === "*" ? '"*" is for routes at gateways only' : null;
    const problem = wrong !== null && isIpAddress(host) ? null : (wrong ?? everything);
    f.at(i).check(problem);
    valid &&= problem === null;
  }
  if (!valid) return;
  for (const [i, host] of hosts.entries()) {
    const other = hosts.slice(0, i).find((earlier) => hostsOverlap(earlier, host));
    if (other !== undefined) f.at(i).error(`${quoted(host)} and ${quoted(other)} overlap`);
  }
}

function checkRoute(route: Parameters<typeof checkWeights>[0], f: Findings): void {
  if ((route ?? []).length === 0) f.error("needs a destination");
  checkWeights(route, f);
}

function checkL4Match(match: TcpMatch | TlsMatch, f: Findings): void {
  forEachOf(match.destinationSubnets, f.at("destinationSubnets"), (subnet, at) => at.check(subnetProblem(subnet)));
  if (match.port !== undefined && match.port !== 0) f.at("port").check(portProblem(match.port));
  f.at("sourceLabels").check(labelsProblemOf(match.sourceLabels));
  checkGatewayNames(match.gateways, f.at("gateways"));
}

function checkTlsMatch(match: TlsMatch, f: Findings, spec: VirtualServiceSpec): void {
  if (match.sniHosts.length === 0) f.at("sniHosts").error("needs a name");
  const atGateways = !spec.gateways?.includes(MESH);
  forEachOf(match.sniHosts, f.at("sniHosts"), (host, at) => {
    const wrong = atGateways ? gatewayDomainProblem(host, { bySni: true }) : wildcardDomainProblem(host);
    if (wrong !== null && isIpAddress(host)) at.warn("is an address, which clients do not send as SNI");
    else if (wrong !== null) at.error(wrong);
    else if (!spec.hosts?.some((of) => hostCovers(of, host))) at.error(`${quoted(host)} is within none of the hosts`);
  });
  checkL4Match(match, f);
}
