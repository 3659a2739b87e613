import { Buffer } from "node:buffer";
import net from "node:net";
import { once } from "node:events";
import { type Netns, openNetns, socketFactory } from "@lateen/linux";
import type { PodReport } from "@lateen/local-mesh";

/** Everything until the other end ends. Unlike Node's own helpers it leaves our end open. */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks);
}

/** Waits until a connection is over, however it ended. @returns why, "" when it ended in order */
export async function over(socket: net.Socket): Promise<string> {
  let why = "";
  socket.on("error", (e: NodeJS.ErrnoException) => (why = e.code ?? e.message)).resume();
  if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
  return why;
}

/** A pod, in whose network this test opens sockets of its own: the pod's rules capture them as those of its processes. */
export class TestPod implements Disposable {
  readonly name: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly report: PodReport;
  readonly #netns: Netns;
  readonly #open = new Set<net.Socket | net.Server>();

  /** @param netns path of the pod's network namespace */
  constructor(report: PodReport, netns: string) {
    this.report = report;
    this.name = report.name;
    this.node = report.node;
    this.ips = report.ips;
    this.#netns = openNetns(netns);
  }

  get ip(): string {
    return this.ips[0] ?? "";
  }
  get ipv6(): string {
    return this.ips[1] ?? "";
  }
  get netns(): number {
    return this.#netns.fd;
  }

  /** A connection from the pod, on its way. Either end may close first. */
  connect(ip: string, port: number): net.Socket {
    const to = { ip, port };
    const fd = socketFactory.client({ netns: this.netns, mark: 0, keepAlive: null, to, from: null, timeoutMs: 0 });
    return this.#track(new net.Socket({ fd, allowHalfOpen: true })).connect({ port, host: ip });
  }

  /** A connection from the pod, made. @throws the socket's error when it is refused */
  async connected(ip: string, port: number): Promise<net.Socket> {
    const socket = this.connect(ip, port);
    await once(socket, "connect");
    return socket;
  }

  /** A server in the pod, on all of its addresses. */
  async listen(port: number, serve: (socket: net.Socket) => void): Promise<net.Server> {
    const { fd } = socketFactory.listener({
      netns: this.netns,
      mark: 0,
      keepAlive: null,
      address: { ip: "::", port },
      dualStack: true,
      reusePort: false,
      transparent: "off",
      backlog: 256,
    });
    const server = this.#track(net.createServer({ allowHalfOpen: true }, (socket) => serve(this.#track(socket))));
    server.listen({ fd });
    await once(server, "listening");
    return server;
  }

  #track<T extends net.Socket | net.Server>(opened: T): T {
    this.#open.add(opened);
    opened.once("close", () => this.#open.delete(opened));
    return opened;
  }

  [Symbol.dispose](): void {
    for (const opened of this.#open) {
      if (opened instanceof net.Server) opened.close();
      else opened.on("error", () => undefined).destroy();
    }
    this.#netns[Symbol.dispose]();
  }
}
