import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import { Client, Metadata } from "@grpc/grpc-js";
import { type Signer, createSigningRequest, exportPrivateKey, generateKeyPair } from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  createCertificateMethod,
  createIstioCertificateRequest,
  structFromJson,
} from "@lateen/xds-types";
import { readRootPem, readToken } from "./given-secrets.ts";
import { createQuickSigner } from "./quick-signatures.ts";
import { secureChannel } from "./secure-channel.ts";
import { type WorkloadCertificate, readAnswer } from "./workload-certificate.ts";

export interface CaClientOptions {
  /** `https://host:port`. */
  readonly address: string;
  /** As `readRootPem` takes it. Read before each request; a change opens a new channel, an unreadable file keeps the old one. */
  readonly rootFile: string;
  /** As `readToken` takes it. Read before each request. */
  readonly tokenFile: string;
  readonly clusterId: string;
  /** Name to find in the server's certificate in place of the host, null for the host. */
  readonly alternativeHostname?: string | null;
  /** `shared` names the identity wanted in each request; `dedicated` gets the caller's own. */
  readonly mode: "shared" | "dedicated";
  /** Lifetime asked for. */
  readonly ttlSec: number;
  readonly timeoutMs?: number;
  /** Further headers of each request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks an authority for certificates. Every request has a key of its own. */
export interface CaClient extends Disposable {
  /**
   * @returns UNAVAILABLE when it cannot be reached or refuses, TIMEOUT after `timeoutMs`, BAD_INPUT when its answer is wrong
   */
  fetch(identity: string, signal?: AbortSignal): Promise<Result<WorkloadCertificate>>;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const DEADLINE_EXCEEDED = 4;

/** A client of `istio.v1.auth.IstioCertificateService`. Opens nothing until the first request. @see dataplane 9.1, 9.2 */
export function createCaClient(o: CaClientOptions): CaClient {
  const channel = new Channel(o);
  const keys = new RequestKeys();
  return {
    async fetch(identity, signal) {
      try {
        const { signer, keyPem } = await keys.take();
        const csr = await createSigningRequest(signer, [{ t: "uri", value: identity }]);
        const client = channel.client();
        const metadata = o.mode === "shared" ? structFromJson({ ImpersonatedIdentity: identity }) : null;
        const request = createIstioCertificateRequest({ csr, validityDuration: o.ttlSec, metadata });
        const answer = await call(client, request, headersOf(o), {
          timeoutMs: o.timeoutMs ?? TIMEOUT_MS,
          signal,
        });
        if (!answer.ok) return answer;
        const { certChain } = answer.value;
        const asked = o.mode === "shared" ? identity : null;
        return readAnswer({ certChain, identity: asked, keyPem, publicKey: signer.publicKey });
      } catch (e) {
        if (MeshError.is(e)) return fail(e);
        return unavailable(e instanceof Error ? e.message : String(e), e);
      } finally {
        keys.prepare();
      }
    },
    [Symbol.dispose]: () => channel.close(),
  };
}

/** A key as a request and its answer need it; the private half is PKCS#8. */
interface RequestKey {
  readonly signer: Signer;
  readonly keyPem: string;
}

async function makeKey(): Promise<RequestKey> {
  const pair = await generateKeyPair(webcrypto);
  return { signer: await createQuickSigner(pair), keyPem: await exportPrivateKey(webcrypto, pair) };
}

/** A key for each request. The next one is made ahead, so that whoever waits for a certificate does not wait for a key before that. */
class RequestKeys {
  #next: Promise<RequestKey> | null = null;

  take(): Promise<RequestKey> {
    const key = this.#next ?? makeKey();
    this.#next = null;
    return key;
  }

  prepare(): void {
    if (this.#next !== null) return;
    const next = makeKey();
    this.#next = next;
    next.catch(() => {
      if (this.#next === next) this.#next = null; // the request that needs one tries again, and says why
    });
  }
}

/** The channel to the authority, opened anew when the root file changes. */
class Channel {
  readonly #o: CaClientOptions;
  #open: { readonly root: string; readonly client: Client } | null = null;
  #closed = false;

  constructor(o: CaClientOptions) {
    this.#o = o;
  }

  client(): Client {
    const root = this.#root();
    if (this.#closed) throw new MeshError(Code.Draining, "Cannot reach the authority: the client is closed");
    if (this.#open !== null && (root === null || root === this.#open.root)) return this.#open.client;
    const old = this.#open;
    const next = this.#connect(root ?? "");
    this.#open = { root: root ?? "", client: next };
    old?.client.close();
    return next;
  }

  close(): void {
    this.#closed = true;
    this.#open?.client.close();
    this.#open = null;
  }

  /** Null when it cannot be read but a channel with an earlier one is open. */
  #root(): string | null {
    try {
      return readRootPem(this.#o.rootFile);
    } catch (cause) {
      if (this.#open !== null) return null;
      throw cause;
    }
  }

  #connect(rootPem: string): Client {
    const { address, alternativeHostname = null } = this.#o;
    const { target, credentials, options } = secureChannel({ address, rootPem, alternativeHostname, own: null });
    return new Client(target, credentials, {
      "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 5_000,
      ...options,
    });
  }
}

function headersOf(o: CaClientOptions): Metadata {
  const metadata = new Metadata();
  metadata.set("clusterid", o.clusterId);
  for (const [name, value] of Object.entries(o.headers ?? {})) metadata.set(name, value);
  metadata.set("authorization", `Bearer ${readToken(o.tokenFile)}`);
  return metadata;
}

function call(
  client: Client,
  request: IstioCertificateRequest,
  metadata: Metadata,
  o: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<Result<IstioCertificateResponse>> {
  const { path, requestSerialize, responseDeserialize } = createCertificateMethod;
  const { promise, resolve } = Promise.withResolvers<Result<IstioCertificateResponse>>();
  if (o.signal?.aborted === true) return Promise.resolve(unavailable("the request was given up", o.signal.reason));
  const running = client.makeUnaryRequest<IstioCertificateRequest, IstioCertificateResponse>(
    path,
    (m) => Buffer.from(requestSerialize(m)),
    responseDeserialize,
    request,
    metadata,
    { deadline: Date.now() + o.timeoutMs },
    (error, value) => {
      o.signal?.removeEventListener("abort", cancel);
      if (error?.code === DEADLINE_EXCEEDED)
        resolve(fail(new MeshError(Code.Timeout, `The authority did not answer within ${o.timeoutMs} ms`, {}, error)));
      else if (error !== null) resolve(unavailable(`${statusName(error.code)}: ${error.details}`, error));
      else if (value === undefined) resolve(unavailable("it answered nothing", null));
      else resolve(ok(value));
    },
  );
  const cancel = (): void => running.cancel();
  o.signal?.addEventListener("abort", cancel, { once: true });
  return promise;
}

const STATUS_NAMES: Readonly<Record<number, string>> = {
  1: "CANCELLED",
  3: "INVALID_ARGUMENT",
  7: "PERMISSION_DENIED",
  12: "UNIMPLEMENTED",
  13: "INTERNAL",
  14: "UNAVAILABLE",
  16: "UNAUTHENTICATED",
};

function statusName(code: number): string {
  return STATUS_NAMES[code] ?? `status ${code}`;
}

function unavailable(why: string, cause: unknown): Result<never> {
  return fail(new MeshError(Code.Unavailable, `The authority gave no certificate: ${why}`, {}, cause));
}
