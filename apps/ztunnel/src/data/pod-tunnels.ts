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
import { originNetworkHeader } from "@lateen/workload-model";
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

/** Keys remembered at most; beyond it the least recently made is forgotten (its tunnels live on, unshared). */
const MAX_KEYS = 10_000;

/** The HBONE connections of one pod on one thread: the pool of those it opened and the set of those it accepted. */
export class PodTunnels {
  readonly #pod: PodContext;
  readonly #targets = new Map<string, TunnelTarget>();
  readonly #pool: HbonePool;
  readonly #accepted = new Map<HboneServer, AcceptedTunnel>();
  readonly #opened = new Map<HboneClient, OpenedTunnel>();
  /** Tunnels within tunnels, one per connection, and what each runs through. */
  readonly #inner = new Map<HboneClient, HboneConnection>();

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
    inner: { readonly expected: readonly string[]; readonly network: string },
    request: ConnectTarget,
    done: (result: Result<HboneStream>) => void,
  ): void {
    this.connect(target, request, (outer) => {
      if (!outer.ok) return done(outer);
      this.#secure(target.as, inner.expected, outer.value, (client) => {
        if (!client.ok) return done(client);
        this.#inner.set(client.value, outer.value.connection);
        const headers = [...request.headers, originNetworkHeader(inner.network)];
        client.value.connect({ authority: request.authority, headers }, (stream) => {
          client.value.drain();
          done(stream.ok ? stream : fail(tunnelError(stream.error)));
        });
      });
    });
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

  /** Whether another tunnel runs through this one. */
  carriesTunnel(tunnel: HboneConnection): boolean {
    for (const [inner, outer] of this.#inner) if (outer === tunnel && !inner.closed) return true;
    return false;
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

  /** Forgets a tunnel that another process has now. */
  forget(tunnel: HboneServer | HboneClient): void {
    this.#accepted.delete(tunnel);
    this.#opened.delete(tunnel as HboneClient);
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
    for (const client of this.#inner.keys()) {
      client.tick(nowMs);
      if (client.closed) this.#inner.delete(client);
    }
  }

  /** GOAWAY to those we accepted; those we opened live until their streams end (dataplane 5.12). */
  drain(): void {
    for (const server of this.#accepted.keys()) server.drain();
  }

  stop(): void {
    this.#pool.abort();
    for (const server of [...this.#accepted.keys()]) server.abort();
    for (const client of this.#inner.keys()) client.abort();
  }

  #dial(key: string, done: (result: Result<HboneClient>) => void): Cancel {
    const target = this.#targets.get(key);
    if (!target) {
      done(fail(new MeshError(Code.Bug, "connection failed: tunnel target was forgotten")));
      return () => {};
    }
    let cancel = this.#open(target, (socket) => {
      if (!socket.ok) return done(socket);
      cancel = this.#secure(target.as, target.expected, socket.value, (client, stream) => {
        if (client.ok && stream !== null) this.#opened.set(client.value, { stream, target });
        done(client);
      });
    });
    return () => cancel();
  }

  /** TLS as `as` over a stream that leads to one of `expected`, then HTTP/2. */
  #secure(
    as: string,
    expected: readonly string[],
    stream: ByteStream,
    done: (result: Result<HboneClient>, stream: SecureStream | null) => void,
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
        return done(fail(withFlag(own.error, "IDENTITY_ERROR")), null);
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
      cancel = path.secure(stream, options, (secured) => done(this.#wrap(secured), secured.ok ? secured.value : null));
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

  #wrap(secured: Result<SecureStream>): Result<HboneClient> {
    if (!secured.ok) return fail(withFlag(secured.error, "TLS_FAILURE"));
    return ok(hboneClient(secured.value, { trust: "authenticated", ...this.clientOptions() }));
  }
}

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
