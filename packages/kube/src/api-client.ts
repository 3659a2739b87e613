import { Buffer } from "node:buffer";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { type Result, fail, ok } from "@lateen/errors";
import { type ApiFailure, connectionFailure, malformed, statusFailure } from "./api-failure.ts";
import type { ClusterAccess, Credentials } from "./credentials.ts";

/** One call. */
export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Form of the answer; JSON by default. */
  readonly accept?: string;
  /** Of the body; JSON by default. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** For the whole answer, or for its beginning when it is streamed: 30 s by default. */
  readonly deadlineMs?: number;
  /** A longer answer is cut off and counts as `oversized`: 32 MiB by default. */
  readonly maxBytes?: number;
}

/** Calls to one API server over connections that are kept open. Ends with its disposal. */
export interface ApiClient extends Disposable {
  readonly server: string;
  /** The body as text. @throws the signal's reason */
  text(request: ApiRequest): Promise<Result<string, ApiFailure>>;
  /** The body as JSON. @throws the signal's reason */
  json(request: ApiRequest): Promise<Result<unknown, ApiFailure>>;
  /** The body as it comes; whoever reads it destroys it. @throws the signal's reason */
  stream(request: ApiRequest): Promise<Result<IncomingMessage, ApiFailure>>;
}

const DEADLINE_MS = 30_000;
const MAX_BYTES = 32 << 20;
/** What a refusing server may say. */
const MAX_REFUSAL_BYTES = 64 << 10;

/** Opens nothing yet: connections are made by calls. */
export function createApiClient(access: ClusterAccess, o: { readonly userAgent: string }): ApiClient {
  return new Client(access, o.userAgent);
}

class Client implements ApiClient {
  readonly #access: ClusterAccess;
  readonly #base: URL;
  readonly #userAgent: string;
  readonly #ended = new AbortController();
  #agent: { readonly print: string; readonly agent: Agent } | null = null;
  readonly #plain = new HttpAgent({ keepAlive: true });

  constructor(access: ClusterAccess, userAgent: string) {
    this.#access = access;
    this.#base = new URL(access.server);
    this.#userAgent = userAgent;
  }

  get server(): string {
    return this.#access.server;
  }

  text(request: ApiRequest): Promise<Result<string, ApiFailure>> {
    return this.#call(request, (response) => readText(response, request.maxBytes ?? MAX_BYTES));
  }

  async json(request: ApiRequest): Promise<Result<unknown, ApiFailure>> {
    const answer = await this.text(request);
    if (!answer.ok) return answer;
    try {
      return ok(JSON.parse(answer.value));
    } catch (error) {
      return fail(malformed(`the answer is not JSON: ${String(error)}`));
    }
  }

  stream(request: ApiRequest): Promise<Result<IncomingMessage, ApiFailure>> {
    return this.#call(request, (response) => Promise.resolve(ok(response)));
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#agent?.agent.destroy();
    this.#plain.destroy();
  }

  /** A call that was refused for who we are is made once more with credentials read anew: tokens are renewed on disk. */
  async #call<T>(
    request: ApiRequest,
    read: (response: IncomingMessage) => Promise<Result<T, ApiFailure>>,
  ): Promise<Result<T, ApiFailure>> {
    const first = await this.#once(request, read, "remembered");
    if (first.ok || first.error.status !== 401) return first;
    return this.#once(request, read, "fresh");
  }

  async #once<T>(
    request: ApiRequest,
    read: (response: IncomingMessage) => Promise<Result<T, ApiFailure>>,
    use: "remembered" | "fresh",
  ): Promise<Result<T, ApiFailure>> {
    request.signal?.throwIfAborted();
    const end = new AbortController();
    const stop = (): void => end.abort();
    const timer = setTimeout(stop, request.deadlineMs ?? DEADLINE_MS);
    request.signal?.addEventListener("abort", stop, { once: true });
    this.#ended.signal.addEventListener("abort", stop, { once: true });
    try {
      const credentials = await unlessAborted(this.#access.credentials(use), end.signal);
      const response = await this.#send(request, credentials, end.signal);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) return await refusal(response, status);
      return await read(response);
    } catch (error) {
      request.signal?.throwIfAborted();
      if (!end.signal.aborted) return fail(connectionFailure(error));
      const message = this.#ended.signal.aborted ? "the client is closed" : "no answer in time";
      return fail({ ...connectionFailure(error), t: "timeout", reason: "", message });
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", stop);
      this.#ended.signal.removeEventListener("abort", stop);
    }
  }

  async #send(request: ApiRequest, credentials: Credentials, signal: AbortSignal): Promise<IncomingMessage> {
    for (;;) {
      try {
        return await this.#sendOnce(request, credentials, signal);
      } catch (error) {
        // A kept connection may have been closed by the server just now; reading can be repeated safely.
        const reused = error instanceof SendError && error.reused && (request.method ?? "GET") === "GET";
        if (!reused || signal.aborted) throw error instanceof SendError ? error.cause : error;
      }
    }
  }

  #sendOnce(request: ApiRequest, { headers, tls, agent }: Credentials, signal: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const body = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body));
    const secure = this.#base.protocol === "https:";
    const options = {
      host: this.#base.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: this.#base.port === "" ? (secure ? 443 : 80) : Number(this.#base.port),
      method: request.method ?? "GET",
      path: `${this.#base.pathname.replace(/\/$/, "")}${request.path}${queryText(request.query)}`,
      signal,
      headers: {
        accept: request.accept ?? "application/json",
        "user-agent": this.#userAgent,
        ...headers,
        ...(body === null
          ? {}
          : { "content-type": request.contentType ?? "application/json", "content-length": String(body.length) }),
      },
    };
    const sent = secure
      ? httpsRequest({ ...options, agent: agent ?? this.#agentFor(tls) })
      : httpRequest({ ...options, agent: this.#plain });
    sent.on("response", resolve);
    sent.on("error", (error) => reject(new SendError(error, sent.reusedSocket)));
    sent.end(body ?? undefined);
    return promise;
  }

  /** Other certificates mean other connections. */
  #agentFor(tls: Credentials["tls"]): Agent {
    const print = JSON.stringify(tls);
    if (this.#agent?.print === print) return this.#agent.agent;
    this.#agent?.agent.destroy();
    const agent = new Agent({ ...tls, keepAlive: true, minVersion: "TLSv1.2" });
    this.#agent = { print, agent };
    return agent;
  }
}

/** A plugin that makes credentials may hang. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("no credentials in time")), { once: true });
    promise.then(resolve, reject);
  });
}

class SendError extends Error {
  readonly reused: boolean;

  constructor(cause: unknown, reused: boolean) {
    super("not sent", { cause });
    this.reused = reused;
  }
}

function queryText(query: ApiRequest["query"]): string {
  const pairs = Object.entries(query ?? {}).flatMap(([k, v]): [string, string][] => (v === undefined ? [] : [[k, v]]));
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<Result<string, ApiFailure>> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) {
      response.destroy();
      const message = `the answer is larger than ${maxBytes} bytes`;
      return fail({ t: "oversized", status: 0, reason: "", message, retryAfterMs: null });
    }
    parts.push(part);
  }
  return ok(Buffer.concat(parts).toString("utf8"));
}

async function refusal(response: IncomingMessage, status: number): Promise<Result<never, ApiFailure>> {
  const said = await readText(response, MAX_REFUSAL_BYTES);
  const text = said.ok ? said.value : "";
  return fail(statusFailure(status, parseOr(text), response.headers["retry-after"]));
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // a proxy's page, or plain words
  }
}
