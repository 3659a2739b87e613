import type { GatewayServer, IstioGatewaySpec } from "@lateen/resources";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { SOCKET, ipProblem, isDnsLabel, portProblem, scopedHostProblem, socketProblem } from "./names.ts";
import type { ObjectContext } from "./object-context.ts";
import { isHttp, isKnownProtocol, isTls } from "./protocols.ts";
import { checkServerTls } from "./server-tls.ts";

/** Set by a control plane on what it makes of a Gateway of the Gateway API. */
const FROM_GATEWAY_API = "internal.istio.io/gateway-semantics";

/** Istio's own Gateway. */
export function checkIstioGateway(spec: IstioGatewaySpec, f: Findings, object: ObjectContext): void {
  const fromGatewayApi = object.annotations[FROM_GATEWAY_API] === "gateway";
  if (!fromGatewayApi && !isDnsLabel(object.name)) f.error(`${quoted(object.name)} is not the name of a gateway`);
  if ((spec.servers ?? []).length === 0) f.at("servers").error("needs a server");
  const names = new Set<string>();
  forEachOf(spec.servers, f.at("servers"), (server, at) => {
    checkServer(server, at, { fromGatewayApi, release: object.release });
    const { name, protocol } = server.port;
    if (names.has(name)) at.at("port", "name").error(`${quoted(name)} stands twice`);
    names.add(name);
    if (!isHttp(protocol) && server.tls?.httpsRedirect === true)
      at.at("tls", "httpsRedirect").warn("is for ports of plain HTTP");
  });
}

function checkServer(
  server: GatewayServer,
  f: Findings,
  o: { readonly fromGatewayApi: boolean; readonly release: ObjectContext["release"] },
): void {
  const { port, tls, bind = "", hosts } = server;
  if (hosts.length === 0) f.at("hosts").error("needs a host");
  forEachOf(hosts, f.at("hosts"), (host, at) =>
    at.check(scopedHostProblem(host, { of: "gateway", fromGatewayApi: o.fromGatewayApi })),
  );
  checkPort(port, f.at("port"), bind);
  if (bind.startsWith(SOCKET)) {
    f.at("bind").check(socketProblem(bind.slice(SOCKET.length)));
    if (port.number !== 0) f.at("port", "number").error("must be 0 for a Unix socket");
  } else if (bind !== "") f.at("bind").check(ipProblem(bind));
  checkServerTls(tls, f.at("tls"), o);
  if (!isKnownProtocol(port.protocol)) return;
  if (isTls(port.protocol)) {
    if (tls === undefined) f.at("tls").error(`is missing, which ${port.protocol} needs`);
  } else if (tls !== undefined && !(isHttp(port.protocol) && onlyRedirects(tls)))
    f.at("tls").error(`cannot be set for ${port.protocol}, which is not encrypted`);
}

/** On a plain port TLS can only say that requests are sent elsewhere. */
function onlyRedirects(tls: NonNullable<GatewayServer["tls"]>): boolean {
  const passes = tls.mode === undefined || tls.mode === "PASSTHROUGH" || tls.mode === "AUTO_PASSTHROUGH";
  return passes && [tls.caCertificates, tls.privateKey, tls.serverCertificate].every((file) => (file ?? "") === "");
}

function checkPort(port: GatewayServer["port"], f: Findings, bind: string): void {
  f.at("protocol").require(isKnownProtocol(port.protocol), `${quoted(port.protocol)} is not a protocol of a port`);
  if (port.number > 0 || !bind.startsWith(SOCKET)) f.at("number").check(portProblem(port.number));
  if ((port.targetPort ?? 0) > 0) f.at("targetPort").error("has no effect at a gateway");
  f.at("name").require(port.name !== "", "must not be empty");
}
