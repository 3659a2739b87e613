import type { SidecarEgress, SidecarIngress, SidecarPort, SidecarSpec } from "@lateen/resources";
import { checkLabelsSelector } from "./attachment.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { checkDestination } from "./http-route.ts";
import {
  SOCKET,
  domainProblem,
  ipProblem,
  portNameProblem,
  portProblem,
  scopedHostProblem,
  socketProblem,
} from "./names.ts";
import type { ObjectContext } from "./object-context.ts";
import { isHttp, isTls, protocolProblem } from "./protocols.ts";
import { checkServerTls } from "./server-tls.ts";
import { checkConnectionPool } from "./traffic-policy.ts";

/** Stored, checked and without effect in ambient. @see l7 4.2 */
export function checkSidecar(spec: SidecarSpec, f: Findings, object: ObjectContext): void {
  checkLabelsSelector(spec.workloadSelector, f.at("workloadSelector"));
  const { ingress = [], egress = [], outboundTrafficPolicy: outbound } = spec;
  if (ingress.length + egress.length === 0 && outbound === undefined && spec.inboundConnectionPool === undefined)
    return f.error("must not be empty");
  const ports = new Set<number>();
  forEachOf(ingress, f.at("ingress"), (listener, at) => {
    const { number = 0 } = listener.port;
    if (ports.has(number)) at.at("port", "number").error(`${number} stands twice`);
    ports.add(number);
    checkIngress(listener, at, object);
  });
  checkConnectionPool(spec.inboundConnectionPool, f.at("inboundConnectionPool"));
  checkEgress(egress, f.at("egress"), object);
  checkOutbound(outbound, f.at("outboundTrafficPolicy"));
}

function checkPort(port: SidecarPort, f: Findings): void {
  if ((port.targetPort ?? 0) > 0) f.at("targetPort").error("has no effect in a Sidecar");
  if (port.name !== undefined && port.name !== "") f.at("name").check(portNameProblem(port.name));
  f.at("protocol").check(protocolProblem(port.protocol));
}

function checkIngress(listener: SidecarIngress, f: Findings, object: ObjectContext): void {
  const { port, bind = "", defaultEndpoint = "", tls, connectionPool } = listener;
  checkPort(port, f.at("port"));
  f.at("port", "number").check(portProblem(port.number ?? 0));
  if (bind !== "") f.at("bind").check(ipProblem(bind));
  if (defaultEndpoint !== "") f.at("defaultEndpoint").check(endpointProblem(defaultEndpoint));
  if (tls !== undefined) checkIngressTls(tls, f.at("tls"), { protocol: port.protocol, release: object.release });
  checkConnectionPool(connectionPool, f.at("connectionPool"));
  if (connectionPool?.http !== undefined && !isHttp(port.protocol))
    f.at("connectionPool", "http").warn("has no effect: the port is not HTTP");
}

const LOCAL: ReadonlySet<string> = new Set(["", "127.0.0.1", "0.0.0.0", "::1", "::"]);

/** Where the workload listens: a Unix socket, or a port of the pod itself. */
function endpointProblem(endpoint: string): string | null {
  if (endpoint.startsWith(SOCKET)) return socketProblem(endpoint.slice(SOCKET.length));
  const [, inBrackets, plain, port = ""] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(endpoint) ?? [];
  const host = inBrackets ?? plain;
  if (host === undefined || !LOCAL.has(host))
    return `${quoted(endpoint)} is no endpoint: write 127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT, [::]:PORT or unix://PATH`;
  return /^[+]?\d+$/.test(port) ? portProblem(Number(port)) : `${quoted(port)} is not a port`;
}

const NOT_HERE = ["subjectAltNames", "credentialName", "credentialNames", "tlsCertificates"] as const;

function checkIngressTls(
  tls: NonNullable<SidecarIngress["tls"]>,
  f: Findings,
  o: { readonly protocol: string | undefined; readonly release: ObjectContext["release"] },
): void {
  for (const field of NOT_HERE) if ((tls[field] ?? "").length > 0) f.at(field).error("cannot be used in a Sidecar");
  if (tls.httpsRedirect === true) f.at("httpsRedirect").error("cannot be used in a Sidecar");
  if (tls.mode === "ISTIO_MUTUAL" || tls.mode === "AUTO_PASSTHROUGH")
    f.at("mode").error(`cannot be ${tls.mode} in a Sidecar`);
  if (!isTls(o.protocol)) f.error("needs a port of HTTPS or TLS");
  checkServerTls(tls, f, o);
}

function checkEgress(egress: readonly SidecarEgress[], f: Findings, object: ObjectContext): void {
  const ports = new Set<number>();
  const sockets = new Set<string>();
  forEachOf(egress, f, (listener, at, i) => {
    const { port, bind = "" } = listener;
    if (port === undefined) {
      if (i < egress.length - 1) at.error("without a port it must be the last");
    } else {
      checkEgressPort(port, at, listener);
      const number = port.number ?? 0;
      if (number === 0 ? sockets.has(bind) : ports.has(number))
        at.at("port").error(`${number === 0 ? quoted(bind) : number} stands twice`);
      if (number === 0) sockets.add(bind);
      else ports.add(number);
    }
    checkEgressHosts(listener.hosts, at.at("hosts"), object.namespace);
  });
}

function checkEgressPort(port: SidecarPort, f: Findings, { bind = "", captureMode }: SidecarEgress): void {
  checkPort(port, f.at("port"));
  if ((port.number ?? 0) !== 0) {
    f.at("port", "number").check(portProblem(port.number ?? 0));
    if (bind !== "") f.at("bind").check(ipProblem(bind));
    return;
  }
  f.at("bind").check(
    bind.startsWith(SOCKET) ? socketProblem(bind.slice(SOCKET.length)) : "must be a Unix socket for port 0",
  );
  if (captureMode === "IPTABLES") f.at("captureMode").error("cannot be IPTABLES for a Unix socket");
}

function checkEgressHosts(hosts: readonly string[], f: Findings, own: string): void {
  if (hosts.length === 0) f.error("needs a host");
  const seen = new Map<string, Set<string>>();
  forEachOf(hosts, f, (text, at) => {
    at.check(scopedHostProblem(text, { of: "sidecar" }));
    const slash = text.indexOf("/");
    if (slash < 0 || text.startsWith("~")) return;
    const namespace = text.slice(0, slash) === "." ? own : text.slice(0, slash);
    const host = text.slice(slash + 1);
    const others = seen.get(namespace) ?? new Set<string>();
    if (host === "*" ? others.size > 0 : others.has(host) || others.has("*"))
      at.warn(`${quoted(text)} says what another entry says`);
    seen.set(namespace, others.add(host));
  });
  if (seen.get("*")?.has("*") === true && seen.size > 1)
    f.warn('"*/*" is everything: nothing needs to stand beside it');
}

function checkOutbound(policy: SidecarSpec["outboundTrafficPolicy"], f: Findings): void {
  const proxy = policy?.egressProxy;
  if (proxy === undefined) return;
  const at = f.at("egressProxy");
  if (policy?.mode !== "ALLOW_ANY") return at.error("needs the mode ALLOW_ANY");
  at.at("host").check(domainProblem(proxy.host));
  if (proxy.port === undefined) return at.at("port").error("is missing");
  checkDestination(proxy, at);
}
