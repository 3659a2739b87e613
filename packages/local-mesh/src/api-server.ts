import { Buffer } from "node:buffer";
import fs from "node:fs";
import http from "node:http";
import { Code, MeshError, httpStatus } from "@lateen/errors";
import { z } from "zod";
import type { CapturedOutput, MeshStatus, ZtunnelUpgrade } from "./api-types.ts";
import type { BoundedLog } from "./bounded-log.ts";
import { lastLines, logTail } from "./bounded-log.ts";

/** What the daemon offers to its clients. */
export interface MeshApi {
  status(): Promise<MeshStatus>;
  /** Resolves with the status once `ready` or `settled` holds, or at the deadline with whatever is. */
  waitFor(what: "ready" | "settled", timeoutMs: number): Promise<MeshStatus>;
  /** @returns what was done, one line each @throws MeshError BAD_INPUT with every problem */
  apply(yaml: string): readonly string[];
  delete(objects: readonly ObjectName[]): readonly string[];
  exec(asked: CapturedRequest): Promise<CapturedOutput>;
  /** @throws MeshError NO_ROUTE when nothing is called that */
  log(target: string): BoundedLog;
  /** A GET or POST to the admin port of a node's ztunnel. */
  ztunnelAdmin(node: string, method: "GET" | "POST", path: string): Promise<AdminReply>;
  /** A GET or POST to the debug port of the control plane. @throws MeshError when it refuses, with its words */
  controlPlane(method: "GET" | "POST", path: string): Promise<string>;
  /** Replaces a node's ztunnel by a successor that takes over its connections. @throws MeshError when the old one goes on */
  upgradeZtunnel(node: string): Promise<ZtunnelUpgrade>;
  down(): void;
}

export interface ObjectName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface CapturedRequest {
  readonly pod: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface AdminReply {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

const MAX_BODY_BYTES = 8 * 1024 * 1024;

const objectNames = z.array(z.object({ kind: z.string(), namespace: z.string(), name: z.string() }));
const captured = z.object({
  pod: z.string(),
  argv: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()).default({}),
  timeoutMs: z.int().min(1).max(600_000).default(30_000),
});

type Reply = { readonly status: number; readonly type: string; readonly body: string | Buffer };

/** Serves the daemon's API on a unix socket that only its owner can open. */
export async function serveMeshApi(path: string, api: MeshApi): Promise<AsyncDisposable> {
  const server = http.createServer((request, response) => {
    respond(request, response, api).catch((e: unknown) => {
      if (!response.headersSent) send(response, errorReply(e));
      else response.destroy();
    });
  });
  server.maxConnections = 128;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (e) =>
      reject(new MeshError(Code.Unavailable, `Cannot serve on "${path}": ${e.message}`, {}, e)),
    );
    server.listen(path, resolve);
  });
  fs.chmodSync(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function errorReply(e: unknown): Reply {
  const code = MeshError.is(e) ? e.code : Code.Bug;
  const message = e instanceof Error ? e.message : String(e);
  return json({ code, message }, httpStatus[code]);
}

const json = (value: unknown, status = 200): Reply => ({
  status,
  type: "application/json",
  body: `${JSON.stringify(value)}\n`,
});

function send(response: http.ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { "content-type": reply.type });
  response.end(reply.body);
}

async function respond(request: http.IncomingMessage, response: http.ServerResponse, api: MeshApi): Promise<void> {
  const url = new URL(request.url ?? "/", "http://mesh");
  if (request.method === "GET" && url.pathname === "/v1/log") return sendLog(url, response, api);
  send(response, await route(request, url, api));
}

async function route(request: http.IncomingMessage, url: URL, api: MeshApi): Promise<Reply> {
  const where = `${request.method ?? ""} ${url.pathname}`;
  switch (where) {
    case "GET /v1/status":
      return json(await status(url, api));
    case "POST /v1/apply":
      return json(api.apply((await bodyOf(request)).toString("utf8")));
    case "POST /v1/delete":
      return json(api.delete(objectNames.parse(JSON.parse((await bodyOf(request)).toString("utf8")))));
    case "POST /v1/exec":
      return json(await api.exec(captured.parse(JSON.parse((await bodyOf(request)).toString("utf8")))));
    case "POST /v1/upgrade":
      return json(await api.upgradeZtunnel(url.searchParams.get("node") ?? ""));
    case "POST /v1/down":
      api.down();
      return json({});
    default: {
      const control = /^(GET|POST) \/v1\/controlplane(\/.*)$/.exec(where);
      if (control !== null) {
        const body = await api.controlPlane(control[1] as "GET" | "POST", `${control[2] ?? ""}${url.search}`);
        return { status: 200, type: "application/json", body };
      }
      const admin = /^(GET|POST) \/v1\/ztunnel\/([a-z0-9-]+)(\/.*)$/.exec(where);
      if (admin === null) throw new MeshError(Code.NoRoute, `Cannot serve "${where.slice(0, 200)}": no such path`);
      return api.ztunnelAdmin(admin[2] ?? "", admin[1] as "GET" | "POST", `${admin[3] ?? ""}${url.search}`);
    }
  }
}

async function status(url: URL, api: MeshApi): Promise<MeshStatus> {
  const wait = url.searchParams.get("wait");
  if (wait !== "ready" && wait !== "settled") return api.status();
  return api.waitFor(wait, Math.min(Number(url.searchParams.get("timeoutMs") ?? "1000") || 1_000, 60_000));
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new MeshError(Code.BadInput, `Cannot take request: over ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A reader that lags this far behind is cut off: a log is not kept in memory for it. */
const MAX_LAG_BYTES = 4 * 1024 * 1024;

function sendLog(url: URL, response: http.ServerResponse, api: MeshApi): void {
  const log = api.log(url.searchParams.get("of") ?? "");
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  const tailLines = url.searchParams.get("tailLines");
  response.write(tailLines === null ? logTail(log.path) : lastLines(logTail(log.path), Number(tailLines)));
  if (url.searchParams.get("follow") !== "true") return void response.end();
  const following = log.follow((chunk) => {
    if (response.writableLength > MAX_LAG_BYTES) response.destroy();
    else response.write(chunk);
  });
  response.on("close", () => following[Symbol.dispose]());
}
