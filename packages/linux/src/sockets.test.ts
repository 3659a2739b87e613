import { Buffer } from "node:buffer";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { Worker } from "node:worker_threads";
import type { ConnectOptions, ListenOptions } from "@lateen/datapath";
import { defaultInPodOptions, inPodPlan } from "@lateen/redirection";
import { requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { listeningSockets } from "./listeners.ts";
import { type Netns, createNetns, currentNetns, inNetns } from "./namespaces.ts";
import { applyPlan } from "./netlink/redirect-plan.ts";
import { openRtnetlink } from "./netlink/rtnetlink.ts";
import { encodeInet } from "./sockaddr.ts";
import { socketFactory, threadSocketFactory } from "./sockets.ts";
import { acceptStream, connectStream } from "./stream-calls.ts";

const MARK = 0x539;
/** What this kernel has. */
const CONGESTION_CONTROLS = readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8")
  .trim()
  .split(" ");
/** Not in Node's types, but where its sockets keep the descriptor. */
const fdOf = (s: net.Socket): number => (s as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
const keepAlive = { idleSec: 180, intervalSec: 180, probes: 9 };

describe.skipIf(requireRoot())("sockets inside a namespace", () => {
  let pod: Netns;
  beforeAll(() => {
    pod = createNetns();
    using route = openRtnetlink(pod.fd);
    route.setLink(route.requireLink("lo").index, { up: true });
  });
  afterAll(() => pod[Symbol.dispose]());

  const listenOptions = (port: number, more: Partial<ListenOptions> = {}): ListenOptions => ({
    netns: pod.fd,
    mark: MARK,
    keepAlive: null,
    address: { ip: "::", port },
    dualStack: true,
    reusePort: true,
    transparent: "best-effort",
    backlog: 128,
    ...more,
  });
  const connectOptions = (ip: string, port: number, more: Partial<ConnectOptions> = {}): ConnectOptions => ({
    netns: pod.fd,
    mark: MARK,
    keepAlive,
    to: { ip, port },
    from: null,
    timeoutMs: 5_000,
    ...more,
  });

  async function serve(port: number): Promise<net.Server> {
    const { fd } = socketFactory.listener(listenOptions(port));
    const server = net.createServer().listen({ fd });
    await once(server, "listening");
    return server;
  }

  async function dial(o: ConnectOptions): Promise<net.Socket> {
    // `manualStart` is Node's, but not in its types.
    const options: net.SocketConstructorOpts & { manualStart: boolean } = {
      fd: socketFactory.client(o),
      manualStart: true,
    };
    const socket = new net.Socket(options);
    socket.connect({ host: o.to.ip, port: o.to.port });
    await once(socket, "connect", { signal: AbortSignal.timeout(5_000) });
    return socket;
  }

  test("options of a listener and of a client are what was asked for", () => {
    const { fd, transparent } = socketFactory.listener(listenOptions(15_001));
    const patience = { keepAlive: { ...keepAlive, userTimeout: true } };
    const client = socketFactory.client(connectOptions("127.0.0.1", 15_001, patience));
    const ask = (s: number, level: number, name: number): number => libc.getsockoptInt(s, level, name);
    expect({
      transparent,
      mark: ask(fd, k.SOL_SOCKET, k.SO_MARK),
      reusePort: ask(fd, k.SOL_SOCKET, k.SO_REUSEPORT),
      reuseAddr: ask(fd, k.SOL_SOCKET, k.SO_REUSEADDR),
      v6only: ask(fd, k.SOL_IPV6, k.IPV6_V6ONLY),
      accepts: ask(fd, k.SOL_SOCKET, k.SO_ACCEPTCONN),
      bits: libc.fcntl(fd, k.F_GETFL) & k.O_NONBLOCK && libc.fcntl(fd, k.F_GETFD) & k.FD_CLOEXEC,
    }).toEqual({ transparent: true, mark: MARK, reusePort: 1, reuseAddr: 0, v6only: 0, accepts: 1, bits: 1 });
    expect({
      mark: ask(client, k.SOL_SOCKET, k.SO_MARK),
      noDelay: ask(client, k.SOL_TCP, k.TCP_NODELAY),
      keepAlive: ask(client, k.SOL_SOCKET, k.SO_KEEPALIVE),
      idle: ask(client, k.SOL_TCP, k.TCP_KEEPIDLE),
      interval: ask(client, k.SOL_TCP, k.TCP_KEEPINTVL),
      probes: ask(client, k.SOL_TCP, k.TCP_KEEPCNT),
      userTimeout: ask(client, k.SOL_TCP, k.TCP_USER_TIMEOUT),
    }).toEqual({ mark: MARK, noDelay: 1, keepAlive: 1, idle: 180, interval: 180, probes: 9, userTimeout: 1_800_000 });
    libc.close(fd);
    libc.close(client);
  });

  test("within a namespace nothing is paced: neither what dials nor what is accepted", () => {
    const [paced] = CONGESTION_CONTROLS.filter((name) => name !== "reno");
    if (paced !== undefined) inNetns(pod.fd, () => writeFileSync("/proc/sys/net/ipv4/tcp_congestion_control", paced));
    const control = (fd: number): string => {
      const name = Buffer.alloc(16);
      return name.toString("latin1", 0, libc.getsockopt(fd, k.SOL_TCP, k.TCP_CONGESTION, name)).replace(/\0.*/, "");
    };
    const pair = (port: number, sameNamespace: boolean): readonly string[] => {
      const { fd: listener } = socketFactory.listener(listenOptions(port, { sameNamespace }));
      const client = socketFactory.client(connectOptions("127.0.0.1", port, { sameNamespace }));
      connectStream(client, { ip: "127.0.0.1", port }, "ipv4"); // within one machine it is there at once
      const accepted = acceptStream(listener);
      if (typeof accepted === "number") throw new Error(`not accepted: ${accepted}`);
      const names = [control(client), control(accepted.fd)];
      for (const fd of [listener, client, accepted.fd]) libc.close(fd);
      return names;
    };
    expect(pair(15_001, true)).toEqual(["reno", "reno"]);
    if (paced !== undefined) expect(pair(15_008, false)).toEqual([paced, paced]);
  });

  test.each(["127.0.0.1", "::1"])("bytes go both ways over %s through Node's own sockets", async (ip) => {
    const server = await serve(15_006);
    server.on("connection", (s) => s.pipe(s));
    const client = await dial(connectOptions(ip, 15_006));
    client.end("there and back");
    const echoed = (await client.toArray()) as Buffer[];
    expect(Buffer.concat(echoed).toString()).toBe("there and back");
    server.close();
  });

  test.each([
    ["127.0.0.1", "127.0.0.9"],
    ["::1", "::1"],
  ])("to %s from %s, the server sees that source", async (ip, from) => {
    const server = await serve(15_006);
    const accepted = once(server, "connection") as Promise<[net.Socket]>;
    const client = await dial(connectOptions(ip, 15_006, { from }));
    const [peer] = await accepted;
    expect([peer.remoteAddress!.replace("::ffff:", ""), client.localAddress]).toEqual([from, from]);
    client.destroy();
    peer.destroy();
    server.close();
  });

  test("from a port of a few, the next when one is taken, and from any when all are", () => {
    const bound = (fromPorts: readonly number[]): readonly [number, number] => {
      const fd = socketFactory.client(connectOptions("127.0.0.1", 80, { from: "127.0.0.9", fromPorts }));
      return [fd, libc.getsockname(fd).readUInt16BE(2)];
    };
    const [[a, first], [b, second], [c, third]] = [bound([20_001, 20_002]), bound([20_001, 20_002]), bound([20_001])];
    expect([first, second, third]).toEqual([20_001, 20_002, 0]); // chosen at connect
    for (const fd of [a, b, c]) libc.close(fd);
  });

  test.each(["203.0.113.7", "2001:db8::7"])("a source that the pod does not own can be bound: %s", (from) => {
    const fd = socketFactory.client(connectOptions(from.includes(":") ? "::1" : "127.0.0.1", 80, { from }));
    expect(libc.getsockname(fd).includes(Buffer.from(from.includes(":") ? "20010db8" : "cb007107", "hex"))).toBe(true);
    libc.close(fd);
  });

  test("two listeners share a port with SO_REUSEPORT, and a third without is refused by name", () => {
    const [a, b] = [socketFactory.listener(listenOptions(15_008)), socketFactory.listener(listenOptions(15_008))];
    expect(() => socketFactory.listener(listenOptions(15_008, { reusePort: false }))).toThrow(
      "Cannot listen on :: port 15008: bind failed with EADDRINUSE",
    );
    libc.close(a.fd);
    libc.close(b.fd);
  });

  test("a thread's own factory visits namespaces and is home again after each, failed ones too", () => {
    using factory = threadSocketFactory();
    using other = createNetns();
    using home = currentNetns();
    const made = [pod.fd, other.fd].map((netns) => factory.listener(listenOptions(9100, { netns })));
    expect(() => factory.listener(listenOptions(9100, { netns: other.fd, reusePort: false }))).toThrow(/port 9100/);
    expect([pod.fd, other.fd].map((netns) => listeningSockets(netns).some((s) => s.port === 9100))).toEqual([
      true,
      true,
    ]);
    expect(listeningSockets(home.fd).some((s) => s.port === 9100)).toBe(false);
    const client = factory.client(connectOptions("127.0.0.1", 9100, { netns: other.fd }));
    using now = currentNetns();
    expect(now.id).toBe(home.id);
    for (const fd of [client, ...made.map((m) => m.fd)]) libc.close(fd);
  });

  test("a listener of one family, without transparency", () => {
    const got = socketFactory.listener(
      listenOptions(15_053, { address: { ip: "127.0.0.1", port: 15_053 }, transparent: "off", reusePort: false }),
    );
    expect([got.transparent, libc.getsockoptInt(got.fd, k.SOL_SOCKET, k.SO_REUSEADDR)]).toEqual([false, 1]);
    libc.close(got.fd);
  });

  test("what fails leaves no descriptor behind", () => {
    const next = (): number => {
      const fd = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
      libc.close(fd);
      return fd;
    };
    const before = next();
    expect(() => socketFactory.client(connectOptions("127.0.0.1", 1, { from: "::1" }))).toThrow("not IPv4");
    expect(() =>
      socketFactory.listener(listenOptions(80, { address: { ip: "192.0.2.1", port: 80 }, transparent: "off" })),
    ).toThrow("EADDRNOTAVAIL");
    expect(next()).toBe(before);
  });

  describe("where a redirected connection wanted to go", () => {
    test("null while nothing tracks connections", async () => {
      const server = await serve(15_008);
      const accepted = once(server, "connection") as Promise<[net.Socket]>;
      const client = await dial(connectOptions("127.0.0.1", 15_008));
      const [peer] = await accepted;
      expect(socketFactory.originalDestination(fdOf(peer))).toBeNull();
      client.destroy();
      peer.destroy();
      server.close();
    });

    test.each([
      ["192.0.2.10", "192.0.2.1", 24],
      ["2001:db8::10", "2001:db8::1", 64],
    ])("%s, for a connection that left the pod", async (ip, own, prefixLength) => {
      using pod = createNetns();
      using route = openRtnetlink(pod.fd);
      route.addVeth({ name: "eth0", peer: { name: "peer0" } });
      for (const name of ["lo", "eth0", "peer0"]) route.setLink(name, { up: true });
      route.addAddress({ index: route.requireLink("eth0").index, ip: own, prefixLength });
      applyPlan(pod.fd, inPodPlan(defaultInPodOptions));
      const { fd } = socketFactory.listener(listenOptions(15_001, { netns: pod.fd }));
      const client = socketFactory.client(connectOptions(ip, 4321, { netns: pod.fd, mark: 0 }));
      libc.connect(client, encodeInet({ ip, port: 4321 }, ip.includes(":") ? "ipv6" : "ipv4"));
      libc.poll([{ fd, events: k.POLLIN }], 3_000);
      const accepted = libc.accept4(fd, k.SOCK_CLOEXEC)!;
      expect(socketFactory.originalDestination(accepted)).toEqual({ ip, port: 4321 });
      for (const s of [fd, client, accepted]) libc.close(s);
    });

    test("a descriptor that is no socket is an error, not null", () => {
      const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
      expect(() => socketFactory.originalDestination(file)).toThrow("ENOTSOCK");
      libc.close(file);
    });
  });

  test("a worker thread serves a socket made in the namespace", async () => {
    const code = `
      import net from "node:net";
      import { parentPort, workerData } from "node:worker_threads";
      const { socketFactory } = await import(workerData.sockets);
      const { fd } = socketFactory.listener(workerData.options);
      const server = net.createServer((s) => { s.end("from the worker"); server.close(); }).listen({ fd });
      server.on("listening", () => parentPort.postMessage("up"));
    `;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { sockets: new URL("./sockets.ts", import.meta.url).href, options: listenOptions(15_080) },
    });
    await once(worker, "message", { signal: AbortSignal.timeout(10_000) });
    const client = await dial(connectOptions("127.0.0.1", 15_080));
    expect(Buffer.concat((await client.toArray()) as Buffer[]).toString()).toBe("from the worker");
    await once(worker, "exit");
  });
});
