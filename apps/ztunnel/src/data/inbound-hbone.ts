import { verifyClientIdentity } from "@lateen/certificates";
import type { SecureStream, SocketStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import {
  type ConnectRequest,
  type HboneOptions,
  type HboneServer,
  type HboneSnapshot,
  type HboneStream,
  type HeaderField,
  hboneServer,
  restoreHboneServer,
} from "@lateen/hbone";
import { type SpiffeIdentity, formatIdentity } from "@lateen/identity";
import type { Connection } from "@lateen/policy";
import {
  type Baggage,
  type InboundTarget,
  type Workload,
  isFromOtherNetwork,
  parseBaggage,
  parseForwardedHost,
  resolveInbound,
} from "@lateen/workload-model";
import { connectToApplication, noWorkload, refuseByPolicy } from "./inbound-plaintext.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./limits.ts";
import { OpenConnection, earlyDeny } from "./open-connection.ts";
import type { ServedPod } from "./served-pod.ts";
import type { PodContext } from "./pod-context.ts";
import type { AcceptedTunnel } from "./pod-tunnels.ts";
import { proxyHeader } from "./proxy-header.ts";

/** One accepted HBONE connection, and whose it is. */
interface Tunnel extends AcceptedTunnel {
  readonly proxy: ServedPod;
}

/** Accepts a connection on 15008 (dataplane 6.5): mutual TLS as this pod's identity, then CONNECT requests. */
export function acceptHbone(proxy: ServedPod, stream: SocketStream, spoofs: boolean): void {
  const pod = proxy.context;
  const dst = stream.local;
  const deny = (why: string): void => {
    earlyDeny(pod, { direction: "inbound", src: stream.remote, dst }, why);
    stream.abort();
  };
  const tooMany = pod.handshakes.enter(stream.remote.ip);
  if (tooMany !== null) return deny(tooMany);
  const forget = pod.opening(() => stream.abort());
  const settle = (): void => {
    forget();
    pod.handshakes.leave(stream.remote.ip);
  };
  pod.whenWorkload((own) => {
    if (own === null) {
      settle();
      return deny(noWorkload(pod));
    }
    shakeHands(pod, stream, own, (result) => {
      settle();
      if (!result.ok) return deny(result.error.message);
      const { peer, secured } = result.value;
      if (pod.stopped) secured.abort();
      else serve({ proxy, stream: secured, peer, spoofs });
    });
  });
}

interface Secured {
  readonly peer: SpiffeIdentity;
  readonly secured: SecureStream;
}

function shakeHands(
  pod: PodContext,
  stream: SocketStream,
  own: Workload,
  done: (result: Result<Secured>) => void,
): void {
  pod.thread.credentials.get(formatIdentity(own.identity), (credentials) => {
    if (!credentials.ok) return done(credentials);
    if (pod.stopped) return done(fail(new MeshError(Code.Draining, "connection closed due to connection drain")));
    let peer: SpiffeIdentity | null = null;
    const verifyPeer = (chain: readonly Uint8Array[]): string | null => {
      const verdict = verifyClientIdentity(chain, own.identity.trustDomain);
      if (verdict.ok) peer = verdict.value;
      return verdict.ok ? null : verdict.error.message;
    };
    pod.thread.path.secure(
      stream,
      { role: "server", credentials: credentials.value, alpn: "h2", timeoutMs: HANDSHAKE_TIMEOUT_MS, verifyPeer },
      (secured) => {
        if (!secured.ok) return done(secured);
        if (peer !== null) return done(ok({ peer, secured: secured.value }));
        secured.value.abort();
        done(fail(new MeshError(Code.Denied, "tls error: no identity")));
      },
    );
  });
}

function serve(tunnel: Tunnel): void {
  const server = hboneServer(
    tunnel.stream,
    { trust: "authenticated", ...serverOptions(tunnel, () => server) },
    onRequest(tunnel),
  );
  tunnel.proxy.tunnels.accepted(server, tunnel);
}

function serverOptions({ proxy }: Tunnel, server: () => HboneServer): Omit<HboneOptions, "trust"> {
  const { path, config } = proxy.context.thread;
  return {
    limits: config.http2,
    nowMs: path.nowMs(),
    defer: (run) => path.defer(run),
    onClosed: () => proxy.tunnels.ended(server()),
  };
}

const onRequest =
  (tunnel: Tunnel) =>
  (request: ConnectRequest): void => {
    try {
      onConnect(tunnel, request);
    } catch (fault) {
      tunnel.proxy.context.thread.fault(fault);
      tunnel.stream.abort();
    }
  };

/** A tunnel of another process, before anything of it runs. */
export interface RestoredInbound {
  readonly streams: ReadonlyMap<number, HboneStream>;
  /** Treats the CONNECTs that the other process had not answered as if they came now; later ones follow. */
  start(): void;
}

/** Goes on with an accepted tunnel. Its stream stands still until `start`. */
export function restoreInbound(proxy: ServedPod, accepted: AcceptedTunnel, from: HboneSnapshot): RestoredInbound {
  const tunnel: Tunnel = { proxy, ...accepted };
  const restored = restoreHboneServer(
    tunnel.stream,
    from,
    serverOptions(tunnel, () => restored.connection),
    onRequest(tunnel),
  );
  return {
    streams: restored.streams,
    start: () => {
      proxy.tunnels.accepted(restored.connection, tunnel);
      restored.requests.forEach(onRequest(tunnel));
    },
  };
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
  const connection = open(tunnel, request, own, { target, judged });
  if (refuseByPolicy(pod, own, connection, judged)) return request.refuse(401);
  let answered = false;
  const refuse = (status: number): void => {
    if (!answered) request.refuse(status);
    answered = true;
  };
  const dial = {
    to: target.dial,
    peer: target.fromLoopback ? target.dial : stream.remote,
    spoofs: tunnel.spoofs,
    redirected: false,
  } as const;
  const cancel = connectToApplication(pod, dial, (result) => {
    if (!result.ok) {
      connection.fail({ flag: "CONNECT", error: `connection failed: ${result.error.message}`, refusedBy: null });
      return refuse(503);
    }
    if (answered) return result.value.abort();
    answered = true;
    connection.onClosedEarly = null;
    const downstream = request.accept(pod.thread.config.responseBaggage ? [["baggage", pod.thread.baggage(own)]] : []);
    if (target.proxyDestination !== null)
      result.value.write(
        proxyHeader({ source: stream.remote, destination: target.proxyDestination, identity: formatIdentity(peer) }),
      );
    connection.carry(downstream, result.value);
  });
  if (connection.over) return; // the answer came at once
  if (!connection.carried) connection.awaiting = { t: "application", request, cancel };
  // A policy change, or the pod's end, while the application is being dialled.
  const closedEarly = (): void => {
    cancel();
    refuse(401);
  };
  connection.onClosedEarly = closedEarly;
  const abandoned = (): void => {
    answered = true;
    cancel();
    connection.fail({ flag: "CONNECT", error: "connection failed: the client gave up", refusedBy: null });
  };
  request.onAbandoned = abandoned;
}

/** What a peer says of a workload that we do not know. */
const told = (headers: readonly HeaderField[]): Baggage =>
  parseBaggage(headers.filter(([name]) => name === "baggage").map(([, value]) => value));

function open(
  tunnel: Tunnel,
  request: ConnectRequest,
  own: Workload,
  about: { readonly target: InboundTarget; readonly judged: Connection },
): OpenConnection {
  const { target, judged } = about;
  const { stream, peer } = tunnel;
  const { workloads, config } = tunnel.proxy.context.thread;
  const forwardedHost = parseForwardedHost(header(request.headers, "forwarded"));
  const foreign = isFromOtherNetwork(header(request.headers, "x-forwarded-network"), config.network);
  const srcWorkload = foreign ? null : workloads.workloadByIp(config.network, stream.remote.ip);
  const service = target.service ?? workloads.serviceOf(own, target.destination.port, forwardedHost);
  return new OpenConnection(
    tunnel.proxy.context,
    {
      direction: "inbound",
      src: stream.remote,
      srcWorkload,
      srcBaggage: srcWorkload === null ? told(request.headers) : null,
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
