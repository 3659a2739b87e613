import { isWildcard } from "@lateen/hostnames";
import type { ServiceEntrySpec, WorkloadEntrySpec } from "@lateen/resources";
import { parseProtocol } from "@lateen/translation";
import { checkLabelsSelector } from "./attachment.ts";
import { checkExportTo } from "./export-to.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import {
  domainProblem,
  isIpAddress,
  labelsProblemOf,
  partialWildcardProblem,
  portNameProblem,
  subnetProblem,
  wildcardDomainProblem,
} from "./names.ts";
import type { ObjectContext } from "./object-context.ts";
import { isHttp, isTcp, isTls, protocolProblem } from "./protocols.ts";
import { checkEndpointPorts, checkWorkloadEntry } from "./workload-entry.ts";

/** @see l7 4.1, control-plane 2.6 */
export function checkServiceEntry(spec: ServiceEntrySpec, f: Findings, object: ObjectContext): void {
  checkLabelsSelector(spec.workloadSelector, f.at("workloadSelector"));
  forEachOf(spec.hosts, f.at("hosts"), (host, at) => {
    at.check(wildcardDomainProblem(host));
    const partial = spec.resolution === "DYNAMIC_DNS" ? null : partialWildcardProblem(host);
    if (partial !== null) at.warn(partial);
  });
  forEachOf(spec.addresses, f.at("addresses"), (address, at) => at.check(subnetProblem(address)));
  checkPorts(spec, f.at("ports"), object);
  checkResolution(spec, f, object);
  const several = spec.resolution !== "NONE" && spec.hosts.length > 1;
  const plain = spec.ports?.find((p) => !isHttp(p.protocol) && !isTls(p.protocol));
  if (several && plain !== undefined)
    f.at("hosts").error(`several hosts cannot be told apart on port ${plain.number}: it is neither HTTP nor TLS`);
  checkExportTo(spec.exportTo, f.at("exportTo"), { namespace: object.namespace, nobody: true });
}

function checkPorts(spec: ServiceEntrySpec, f: Findings, object: ObjectContext): void {
  const reached = (spec.addresses?.length ?? 0) > 0 || hasAutomaticAddress(spec, object);
  forEachOf(spec.ports, f, (port, at) => {
    at.at("name").check(portNameProblem(port.name));
    at.at("protocol").check(protocolProblem(port.protocol));
    const plain = port.protocol === undefined || port.protocol === "" || port.protocol === "TCP";
    if (plain && !reached)
      at.warn("a TCP port needs addresses of the entry: none are given, and none will be allocated");
  });
}

/** @see control-plane 2.8 */
function hasAutomaticAddress(spec: ServiceEntrySpec, { labels }: ObjectContext): boolean {
  return spec.resolution !== "NONE" && labels["networking.istio.io/enable-autoallocate-ip"]?.toLowerCase() !== "false";
}

function checkResolution(spec: ServiceEntrySpec, f: Findings, object: ObjectContext): void {
  const names = new Set((spec.ports ?? []).map((p) => p.name));
  switch (spec.resolution) {
    case "NONE":
      if (spec.workloadSelector !== undefined && object.release !== "1.21")
        f.at("workloadSelector").warn("has no effect with resolution NONE");
      return;
    case "STATIC":
      forEachOf(spec.endpoints, f.at("endpoints"), (e, at) => checkWorkloadEntry(e, at, { names, addresses: "IP" }));
      return;
    case "DNS":
    case "DNS_ROUND_ROBIN":
      return checkDns(spec, f, names);
    case "DYNAMIC_DNS":
      return checkDynamicDns(spec, f, object);
  }
}

function checkDns(spec: ServiceEntrySpec, f: Findings, names: ReadonlySet<string>): void {
  const endpoints = spec.endpoints ?? [];
  const unresolvable = endpoints.length === 0 ? spec.hosts.findIndex((host) => domainProblem(host) !== null) : -1;
  if (unresolvable >= 0)
    f.at("hosts", unresolvable).error(`must be a whole name with resolution ${spec.resolution} and without endpoints`);
  forEachOf(endpoints, f.at("endpoints"), (e, at) => checkDnsEndpoint(e, at, names));
  const addressed = (spec.addresses?.length ?? 0) > 0;
  if (addressed && spec.hosts.length > 1 && spec.ports?.some((p) => isTcp(p.protocol)) === true)
    f.at("hosts").warn("several hosts with addresses cannot be told apart on a TCP port");
}

function checkDnsEndpoint(endpoint: WorkloadEntrySpec, f: Findings, names: ReadonlySet<string>): void {
  const address = endpoint.address ?? "";
  if (!isIpAddress(address) && domainProblem(address) !== null)
    f.at("address").error(`${quoted(address)} is neither a whole name nor an IP address`);
  f.at("labels").check(labelsProblemOf(endpoint.labels));
  checkEndpointPorts(endpoint, f, names);
}

const RESOLVED_PER_REQUEST: ReadonlySet<string> = new Set(["HTTP", "TLS", "GRPC", "HTTP2"]);

function checkDynamicDns(spec: ServiceEntrySpec, f: Findings, { labels }: ObjectContext): void {
  forEachOf(spec.hosts, f.at("hosts"), (host, at) =>
    at.require(isWildcard(host), "must begin with a wildcard with resolution DYNAMIC_DNS"),
  );
  if ((spec.addresses?.length ?? 0) > 0) f.at("addresses").error("cannot be set with resolution DYNAMIC_DNS");
  if ((spec.endpoints?.length ?? 0) > 0) f.at("endpoints").error("cannot be set with resolution DYNAMIC_DNS");
  forEachOf(spec.ports, f.at("ports"), (port, at) =>
    at
      .at("protocol")
      .require(
        RESOLVED_PER_REQUEST.has(parseProtocol(port.protocol ?? "")),
        "must be HTTP, HTTP2, GRPC or TLS with resolution DYNAMIC_DNS",
      ),
  );
  const waypoint = (labels["istio.io/use-waypoint"] ?? "").toLowerCase();
  if (spec.location === "MESH_INTERNAL" && waypoint !== "" && waypoint !== "none")
    f.at("location").error("must be MESH_EXTERNAL with resolution DYNAMIC_DNS and a waypoint");
}
