import type {
  ClientTls,
  ConnectionPool,
  LoadBalancer,
  OutlierDetection,
  PortTrafficPolicy,
  TrafficPolicy,
} from "@lateen/resources";
import { durationOrOffProblem, durationProblem } from "./durations.ts";
import { type Findings, forEachOf, quoted } from "./findings.ts";
import { checkLocalityLb, checkZoneAwareLb } from "./localities.ts";
import { domainProblem, isIpAddress, portProblem } from "./names.ts";

/** @see l7 3.2 to 3.7, 3.9 */
export function checkTrafficPolicy(
  policy: TrafficPolicy | undefined,
  f: Findings,
  o: { readonly namespace: string },
): void {
  if (policy === undefined) return;
  if (Object.values(policy).every((part) => part === undefined)) return f.error("must not be empty");
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined)
    return f.error("tunnel and proxyProtocol exclude each other");
  checkParts(policy, f, o);
  forEachOf(policy.portLevelSettings, f.at("portLevelSettings"), (settings, at) => {
    const { port, ...parts } = settings;
    if (port === undefined) at.at("port").error("is missing");
    if (Object.values(parts).every((part) => part === undefined)) at.error("must set something for its port");
    else checkParts(settings, at, o);
  });
  checkTunnel(policy.tunnel, f.at("tunnel"));
}

function checkParts(policy: PortTrafficPolicy | TrafficPolicy, f: Findings, o: { readonly namespace: string }): void {
  const { outlierDetection } = policy;
  checkOutlierDetection(outlierDetection, f.at("outlierDetection"));
  checkConnectionPool(policy.connectionPool, f.at("connectionPool"));
  checkLoadBalancer(policy.loadBalancer, f.at("loadBalancer"), { outlierDetection });
  checkClientTls(policy.tls, f.at("tls"), o);
}

const TUNNELS: ReadonlySet<string> = new Set(["", "CONNECT", "POST"]);

function checkTunnel(tunnel: TrafficPolicy["tunnel"], f: Findings): void {
  if (tunnel === undefined) return;
  f.at("protocol").require(TUNNELS.has(tunnel.protocol ?? ""), "must be CONNECT or POST");
  const { targetHost } = tunnel;
  if (!isIpAddress(targetHost) && domainProblem(targetHost) !== null)
    f.at("targetHost").error(`${quoted(targetHost)} is neither a whole name nor an IP address`);
  f.at("targetPort").check(portProblem(tunnel.targetPort));
}

const percentProblem = (n = 0): string | null => (n >= 0 && n <= 100 ? null : `${n} is not a percentage`);

export function checkOutlierDetection(outlier: OutlierDetection | undefined, f: Findings): void {
  if (outlier === undefined) return;
  f.at("baseEjectionTime").check(durationProblem(outlier.baseEjectionTime));
  f.at("interval").check(durationProblem(outlier.interval));
  if ((outlier.consecutiveErrors ?? 0) !== 0)
    f.at("consecutiveErrors").warn("is no longer used: set consecutiveGatewayErrors or consecutive5xxErrors");
  if (outlier.splitExternalLocalOriginErrors !== true && (outlier.consecutiveLocalOriginFailures ?? 0) > 0)
    f.at("consecutiveLocalOriginFailures").error("needs splitExternalLocalOriginErrors");
  f.at("maxEjectionPercent").check(percentProblem(outlier.maxEjectionPercent));
  f.at("minHealthPercent").check(percentProblem(outlier.minHealthPercent));
}

