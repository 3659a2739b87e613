import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { Code, MeshError } from "@lateen/errors";
import type { Logger } from "@lateen/telemetry";
import { reviewAdmission } from "@lateen/validation";
import type { OptionalClientCertificate, ServerTls } from "../server-credentials.ts";
import type { ValidationMetrics } from "./validation-metrics.ts";

/** An object and what it was before, each of at most what etcd takes, and what managed them. */
const MAX_BODY_BYTES = 4 << 20;
/** Bodies that are read at a time, all together. */
const MAX_READING_BYTES = 32 << 20;
const MAX_CONNECTIONS = 256;
/** Contract, control-plane 1.1. */
const READ_MS = 30_000;
const IDLE_MS = 90_000;

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
}

export interface WebhookOptions {
  /** `host:port`. */
  readonly address: string;
  readonly credentials: OptionalClientCertificate;
  readonly metrics: ValidationMetrics;
  readonly log: Logger;
}

/**
 * Where the API server asks about objects: `POST /validate`, over TLS with the control plane's own certificate. Who asks is not
 * looked at, as with Istio: an answer tells nothing but what is wrong with what was sent.
 * @throws MeshError UNAVAILABLE when the address cannot be bound
 */
export async function serveWebhook(o: WebhookOptions): Promise<WebhookServer> {
  const { host, port } = parseAddress(o.address);
  const reading = new Reading();
  const server = createServer({ ...contextOf(o.credentials.current), minVersion: "TLSv1.2" }, (request, response) => {
    answer(request, response, o, reading).catch((error: unknown) => {
      o.log.error("cannot answer a review", { error: String(error) });
      response.destroy();
    });
  });
  const renewal = o.credentials.onReplace((tls) => server.setSecureContext(contextOf(tls)));
  server.requestTimeout = READ_MS;
  server.headersTimeout = READ_MS;
  server.keepAliveTimeout = IDLE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new MeshError(Code.Unavailable, `Cannot listen on ${o.address}: ${cause.message}`, {}, cause)),
    );
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === "object" ? bound.port : 0,
    async [Symbol.asyncDispose]() {
      renewal[Symbol.dispose]();
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

const contextOf = (tls: ServerTls): { readonly key: string; readonly cert: string } => ({
  key: tls.keyPem,
  cert: tls.chainPem,
});

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const at = /^(.*):(\d+)$/.exec(address);
  if (at === null)
    throw new MeshError(Code.BadInput, `Cannot listen on ${JSON.stringify(address)}: it is not host:port`);
  return { host: (at[1] ?? "").replace(/^\[(.*)\]$/, "$1"), port: Number(at[2]) };
}

/** How much is being read at the moment. */
class Reading {
  #bytes = 0;

  /** @returns false when there is no room; else `leave` must follow */
  enter(bytes: number): boolean {
    if (this.#bytes + bytes > MAX_READING_BYTES) return false;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  o: WebhookOptions,
  reading: Reading,
): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  if (request.method === "GET" && path === "/ready") return void response.writeHead(200).end("ready\n");
  const refuse = (status: number, why: string): void => {
    o.metrics.httpError(status);
    // What is left of the body is not read.
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" }).end(`${why}\n`);
  };
  if (path !== "/validate" && !path.startsWith("/validate/")) return refuse(404, "not found");
  if (request.method !== "POST") return refuse(405, "only POST is allowed");
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) return refuse(415, "send application/json");
  const length = Number(request.headers["content-length"] ?? MAX_BODY_BYTES);
  if (length > MAX_BODY_BYTES) return refuse(413, `at most ${MAX_BODY_BYTES} bytes are read`);
  if (!reading.enter(length)) return refuse(503, "too much is being read");
  try {
    const body = await readBody(request, length);
    if (body === null) return refuse(413, `at most ${MAX_BODY_BYTES} bytes are read`);
    const review = reviewAdmission(parseJson(body));
    if (review === null) return refuse(400, "send an AdmissionReview of admission.k8s.io/v1");
    o.metrics.reviewed(review);
    const text = JSON.stringify(review.reply);
    response.writeHead(200, { "content-type": "application/json" }).end(text);
  } finally {
    reading.leave(length);
  }
}

/** @returns null when there is more of it than `maxBytes` */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += (part as Buffer).length;
    if (bytes > maxBytes) return null;
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts, bytes).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // no AdmissionReview, which the caller says
  }
}
