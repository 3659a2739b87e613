import type { X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import { type Socket } from "node:net";
import { TLSSocket, connect as tlsConnect } from "node:tls";
import type { ByteStream, CloseReason } from "@lateen/byte-stream";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { errorCode, errorText } from "./close-reason.ts";
import { secureContextOf } from "./node-credentials.ts";
import { NodeStream } from "./node-stream.ts";
import { type BlockPool, RecordOutput } from "./output.ts";
import type { Cancel, SecureOptions } from "./port.ts";
import type { SecureStream } from "./streams.ts";
import { StreamDuplex } from "./stream-duplex.ts";

/** No chain of the mesh is longer; a peer's loop of issuers ends here. */
const MAX_CHAIN = 10;

/**
 * Resets what carries a TLS socket, then closes that too (in some states it does not follow by itself). Never at once: taking
 * the handle away below TLS inside one of its own callbacks crashes the process.
 */
function tearDown(carrier: ByteStream, tls: TLSSocket): void {
  setImmediate(() => {
    carrier.abort();
    tls.destroy();
  });
}

class NodeSecureStream extends NodeStream implements SecureStream {
  readonly peerChainDer: readonly Uint8Array[];

  constructor(tls: TLSSocket, below: Below, pool: BlockPool, peerChainDer: readonly Uint8Array[]) {
    super(tls, below.stream, {
      output: (s, onRoom) => new RecordOutput(s, pool, onRoom),
      reset: () => tearDown(below.stream, tls),
      below: () => brokenBelow(below.carrier),
    });
    this.peerChainDer = peerChainDer;
  }
}

/** How the stream below broke; its orderly end says nothing more than our own. */
function brokenBelow(carrier: Socket | StreamDuplex): CloseReason | null {
  const reason = carrier instanceof StreamDuplex ? carrier.closeReason : null;
  return reason !== null && "why" in reason ? reason : null;
}

/** What TLS runs over: the stream, and what node:tls was given of it. */
interface Below {
  readonly stream: ByteStream;
  readonly carrier: Socket | StreamDuplex;
}

/** The handle's method is not in the types. Node gives an error or null; Deno a code, empty for none. */
type Verdict = { readonly ssl: { verifyError(): Error | string | null } | null };

/** The verdict on the peer's chain; by-hand server sockets of node:tls do not act on it themselves. */
function chainProblem(tls: TLSSocket): string | null {
  const handle = (tls as TLSSocket & Verdict).ssl;
  if (handle === null) return "connection closed";
  const verdict = handle.verifyError();
  if (verdict === null || verdict === "") return null;
  const text = typeof verdict === "string" ? verdict.toLowerCase().replaceAll("_", " ") : verdict.message;
  return `peer certificate: ${text.split(";")[0] ?? ""}`; // behind the semicolon is advice for another kind of client
}

function peerChain(tls: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: X509Certificate | undefined = tls.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next.raw);
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    next = issuer === undefined || issuer.fingerprint256 === next.fingerprint256 ? undefined : issuer;
  }
  return chain;
}

/** @returns why the finished handshake is not acceptable, or the peer's chain */
function judge(tls: TLSSocket, options: SecureOptions): string | readonly Uint8Array[] {
  const problem = chainProblem(tls);
  if (problem !== null) return problem;
  if (tls.alpnProtocol !== options.alpn) return `peer did not agree to protocol "${options.alpn}"`;
  const chain = peerChain(tls);
  if (chain.length === 0) return "peer sent no certificate";
  return options.verifyPeer(chain) ?? chain;
}

function startTls(carrier: Socket | Duplex, options: SecureOptions): TLSSocket {
  const secureContext = secureContextOf(options.credentials);
  const ALPNProtocols = [options.alpn];
  if (options.role === "client")
    // The chain is judged below, after the handshake, together with the peer's identity; names are never compared.
    return tlsConnect({
      socket: carrier,
      secureContext,
      ALPNProtocols,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
  const socket = carrier as Socket; // TLSSocket takes any Duplex; its types say Socket
  return new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols,
    requestCert: true,
    rejectUnauthorized: true,
  });
}

function handshakeError(why: string, code: Code = Code.Unavailable, cause?: unknown): MeshError {
  return new MeshError(code, `tls handshake error: ${why}`, {}, cause);
}

function socketError(error: unknown): MeshError {
  const why = errorCode(error) === "ECONNRESET" ? "peer closed the connection" : errorText(error);
  return handshakeError(why, Code.Unavailable, error);
}

/** TLS 1.3 over a stream. A socket of ours is taken over whole, any other stream is wrapped. @see DataPath.secure */
export function secureNode(
  pool: BlockPool,
  stream: ByteStream,
  options: SecureOptions,
  done: (result: Result<SecureStream>) => void,
): Cancel {
  const carrier = stream instanceof NodeStream ? stream.release() : new StreamDuplex(stream);
  const tls = startTls(carrier, options);
  let settled = false;
  const settle = (result: Result<SecureStream>): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    if (!result.ok) tearDown(stream, tls);
    done(result);
  };
  const timer = setTimeout(
    () => settle(fail(handshakeError(`not done within ${options.timeoutMs} ms`, Code.Timeout))),
    options.timeoutMs,
  );
  tls.on("error", (error) => settle(fail(socketError(error))));
  tls.on("close", () => settle(fail(handshakeError("peer closed the connection"))));
  tls.on(options.role === "client" ? "secureConnect" : "secure", () => {
    if (settled) return;
    const verdict = judge(tls, options);
    if (typeof verdict === "string") settle(fail(handshakeError(verdict, Code.Denied)));
    else settle(ok(new NodeSecureStream(tls, { stream, carrier }, pool, verdict)));
  });
  return () => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    tearDown(stream, tls);
  };
}
