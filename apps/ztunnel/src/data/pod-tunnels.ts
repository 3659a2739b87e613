import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import type { SpiffeIdentity } from "@lateen/identity";
import { verifyServerIdentity } from "@lateen/certificates";
import type { ByteStream } from "@lateen/byte-stream";
import type { SecureStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import {
  type Cancel,
  type ConnectTarget,
  type HboneClient,
  type HboneConnection,
  type HboneOptions,
  type HbonePool,
  type HboneServer,
  type HboneStream,
  type PooledTunnel,
  hboneClient,
  hbonePool,
} from "@lateen/hbone";
import { CONNECT_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from "./limits.ts";
import type { PodContext } from "./pod-context.ts";

/** Whom to reach: tunnels are shared only between equals (dataplane 5.9). */
export interface TunnelTarget {
  /** SPIFFE URI that we present. */
  readonly as: string;
  /** SPIFFE URIs accepted from the peer, in order. */
  readonly expected: readonly string[];
  readonly to: SocketAddress;
  /** Address of the pod from which the connection comes. */
  readonly from: string;
}

/** An HBONE connection that a peer opened to this pod. */
export interface AcceptedTunnel {
  readonly stream: SecureStream;
  readonly peer: SpiffeIdentity;
  /** Whether the application sees the peer's address. */
  readonly spoofs: boolean;
}

/** One that this pod opened. */
export interface OpenedTunnel {
  readonly stream: SecureStream;
  readonly target: TunnelTarget;
}

/** Who is behind a gateway, and what is asked of it. */
export interface InnerTarget {
  /** SPIFFE URIs accepted from it; nobody when there are none. */
  readonly expected: readonly string[];
  readonly request: ConnectTarget;
}

/** What a tunnel inside a tunnel runs over. */
export interface InnerTunnel {
  /** A stream of the outer tunnel. */
  readonly through: HboneStream;
  /** TLS on top of it. */
  readonly stream: SecureStream;
}

interface Secured {
  readonly tunnel: HboneClient;
  readonly stream: SecureStream;
}

/** Keys remembered at most; beyond it the least recently made is forgotten (its tunnels live on, unshared). */
const MAX_KEYS = 10_000;

/** The HBONE connections of one pod on one thread: the pool of those it opened and the set of those it accepted. */
export class PodTunnels {
  readonly #pod: PodContext;
  readonly #targets = new Map<string, TunnelTarget>();
  readonly #pool: HbonePool;
  readonly #accepted = new Map<HboneServer, AcceptedTunnel>();
  readonly #opened = new Map<HboneClient, OpenedTunnel>();
  /** Tunnels inside tunnels, one per connection. */
  readonly #inner = new Map<HboneConnection, InnerTunnel & { readonly tunnel: HboneClient }>();
  /** Streams over which a handshake for one of them runs. */
  readonly #securing = new Set<HboneStream>();

  constructor(pod: PodContext) {
    const { config, path } = pod.thread;
    this.#pod = pod;
    this.#pool = hbonePool({
      dial: (key, done) => this.#dial(key, done),
      nowMs: path.nowMs(),
      maxStreamsPerTunnel: config.poolMaxStreams,
      idleMs: config.poolIdleMs,
    });
  }

  /** Opens one CONNECT to the target, on a shared tunnel where one has room. */
  connect(target: TunnelTarget, request: ConnectTarget, done: (result: Result<HboneStream>) => void): Cancel {
    const wrapped = (result: Result<HboneStream>): void => done(result.ok ? result : fail(tunnelError(result.error)));
    return this.#pool.connect(this.#key(target), request, wrapped);
  }

  #key(target: TunnelTarget): string {
    const key = [target.as, ...target.expected, formatSocketAddress(target.to), target.from].join("\0");
    if (!this.#targets.has(key)) {
      if (this.#targets.size >= MAX_KEYS) this.#targets.delete(this.#targets.keys().next().value!);
      this.#targets.set(key, target);
    }
    return key;
  }

  /**
   * Opens a CONNECT inside a CONNECT: the target is a network gateway that passes bytes on, and the far end proves itself in a
   * second TLS session. The inner connection is never shared, so that the gateway can balance each (dataplane 5.10).
   */
  connectThrough(
    target: TunnelTarget,
    inner: InnerTarget,
    request: ConnectTarget,
    done: (result: Result<HboneStream>) => void,
  ): void {
    this.connect(target, request, (outer) => {
      if (outer.ok) this.through(outer.value, target.as, inner, done);
      else done(outer);
    });
  }

  /** The second half of `connectThrough`: the gateway has answered. */
  through(outer: HboneStream, as: string, inner: InnerTarget, done: (result: Result<HboneStream>) => void): void {
    this.#securing.add(outer);
    this.#secure(as, inner.expected, outer, (secured) => {
      this.#securing.delete(outer);
      if (!secured.ok) return done(secured);
      const { tunnel, stream } = secured.value;
      this.putInner(tunnel, { through: outer, stream });
      tunnel.connect(inner.request, innerAnswer(tunnel, done));
    });
  }

  /** A tunnel inside one of this pod's, made here or in another process. */
  putInner(tunnel: HboneClient, about: InnerTunnel): void {
    this.#inner.set(tunnel, { ...about, tunnel });
  }

  /** Open tunnels inside this one. */
  innerOf(outer: HboneConnection): readonly (InnerTunnel & { readonly tunnel: HboneClient })[] {
    return [...this.#inner.values()].filter((one) => one.through.connection === outer && !one.tunnel.closed);
  }

  /** Whether a handshake runs inside this tunnel. */
  isSecuringInside(outer: HboneConnection): boolean {
    for (const { connection } of this.#securing) if (connection === outer) return true;
    return false;
  }

  /** The tunnel that has the socket: of an open tunnel inside another the outer one. */
  outermost(tunnel: HboneConnection): HboneConnection {
    return tunnel.closed ? tunnel : (this.#inner.get(tunnel)?.through.connection ?? tunnel);
  }

  accepted(server: HboneServer, tunnel: AcceptedTunnel): void {
    this.#accepted.set(server, tunnel);
  }

  /** Every open tunnel that a peer opened. */
  get inbound(): ReadonlyMap<HboneServer, AcceptedTunnel> {
    return this.#accepted;
  }

  /** Every open tunnel of the pool, with what it runs over. */
  get outbound(): readonly (PooledTunnel & OpenedTunnel)[] {
    return this.#pool.entries().flatMap((pooled) => {
      const opened = this.#opened.get(pooled.tunnel);
      return opened === undefined ? [] : [{ ...pooled, ...opened }];
    });
  }

  /** Takes a tunnel out of the pool while it stands still. */
  takeOut(tunnel: HboneClient): void {
    this.#pool.take(tunnel);
  }

  /** Puts a tunnel into the pool that stood still here, or comes from another process. */
  putIn(tunnel: HboneClient, opened: OpenedTunnel, about: Pick<PooledTunnel, "shared" | "idleMs">): void {
    this.#opened.set(tunnel, opened);
    this.#pool.adopt({ key: this.#key(opened.target), tunnel, ...about });
  }

  /** Forgets a tunnel that another process has now, with those inside it. */
  forget(tunnel: HboneServer | HboneClient): void {
    this.#accepted.delete(tunnel);
    this.#opened.delete(tunnel as HboneClient);
    for (const [inner, { through }] of this.#inner) if (through.connection === tunnel) this.#inner.delete(inner);
  }

  /** Options of a tunnel that this pod opens, or goes on with. */
  clientOptions(): Pick<HboneOptions, "limits" | "nowMs" | "defer"> {
    const { path, config } = this.#pod.thread;
    return { limits: config.http2, nowMs: path.nowMs(), defer: (run) => path.defer(run) };
  }

  ended(server: HboneServer): void {
    this.#accepted.delete(server);
  }

  tick(nowMs: number): void {
    this.#pool.tick(nowMs);
    for (const server of this.#accepted.keys()) server.tick(nowMs);
    for (const tunnel of this.#opened.keys()) if (tunnel.closed) this.#opened.delete(tunnel);
    for (const inner of this.#inner.keys()) {
      inner.tick(nowMs);
      if (inner.closed) this.#inner.delete(inner);
    }
  }

  /** GOAWAY to those we accepted; those we opened live until their streams end (dataplane 5.12). */
  drain(): void {
    for (const server of this.#accepted.keys()) server.drain();
  }

  stop(): void {
    this.#pool.abort();
    for (const server of [...this.#accepted.keys()]) server.abort();
    for (const inner of this.#inner.keys()) inner.abort();
  }

  #dial(key: string, done: (result: Result<HboneClient>) => void): Cancel {
    const target = this.#targets.get(key);
    if (!target) {
      done(fail(new MeshError(Code.Bug, "connection failed: tunnel target was forgotten")));
      return () => {};
    }
    let cancel = this.#open(target, (socket) => {
      if (!socket.ok) return done(socket);
      cancel = this.#secure(target.as, target.expected, socket.value, (secured) => {
        if (!secured.ok) return done(secured);
        const { tunnel, stream } = secured.value;
        this.#opened.set(tunnel, { stream, target });
        done(ok(tunnel));
      });
    });
    return () => cancel();
  }

  /** TLS as `as` over a stream that leads to one of `expected`, then HTTP/2. */
  #secure(
    as: string,
    expected: readonly string[],
    stream: ByteStream,
    done: (result: Result<Secured>) => void,
  ): Cancel {
    const { credentials, path } = this.#pod.thread;
    let cancelled = false;
    let cancel: Cancel = () => {
      cancelled = true;
      stream.abort();
    };
    credentials.get(as, (own) => {
      if (cancelled) return;
      if (!own.ok) {
        stream.abort();
        return done(fail(withFlag(own.error, "IDENTITY_ERROR")));
      }
      const verifyPeer = (chain: readonly Uint8Array[]): string | null => {
        const verdict = verifyServerIdentity(chain, expected);
        return verdict.ok ? null : verdict.error.message;
      };
      const options = {
        role: "client",
        credentials: own.value,
        alpn: "h2",
        timeoutMs: HANDSHAKE_TIMEOUT_MS,
        verifyPeer,
        resumeKey: [formatSocketAddress(stream.remote), ...expected].join("\0"),
      } as const;
      cancel = path.secure(stream, options, (secured) => done(this.#wrap(secured)));
    });
    return () => cancel();
  }

  #open(target: TunnelTarget, done: Parameters<PodContext["thread"]["path"]["connect"]>[1]): Cancel {
    const { path, config } = this.#pod.thread;
    return path.connect(
      {
        to: target.to,
        from: null,
        netns: this.#pod.netns,
        tenant: this.#pod.info.uid,
        mark: config.mark,
        keepAlive: config.keepAlive,
        timeoutMs: CONNECT_TIMEOUT_MS,
      },
      (result) => done(result.ok ? result : fail(connectError(result.error))),
    );
  }

  #wrap(secured: Result<SecureStream>): Result<Secured> {
    if (!secured.ok) return fail(withFlag(secured.error, "TLS_FAILURE"));
    const stream = secured.value;
    return ok({ stream, tunnel: hboneClient(stream, { trust: "authenticated", ...this.clientOptions() }) });
  }
}

/** Hears the answer to the only CONNECT inside an inner tunnel, after which that takes no other. */
export const innerAnswer =
  (tunnel: HboneClient, done: (result: Result<HboneStream>) => void) =>
  (stream: Result<HboneStream>): void => {
    tunnel.drain();
    done(stream.ok ? stream : fail(tunnelError(stream.error)));
  };

const withFlag = (error: MeshError, flag: string): MeshError =>
  new MeshError(error.code, error.message, { ...error.facts, flag }, error);

/** What went wrong on a tunnel itself; an answer with a status, or an error that has its flag, says enough. */
function tunnelError(error: MeshError): MeshError {
  const known = error.facts["flag"] !== undefined || error.facts["status"] !== undefined;
  return known || error.code === Code.Draining ? error : withFlag(error, "H2_HANDSHAKE_FAILURE");
}

function connectError(error: MeshError): MeshError {
  return error.code === Code.Timeout
    ? new MeshError(
        Code.Timeout,
        `connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ${error.message}`,
        { flag: "NETWORK_POLICY" },
        error,
      )
    : new MeshError(error.code, `connection failed: ${error.message}`, { flag: "CONNECT" }, error);
}
