import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { Code, MeshError } from "@lateen/errors";

/** One answer; `body` is sent whole. */
export interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}
export interface AdminRequest {
  readonly url: URL;
  readonly accept: string;
  /** The `authorization` header, empty when there is none. */
  readonly authorization: string;
  /** Address of who asks, as the socket has it. */
  readonly peer: string;
}
export type Route = (request: AdminRequest) => Reply | Promise<Reply>;
/** Keys are `METHOD /path`; a path that ends in `/` matches what is below it. */
export type Routes = Readonly<Record<string, Route>>;

/** A value as indented JSON. */
export function jsonReply(value: unknown): Reply {
  return { status: 200, type: "application/json", body: `${JSON.stringify(value, null, 2)}\n` };
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

const find = (routes: Routes, method: string, path: string): Route | undefined =>
  routes[`${method} ${path}`] ?? routes[`${method} ${path.slice(0, path.lastIndexOf("/") + 1)}`];

async function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const route = find(routes, request.method ?? "GET", url.pathname);
  const known = Object.keys(routes).some((key) => find({ [key]: routes[key]! }, key.split(" ")[0]!, url.pathname));
  const reply: Reply = route
    ? await route({
        url,
        accept: request.headers.accept ?? "",
        authorization: request.headers.authorization ?? "",
        peer: request.socket.remoteAddress ?? "",
      })
    : known
      ? { status: 405, body: "Method Not Allowed\n" }
      : { status: 404, body: "Not Found\n" };
  response.writeHead(reply.status, { "content-type": reply.type ?? "text/plain; charset=utf-8" }).end(reply.body);
}

/**
 * Serves `routes` on `address` (`host:port`). A handler that throws answers 500 with its message.
 * @throws MeshError UNAVAILABLE when the address cannot be bound
 */
export async function serveHttp(address: string, routes: Routes): Promise<HttpServer> {
  const at = /^(.*):(\d+)$/.exec(address);
  if (!at) throw new MeshError(Code.BadInput, `Cannot listen on ${JSON.stringify(address)}: it is not host:port`);
  const host = at[1]!.replace(/^\[(.*)\]$/, "$1");
  const server: Server = createServer((request, response) => {
    answer(routes, request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port: Number(at[2]) }, resolve);
  await promise.catch((cause: unknown) => {
    throw new MeshError(
      Code.Unavailable,
      `Cannot listen on ${address}: ${cause instanceof Error ? cause.message : cause}`,
      {},
      cause,
    );
  });
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === "object" ? bound.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
