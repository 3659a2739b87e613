import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, type Server, createServer, request } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** What the proxy answers by itself. */
export interface ProxyAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A request on its way, as seen by `intercept`. */
export interface Passing {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/**
 * A TLS proxy in front of an API server, with its certificate: the network and the load in between, to be made bad.
 * `intercept` decides about each request: null lets it pass, `hang` never answers.
 */
export class FaultProxy implements AsyncDisposable {
  /** Called for every request. */
  intercept: (passing: Passing) => ProxyAnswer | "hang" | null = () => null;
  /** Every answer, and every piece of one, is held back so long. */
  delayMs = 0;
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();
  readonly #target: URL;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #seen: Passing[] = [];
  #stalled = false;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
    const { address, port } = server.address() as AddressInfo;
    this.url = `https://${address}:${port}`;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined); // cut on purpose
    });
    server.on("request", (from: IncomingMessage, to: ServerResponse) => this.#pass(from, to));
  }

  static async start(
    host: string,
    target: URL,
    tls: { readonly key: string; readonly cert: string },
  ): Promise<FaultProxy> {
    const server = createServer(tls);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, host, resolve);
    });
    return new FaultProxy(server, target);
  }

  /** Requests that came, oldest first. */
  get seen(): readonly Passing[] {
    return this.#seen;
  }

  /** Connections stay and say nothing, in either direction, until disposed. */
  stall(): Disposable {
    this.#stalled = true;
    return {
      [Symbol.dispose]: () => {
        this.#stalled = false;
        for (const go of [...this.#waiting]) go();
      },
    };
  }

  /** Resets every connection there is. New ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets every connection and takes no new one until disposed. */
  async partition(): Promise<AsyncDisposable> {
    const { address, port } = this.#server.address() as AddressInfo;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
    return {
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => this.#server.listen(port, address, () => resolve())),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#agent.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(from: IncomingMessage, to: ServerResponse): void {
    const url = new URL(from.url ?? "/", this.#target);
    const passing = { method: from.method ?? "GET", path: url.pathname, query: url.searchParams };
    this.#seen.push(passing);
    const answer = this.intercept(passing);
    if (answer === "hang") return;
    if (answer !== null) {
      from.resume();
      to.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
      return void to.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
    }
    const headers = { ...from.headers, host: this.#target.host };
    const onward = request(url, { method: passing.method, headers, agent: this.#agent }, (response) => {
      void this.#relay(response, to);
    });
    onward.on("error", () => to.destroy());
    to.on("close", () => onward.destroy());
    void this.#relay(from, onward);
  }

  async #relay(from: IncomingMessage, to: ServerResponse | ReturnType<typeof request>): Promise<void> {
    try {
      await this.#held();
      if ("writeHead" in to) to.writeHead(from.statusCode ?? 502, from.headers).flushHeaders();
      for await (const part of from) {
        await this.#held();
        to.write(part);
      }
      await this.#held();
      to.end();
    } catch {
      to.destroy(); // one side is gone: so is the other
    }
  }

  async #held(): Promise<void> {
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    while (this.#stalled)
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#waiting.delete(go);
          resolve();
        };
        this.#waiting.add(go);
      });
  }
}
