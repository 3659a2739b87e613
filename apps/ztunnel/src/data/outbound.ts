import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream } from "@lateen/byte-stream";
import type { SocketStream } from "@lateen/datapath";
import { MeshError, type Result, fail } from "@lateen/errors";
import type { ConnectTarget, HeaderField } from "@lateen/hbone";
import { formatIdentity, parseIdentity } from "@lateen/identity";
import {
  type DoubleHboneRoute,
  type HboneRoute,
  type TcpRoute,
  type Workload,
  buildForwarded,
  originNetworkHeader,
  routeOutbound,
} from "@lateen/workload-model";
import type { ResponseFlag } from "./connection-facts.ts";
import { noWorkload } from "./inbound-plaintext.ts";
import { CONNECT_TIMEOUT_MS } from "./limits.ts";
import { OpenConnection, earlyDeny } from "./open-connection.ts";
import type { InnerTarget } from "./pod-tunnels.ts";
import type { ServedPod } from "./served-pod.ts";

type Route = HboneRoute | DoubleHboneRoute | TcpRoute;

/** A captured connection of the pod, with what is known of it. */
interface Outgoing {
  readonly stream: SocketStream;
  readonly dst: SocketAddress;
  readonly own: Workload;
}

/** A connection that the pod opens, redirected to us (dataplane 6.2): routed once, then tunnelled or passed on. */
export function acceptOutbound(proxy: ServedPod, stream: SocketStream): void {
  const pod = proxy.context;
  const dst = stream.originalDestination();
  const deny = (why: string): void => {
    earlyDeny(pod, { direction: "outbound", src: stream.remote, dst }, why);
    stream.abort();
  };
  pod.whenWorkload((own) => {
    if (own === null) return deny(noWorkload(pod));
    const { thread } = pod;
    const route = routeOutbound(thread.workloads, {
      source: own,
      sourceIp: stream.remote.ip,
      destination: dst,
      network: thread.config.network,
      random: thread.random,
    });
    if (route.t === "deny") return deny(route.error);
    if (route.t === "resolve")
      return deny(`no healthy upstream: ${route.hostname}: names of workloads cannot be resolved yet`);
    carry(proxy, { stream, dst, own }, route);
  });
}

function carry(proxy: ServedPod, from: Outgoing, route: Route): void {
  const connection = open(proxy, from, route);
  const done = (result: Result<ByteStream>): void => {
    if (result.ok) return connection.carry(from.stream, result.value);
    connection.fail({ flag: flagOf(result.error), error: result.error.message, refusedBy: null });
  };
  if (route.t === "tcp") return passThrough(proxy, route.to, done);
  const target = {
    as: formatIdentity(from.own.identity),
    expected: route.expected,
    to: route.to,
    from: from.stream.remote.ip,
  };
  const request: ConnectTarget = { authority: route.authority, headers: requestHeaders(proxy, from, route) };
  const inner = route.t === "hbone" ? null : innerTarget(proxy, route, request);
  connection.awaiting = { t: "answer", target: request, inner };
  if (inner === null) proxy.tunnels.connect(target, request, done);
  else proxy.tunnels.connectThrough(target, inner, request, done);
}

/** The same request again, for who is behind the gateway. */
function innerTarget(proxy: ServedPod, route: DoubleHboneRoute, { authority, headers }: ConnectTarget): InnerTarget {
  const network = originNetworkHeader(proxy.context.thread.config.network);
  return { expected: route.innerExpected, request: { authority, headers: [...headers, network] } };
}

function open(proxy: ServedPod, from: Outgoing, route: Route): OpenConnection {
  const tunnelled = route.t !== "tcp";
  return new OpenConnection(
    proxy.context,
    {
      direction: "outbound",
      src: from.stream.remote,
      srcWorkload: from.own,
      srcBaggage: null,
      srcIdentity: tunnelled ? from.own.identity : null,
      dst: route.to,
      hboneAuthority: tunnelled ? route.authority : null,
      dstService: route.service,
      dstWorkload: route.workload,
      dstIdentity: tunnelled ? peerIdentity(route) : null,
    },
    { downstream: from.stream, judged: null, originalDst: from.dst },
  );
}

function peerIdentity(route: HboneRoute | DoubleHboneRoute): Workload["identity"] | null {
  if (route.workload !== null) return route.workload.identity;
  const parsed = parseIdentity(route.expected[0] ?? "");
  return parsed.ok ? parsed.value : null;
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** Headers of every CONNECT (dataplane 5.3). */
function requestHeaders(
  proxy: ServedPod,
  from: Outgoing,
  route: HboneRoute | DoubleHboneRoute,
): readonly HeaderField[] {
  const { randomHex, baggage } = proxy.context.thread;
  const ids = randomHex(TRACE_ID_BYTES + SPAN_ID_BYTES);
  const [trace, span] = [ids.slice(0, 2 * TRACE_ID_BYTES), ids.slice(2 * TRACE_ID_BYTES)];
  return [
    ["baggage", baggage(from.own)],
    ["forwarded", buildForwarded(from.stream.remote, route.service?.hostname ?? null)],
    ["traceparent", `00-${trace}-${span}-00`],
  ];
}

function passThrough(proxy: ServedPod, to: SocketAddress, done: (result: Result<ByteStream>) => void): void {
  const { thread, netns, info } = proxy.context;
  const { mark, keepAlive } = thread.config;
  const socket = { netns, tenant: info.uid, mark, keepAlive };
  thread.path.connect({ ...socket, to, from: null, timeoutMs: CONNECT_TIMEOUT_MS }, (result) =>
    done(
      result.ok
        ? result
        : fail(new MeshError(result.error.code, `connection failed: ${result.error.message}`, {}, result.error)),
    ),
  );
}

const FLAGS: ReadonlySet<string> = new Set([
  "TLS_FAILURE",
  "H2_HANDSHAKE_FAILURE",
  "NETWORK_POLICY",
  "IDENTITY_ERROR",
  "DENY",
]);

/** What failed, as metrics name it (dataplane 11.3). */
export function flagOf(error: MeshError): ResponseFlag {
  const flag = error.facts["flag"];
  return typeof flag === "string" && FLAGS.has(flag) ? (flag as ResponseFlag) : "CONNECT";
}
