import { verifyClientIdentity } from "@lateen/certificates";
import type { SecureStream, SocketStream } from "@lateen/datapath";
import { type ConnectRequest, type HeaderField, hboneServer } from "@lateen/hbone";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import type { Connection } from "@lateen/policy";
import {
  type InboundTarget,
  type Workload,
  buildBaggage,
  isFromOtherNetwork,
  parseForwardedHost,
  resolveInbound,
} from "@lateen/workload-model";
import { connectToApplication, noWorkload, refuseByPolicy } from "./inbound-plaintext.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./limits.ts";
import { OpenConnection, earlyDeny } from "./open-connection.ts";
import type { PodProxy } from "./pod-proxy.ts";
import { proxyHeader } from "./proxy-header.ts";

/** One accepted HBONE connection: whose it is, and who is at its other end. */
interface Tunnel {
  readonly proxy: PodProxy;
  readonly stream: SocketStream;
  readonly peer: SpiffeIdentity;
  readonly spoofs: boolean;
}

/** Accepts a connection on 15008 (dataplane 6.5): mutual TLS as this pod's identity, then CONNECT requests. */
export function acceptHbone(proxy: PodProxy, stream: SocketStream, spoofs: boolean): void {
  const pod = proxy.context;
  const deny = (why: string): void => {
    earlyDeny(pod, { direction: "inbound", src: stream.remote, dst: stream.local }, why);
    stream.abort();
  };
  pod.whenWorkload((own) => {
    if (own === null) return deny(noWorkload(pod));
    pod.thread.credentials.get(formatIdentity(own.identity), (credentials) => {
      if (!credentials.ok) return deny(credentials.error.message);
      let peer: SpiffeIdentity | null = null;
      pod.thread.path.secure(
        stream,
        {
          role: "server",
          credentials: credentials.value,
          alpn: "h2",
          timeoutMs: HANDSHAKE_TIMEOUT_MS,
          verifyPeer: (chain) => {
            const verdict = verifyClientIdentity(chain, own.identity.trustDomain);
            if (verdict.ok) peer = verdict.value;
            return verdict.ok ? null : verdict.error.message;
          },
        },
        (secured) => {
          if (!secured.ok || peer === null) return deny(secured.ok ? "tls error: no identity" : secured.error.message);
          serve({ proxy, stream, peer, spoofs }, secured.value);
        },
      );
    });
  });
}

function serve(tunnel: Tunnel, secured: SecureStream): void {
  const { proxy } = tunnel;
  const server = hboneServer(
    secured,
    {
      trust: "authenticated",
      nowMs: proxy.context.thread.path.nowMs(),
      onClosed: () => proxy.tunnels.ended(server),
    },
    (request) => onConnect(tunnel, request),
  );
  proxy.tunnels.accepted(server);
}

const header = (headers: readonly HeaderField[], name: string): string | null =>
  headers.find(([key]) => key === name)?.[1] ?? null;

function onConnect(tunnel: Tunnel, request: ConnectRequest): void {
  const { proxy, stream } = tunnel;
  const pod = proxy.context;
  const { workloads, config } = pod.thread;
  const own = pod.workload();
  const deny = (status: number, why: string): void => {
    earlyDeny(pod, { direction: "inbound", src: stream.remote, dst: stream.local }, why);
    request.refuse(status);
  };
  if (own === null) return deny(503, noWorkload(pod));
  const target = resolveInbound(workloads, {
    own,
    authority: request.authority,
    localIp: stream.local.ip,
    loopbackTunnel: config.localhostAppTunnel,
  });
  if (target.t === "refuse") return deny(target.status, target.error);
  admit(tunnel, request, own, target);
}

function admit(tunnel: Tunnel, request: ConnectRequest, own: Workload, target: InboundTarget): void {
  const { proxy, stream, peer } = tunnel;
  const pod = proxy.context;
  const judged: Connection = { identity: peer, source: stream.remote, destination: target.destination };
  const connection = open(tunnel, request, own, target, judged);
  if (refuseByPolicy(pod, connection, judged)) return request.refuse(401);
  let upstreamAbort = connectToApplication(
    pod,
    { to: target.dial, peer: target.fromLoopback ? target.dial : stream.remote, spoofs: tunnel.spoofs },
    (result) => {
      upstreamAbort = () => {};
      if (!result.ok) {
        connection.fail({ flag: "CONNECT", error: `connection failed: ${result.error.message}`, refusedBy: null });
        return request.refuse(503);
      }
      // A policy change may have closed the connection while the application was being dialled.
      if (connection.over) {
        result.value.abort();
        return request.refuse(401);
      }
      const downstream = request.accept(pod.thread.config.responseBaggage ? [["baggage", buildBaggage(own)]] : []);
      if (target.proxyDestination !== null)
        result.value.write(
          proxyHeader({ source: stream.remote, destination: target.proxyDestination, identity: formatIdentity(peer) }),
        );
      connection.carry(downstream, result.value);
    },
  );
  request.onAbandoned = () => {
    upstreamAbort();
    connection.fail({ flag: "CONNECT", error: "connection failed: the client gave up", refusedBy: null });
  };
}

function open(
  tunnel: Tunnel,
  request: ConnectRequest,
  own: Workload,
  target: InboundTarget,
  judged: Connection,
): OpenConnection {
  const { stream, peer } = tunnel;
  const { workloads, config } = tunnel.proxy.context.thread;
  const forwardedHost = parseForwardedHost(header(request.headers, "forwarded"));
  const foreign = isFromOtherNetwork(header(request.headers, "x-forwarded-network"), config.network);
  const service = target.service ?? workloads.serviceOf(own, target.destination.port, forwardedHost);
  return new OpenConnection(
    tunnel.proxy.context,
    {
      direction: "inbound",
      src: stream.remote,
      srcWorkload: foreign ? null : workloads.workloadByIp(config.network, stream.remote.ip),
      srcIdentity: peer,
      dst: stream.local,
      hboneAuthority: request.authority,
      dstService: service,
      dstWorkload: own,
      dstIdentity: own.identity,
    },
    { downstream: null, judged, originalDst: forwardedHost ?? target.destination },
  );
}
