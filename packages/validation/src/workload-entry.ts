import type { WorkloadEntrySpec, WorkloadGroupSpec } from "@lateen/resources";
import { type Findings, quoted } from "./findings.ts";
import {
  SOCKET,
  domainProblem,
  isIpAddress,
  labelsProblemOf,
  portNameProblem,
  portProblem,
  socketProblem,
} from "./names.ts";

/**
 * A WorkloadEntry, or an endpoint of a ServiceEntry.
 * @param o.names of the ports of its service; null where they are not known
 */
export function checkWorkloadEntry(
  spec: WorkloadEntrySpec,
  f: Findings,
  o: { readonly names: ReadonlySet<string> | null; readonly addresses: "IP" | "IP or name" },
): void {
  const address = spec.address ?? "";
  const network = spec.network ?? "";
  if (address === "" && network === "") return f.at("address").error("is missing");
  if (address === "") f.at("address").warn(`is missing: only the network ${quoted(network)} is known`);
  const socket = address.startsWith(SOCKET);
  if (socket) f.at("address").check(socketProblem(address.slice(SOCKET.length)));
  else if (address !== "" && !isIpAddress(address)) checkName(address, f.at("address"), o.addresses);
  checkEndpointPorts(spec, f, o.names);
  f.at("labels").check(labelsProblemOf(spec.labels));
  if (socket && o.names !== null && o.names.size !== 1)
    f.error("an endpoint at a Unix socket needs a service with exactly one port");
}

function checkName(address: string, f: Findings, allowed: "IP" | "IP or name"): void {
  if (allowed === "IP") f.error(`${quoted(address)} is not an IP address`);
  else if (domainProblem(address) !== null) f.error(`${quoted(address)} is neither a whole name nor an IP address`);
}

/** Ports of an endpoint carry the names of the ports of its service. */
export function checkEndpointPorts(
  { ports = {} }: WorkloadEntrySpec,
  f: Findings,
  names: ReadonlySet<string> | null,
): void {
  for (const [name, port] of Object.entries(ports)) {
    const at = f.at("ports", name);
    if (names !== null && !names.has(name)) at.error("is not the name of a port of the ServiceEntry");
    at.check(portNameProblem(name) ?? portProblem(port));
  }
}

export function checkWorkloadGroup(spec: WorkloadGroupSpec, f: Findings): void {
  f.at("metadata", "labels").check(labelsProblemOf(spec.metadata?.labels));
  const { probe } = spec;
  if (probe === undefined) return;
  const at = f.at("probe");
  // A probe by gRPC is not known to the release that this follows.
  if (probe.httpGet === undefined && probe.tcpSocket === undefined && probe.exec === undefined)
    at.error("needs a way to probe: httpGet, tcpSocket or exec");
  for (const [i, header] of (probe.httpGet?.httpHeaders ?? []).entries())
    at.at("httpGet", "httpHeaders", i, "name").require(
      /^[-A-Za-z0-9]+$/.test(header.name ?? ""),
      "is not the name of a header",
    );
  if (probe.exec !== undefined && probe.exec.command.length === 0) at.at("exec", "command").error("must not be empty");
}
