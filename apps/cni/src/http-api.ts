import { Buffer } from "node:buffer";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { Code, MeshError, httpStatus } from "@lateen/errors";
import { type Family, metricsContentType, renderOpenMetrics } from "@lateen/telemetry";
import type { Agent } from "./agent.ts";
import { parseDesiredPods } from "./desired-pods.ts";
import type { PodStatus } from "./pod-plan.ts";

const MAX_BODY_BYTES = 16 << 20;
const MAX_CONNECTIONS = 256;
const DEFAULT_WAIT_MS = 5_000;
const MAX_WAIT_MS = 60_000;

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly type?: string;
}

const notFound = (what: string): MeshError => new MeshError(Code.NoRoute, what);

async function bodyOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new MeshError(Code.BadInput, `Cannot take request: over ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function waitMs(url: URL): number {
  const text = url.searchParams.get("timeoutMs");
  if (text === null) return DEFAULT_WAIT_MS;
  if (!/^\d{1,9}$/.test(text)) throw new MeshError(Code.BadInput, `Cannot wait: timeoutMs "${text}" is not a number`);
  return Math.min(Number(text), MAX_WAIT_MS);
}

/** 200 when what was waited for holds, 404 for a pod that is not known, else 504, always with the pod's state. */
async function podReply(agent: Agent, uid: string, url: URL): Promise<Reply> {
  const wait = url.searchParams.get("wait");
  if (wait !== null && wait !== "enrolled" && wait !== "removed")
    throw new MeshError(Code.BadInput, `Cannot wait for "${wait}": only for "enrolled" or "removed"`);
  const holds = (s: PodStatus | null): boolean => (wait === "removed" ? s === null : s?.state === "enrolled");
  const status = wait === null ? agent.status(uid) : await agent.waitFor(uid, holds, AbortSignal.timeout(waitMs(url)));
  if (status === null) throw notFound(`Cannot find pod "${uid}": the agent does not hold it`);
  return { status: wait === null || holds(status) ? 200 : httpStatus.TIMEOUT, body: status };
}

const list = (agent: Agent): Reply => ({ status: 200, body: { pods: agent.list(), ztunnels: agent.ztunnels } });

async function route(request: http.IncomingMessage, sources: ApiSources): Promise<Reply> {
  const { agent } = sources;
  const url = new URL(request.url ?? "/", "http://agent");
  const where = `${request.method} ${url.pathname}`;
  if (where === "GET /v1/pods") return list(agent);
  if (where === "PUT /v1/pods") {
    const pods = parseDesiredPods(await bodyOf(request));
    if (!pods.ok) throw pods.error;
    agent.setDesired(pods.value);
    // No list: nobody reads hundreds of states whenever one pod comes.
    return { status: 200, body: { wanted: pods.value.length, ztunnels: agent.ztunnels } };
  }
  const pod = /^GET \/v1\/pods\/([A-Za-z0-9._-]{1,128})$/.exec(where);
  if (pod !== null) return podReply(agent, pod[1]!, url);
  if (where === "GET /healthz" || where === "GET /readyz") return { status: 200, body: "ok\n", type: "text/plain" };
  if (where === "GET /metrics") {
    const type = metricsContentType(request.headers.accept ?? "");
    return { status: 200, body: renderOpenMetrics(sources.metrics()), type };
  }
  throw notFound(`Cannot serve "${where.slice(0, 200)}": no such path`);
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  sources: ApiSources,
): Promise<void> {
  const reply = await route(request, sources).catch((e: unknown): Reply => {
    if (!MeshError.is(e)) return { status: 500, body: { code: Code.Bug, error: String(e) } };
    return { status: httpStatus[e.code], body: { code: e.code, error: e.message } };
  });
  const text = typeof reply.body === "string" ? reply.body : `${JSON.stringify(reply.body)}\n`;
  response.writeHead(reply.status, {
    "content-type": reply.type ?? "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

export interface ApiSources {
  readonly agent: Agent;
  readonly metrics: () => readonly Family[];
}

/**
 * Serves the API on a unix socket that only the owner may use; a socket left behind is replaced.
 * @throws MeshError BAD_INPUT when the path is somebody's file, UNAVAILABLE when it cannot be bound
 */
export async function serveApi(socket: string, sources: ApiSources): Promise<AsyncDisposable> {
  const there = fs.lstatSync(socket, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket())
    throw new MeshError(Code.BadInput, `Cannot serve on "${socket}": it exists and is not a socket`);
  fs.mkdirSync(path.dirname(socket), { recursive: true });
  fs.rmSync(socket, { force: true });
  const server = http.createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    answer(request, response, sources).catch(() => response.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (e) =>
      reject(new MeshError(Code.Unavailable, `Cannot serve on "${socket}": ${e.message}`, {}, e)),
    );
    server.listen(socket, resolve);
  });
  fs.chmodSync(socket, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