const COUNTS = [
  ...["http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "maxConcurrentStreams"],
] as const;

export function checkConnectionPool(pool: ConnectionPool | undefined, f: Findings): void {
  if (pool === undefined) return;
  const { http, tcp } = pool;
  if (http === undefined && tcp === undefined) return f.error("must not be empty");
  if (http !== undefined) checkHttpPool(http, f.at("http"));
  if (tcp === undefined) return;
  const at = f.at("tcp");
  at.at("maxConnections").require((tcp.maxConnections ?? 0) >= 0, "must not be negative");
  at.at("connectTimeout").check(durationProblem(tcp.connectTimeout));
  at.at("maxConnectionDuration").check(durationProblem(tcp.maxConnectionDuration));
  at.at("idleTimeout").check(durationOrOffProblem(tcp.idleTimeout));
  at.at("tcpKeepalive", "time").check(durationProblem(tcp.tcpKeepalive?.time));
  at.at("tcpKeepalive", "interval").check(durationProblem(tcp.tcpKeepalive?.interval));
}

function checkHttpPool(http: NonNullable<ConnectionPool["http"]>, f: Findings): void {
  for (const field of COUNTS)
    f.at(field).require(
      ((http as Readonly<Record<string, number | undefined>>)[field] ?? 0) >= 0,
      "must not be negative",
    );
  f.at("idleTimeout").check(durationProblem(http.idleTimeout));
  if (http.h2UpgradePolicy === "UPGRADE" && http.useClientProtocol === true)
    f.at("useClientProtocol").error("cannot be set together with h2UpgradePolicy UPGRADE");
  const keepAlive = http.http2KeepAlive;
  if (keepAlive === undefined) return;
  for (const field of ["interval", "timeout"] as const)
    f.at("http2KeepAlive", field).check(
      keepAlive[field] === undefined ? "is missing" : durationProblem(keepAlive[field]),
    );
}

/** Of Envoy: the largest prime that it takes. */
const MAX_TABLE = 5_000_011;

export function checkLoadBalancer(
  lb: LoadBalancer | undefined,
  f: Findings,
  o: { readonly outlierDetection: OutlierDetection | undefined },
): void {
  if (lb === undefined) return;
  if (lb.consistentHash !== undefined) checkConsistentHash(lb.consistentHash, f.at("consistentHash"));
  if (lb.localityLbSetting !== undefined && lb.zoneAwareLbSetting !== undefined)
    f.error("localityLbSetting and zoneAwareLbSetting exclude each other");
  checkLocalityLb(lb.localityLbSetting, f.at("localityLbSetting"), o);
  checkZoneAwareLb(lb.zoneAwareLbSetting, f.at("zoneAwareLbSetting"), o);
  const { warmup } = lb;
  if (warmup === undefined) return;
  f.at("warmup", "duration").check(durationProblem(warmup.duration));
  if (typeof warmup.aggression === "number")
    f.at("warmup", "aggression").require(warmup.aggression > 0, "must be greater than 0");
}

function checkConsistentHash(hash: NonNullable<LoadBalancer["consistentHash"]>, f: Findings): void {
  const { httpCookie, maglev, minimumRingSize = 0 } = hash;
  if (httpCookie !== undefined) checkCookie(httpCookie, f.at("httpCookie"));
  if (minimumRingSize !== 0) {
    f.at("minimumRingSize").warn("is no longer used: set ringHash.minimumRingSize");
    if (hash.ringHash !== undefined || maglev !== undefined)
      f.at("minimumRingSize").error("cannot be set together with ringHash or maglev");
  }
  if (maglev === undefined) return;
  const size = maglev.tableSize ?? 0;
  f.at("maglev", "tableSize").require(
    size < MAX_TABLE && isPrime(size),
    `${size} is not the size of a table: it must be a prime below ${MAX_TABLE}`,
  );
}

function checkCookie(
  {
    name,
    attributes,
  }: { readonly name: string; readonly attributes?: readonly { readonly name: string }[] | undefined },
  f: Findings,
): void {
  f.at("name").require(name !== "", "must not be empty");
  const seen = new Set<string>();
  forEachOf(attributes, f.at("attributes"), (attribute, at) => {
    if (attribute.name === "") at.at("name").error("must not be empty");
    else if (seen.has(attribute.name)) at.at("name").error(`${quoted(attribute.name)} stands twice`);
    seen.add(attribute.name);
  });
}

/** As Envoy judges it, which takes 1 for a prime. */
function isPrime(n: number): boolean {
  if (n !== 0 && n < 4) return true;
  if (n % 2 === 0) return false;
  for (let factor = 3; factor * factor <= n && factor < MAX_TABLE; factor += 2) if (n % factor === 0) return false;
  return true;
}

const CONFIG_MAP = "configmap://";
const isSet = (text: string | undefined): boolean => text !== undefined && text !== "";

/** TLS towards a destination. @see l7 3.6 */
export function checkClientTls(tls: ClientTls | undefined, f: Findings, o: { readonly namespace: string }): void {
  if (tls === undefined) return;
  const { mode = "DISABLE", credentialName = "" } = tls;
  if (credentialName.startsWith(CONFIG_MAP)) {
    const [namespace = "", name = "", ...more] = credentialName.slice(CONFIG_MAP.length).split("/");
    if (namespace !== o.namespace || namespace === "" || name === "" || more.length > 0)
      f.at("credentialName").error(`must be ${CONFIG_MAP}NAMESPACE/NAME, of the namespace of the object`);
  }
  if (tls.insecureSkipVerify === true && (mode === "SIMPLE" || mode === "MUTUAL")) {
    const checked = isSet(tls.caCertificates) || tls.subjectAltNames !== undefined;
    // A credential of MUTUAL may hold nothing but the client's own certificate.
    if (checked || (mode === "SIMPLE" && credentialName !== ""))
      f.at("insecureSkipVerify").error("cannot be set together with what the certificate would be checked by");
  }
  if (credentialName !== "" && (mode === "SIMPLE" || mode === "MUTUAL")) {
    for (const field of ["clientCertificate", "privateKey", "caCertificates", "caCrl"] as const)
      if (isSet(tls[field])) f.at(field).error("cannot be set together with credentialName");
    return;
  }
  if (mode !== "MUTUAL") return;
  for (const field of ["clientCertificate", "privateKey"] as const)
    f.at(field).require(isSet(tls[field]), "is missing, which MUTUAL needs");
}
