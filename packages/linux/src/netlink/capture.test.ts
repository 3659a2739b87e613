import { Buffer } from "node:buffer";
import type { SocketAddress } from "@lateen/addresses";
import { type InPodOptions, PROXY_MARK, defaultInPodOptions, inPodPlan, serviceRuleset } from "@lateen/redirection";
import { requireRoot } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import {
  AF_INET,
  AF_INET6,
  IPV6_TRANSPARENT,
  IP_TRANSPARENT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SO_ERROR,
  SO_MARK,
  SO_ORIGINAL_DST,
} from "../constants.ts";
import * as libc from "../libc.ts";
import { type Netns, createNetns, inNetns } from "../namespaces.ts";
import { decodeInet, encodeInet } from "../sockaddr.ts";
import { openNftables } from "./nftables.ts";
import { applyPlan, removePlan } from "./redirect-plan.ts";
import { type Rtnetlink, openRtnetlink } from "./rtnetlink.ts";

const skip = requireRoot() !== false;
const POLLIN = 1;
const POLLOUT = 4;
const DEADLINE_MS = 10_000;
const STREAM = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

const peer = { ipv4: "10.9.0.1", ipv6: "fd09::1" } as const;
const pod = { ipv4: "10.9.0.2", ipv6: "fd09::2" } as const;
type Family = keyof typeof pod;

function configure(rt: Rtnetlink, ips: Readonly<Record<Family, string>>): void {
  rt.setLink("lo", { up: true });
  rt.setLink("eth0", { up: true });
  const { index } = rt.requireLink("eth0");
  rt.addAddress({ index, ip: ips.ipv4, prefixLength: 24 });
  rt.addAddress({ index, ip: ips.ipv6, prefixLength: 64 });
}

/** The kernel finishes a link and its IPv6 addresses in work of its own; packets before that are lost. */
function settle(rt: Rtnetlink, ip: string): void {
  rt.requireLink("eth0");
  const deadline = performance.now() + DEADLINE_MS;
  while (!rt.isLocal(ip)) if (performance.now() > deadline) throw new Error("the IPv6 address did not become usable");
}

/** Two namespaces joined by a veth pair, the plan applied in one. Sockets close with it. */
class Rig implements Disposable {
  readonly outside: Netns = createNetns();
  readonly inside: Netns = createNetns();
  private readonly stack = new DisposableStack();

  constructor(options: Partial<InPodOptions>) {
    this.stack.use(this.outside);
    this.stack.use(this.inside);
    using a = openRtnetlink(this.outside.fd);
    using b = openRtnetlink(this.inside.fd);
    a.addVeth({ name: "eth0", index: 8, peer: { name: "eth0", index: 9, netns: this.inside.fd } });
    configure(a, peer);
    configure(b, pod);
    settle(a, peer.ipv6);
    settle(b, pod.ipv6);
    applyPlan(this.inside.fd, inPodPlan({ ...defaultInPodOptions, ...options }));
  }

  private socket(ns: Netns, family: Family, type: number): number {
    const fd = inNetns(ns.fd, () => libc.socket(family === "ipv4" ? AF_INET : AF_INET6, type, 0));
    this.stack.defer(() => libc.close(fd));
    return fd;
  }

  listen(ns: Netns, at: SocketAddress, transparent = false): number {
    const family = at.ip.includes(":") ? "ipv6" : "ipv4";
    const fd = this.socket(ns, family, STREAM);
    if (transparent) setTransparent(fd, family);
    libc.bind(fd, encodeInet(at, family));
    libc.listen(fd, 8);
    return fd;
  }

  /** Begins to connect; `from` is a foreign address to appear with. */
  connect(ns: Netns, to: SocketAddress, o: { mark?: number; from?: string } = {}): number {
    const family = to.ip.includes(":") ? "ipv6" : "ipv4";
    const fd = this.socket(ns, family, STREAM);
    if (o.mark !== undefined) libc.setsockoptInt(fd, SOL_SOCKET, SO_MARK, o.mark);
    if (o.from !== undefined) {
      setTransparent(fd, family);
      libc.bind(fd, encodeInet({ ip: o.from, port: 0 }, family));
    }
    libc.connect(fd, encodeInet(to, family));
    return fd;
  }

  udp(ns: Netns, at: SocketAddress): number {
    const family = at.ip.includes(":") ? "ipv6" : "ipv4";
    const fd = this.socket(ns, family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    libc.bind(fd, encodeInet(at, family));
    return fd;
  }

  accept(listener: number): number {
    wait(listener, POLLIN);
    const fd = libc.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd === null) throw new Error("nobody waits");
    this.stack.defer(() => libc.close(fd));
    return fd;
  }

  [Symbol.dispose](): void {
    this.stack[Symbol.dispose]();
  }
}

function setTransparent(fd: number, family: Family): void {
  if (family === "ipv4") libc.setsockoptInt(fd, SOL_IP, IP_TRANSPARENT, 1);
  else libc.setsockoptInt(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
}

function wait(fd: number, events: number): void {
  if (libc.poll([{ fd, events }], DEADLINE_MS)[0] === 0) throw new Error("nothing happened before the deadline");
}

function originalDestination(fd: number, family: Family): SocketAddress | null {
  const into = Buffer.alloc(28);
  const size = libc.getsockopt(fd, family === "ipv4" ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, into);
  return decodeInet(into.subarray(0, size));
}

/** The errno of a finished connect, 0 for success. */
function outcome(fd: number): number {
  wait(fd, POLLOUT);
  return libc.getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
}

function exchange(a: number, b: number): void {
  libc.send(a, Buffer.from("ping"));
  const into = Buffer.alloc(16);
  wait(b, POLLIN);
  expect(into.toString("utf8", 0, libc.recv(b, into) ?? 0)).toBe("ping");
}

describe.skipIf(skip).each(["ipv4", "ipv6"] as const)("traffic of a captured pod, %s", (family) => {
  const any = family === "ipv4" ? "0.0.0.0" : "::";
  const loopback = family === "ipv4" ? "127.0.0.1" : "::1";
  const here = pod[family];
  const there = peer[family];

  test("what arrives goes to 15006, with its destination kept", () => {
    using rig = new Rig({});
    const listener = rig.listen(rig.inside, { ip: any, port: 15006 });
    const client = rig.connect(rig.outside, { ip: here, port: 8080 });
    const server = rig.accept(listener);
    expect(outcome(client)).toBe(0);
    expect(originalDestination(server, family)).toEqual({ ip: here, port: 8080 });
    exchange(client, server);
    exchange(server, client);
  });

  test("what leaves goes to 15001, with its destination kept", () => {
    using rig = new Rig({});
    const listener = rig.listen(rig.inside, { ip: any, port: 15001 });
    const client = rig.connect(rig.inside, { ip: there, port: 9999 });
    const server = rig.accept(listener);
    expect(outcome(client)).toBe(0);
    expect(originalDestination(server, family)).toEqual({ ip: there, port: 9999 });
    exchange(client, server);
  });

  test("the HBONE port is not captured", () => {
    using rig = new Rig({});
    const listener = rig.listen(rig.inside, { ip: any, port: 15008 });
    rig.connect(rig.outside, { ip: here, port: 15008 });
    expect(decodeInet(libc.getsockname(rig.accept(listener)))).toEqual({ ip: here, port: 15008 });
  });

  test("the proxy's own connections leave uncaptured", () => {
    using rig = new Rig({});
    const listener = rig.listen(rig.outside, { ip: any, port: 9999 });
    const client = rig.connect(rig.inside, { ip: there, port: 9999 }, { mark: PROXY_MARK });
    rig.accept(listener);
    expect(outcome(client)).toBe(0);
  });

  test("the application talks to itself uncaptured", () => {
    using rig = new Rig({});
    const listener = rig.listen(rig.inside, { ip: any, port: 8080 });
    for (const ip of [loopback, here]) {
      expect(outcome(rig.connect(rig.inside, { ip, port: 8080 }))).toBe(0);
      rig.accept(listener);
    }
  });

  test("without a proxy a connection is refused, not let through", () => {
    using rig = new Rig({});
    rig.listen(rig.inside, { ip: any, port: 8080 });
    const refused = 111;
    expect(outcome(rig.connect(rig.outside, { ip: here, port: 8080 }))).toBe(refused);
    rig.listen(rig.outside, { ip: any, port: 9999 });
    expect(outcome(rig.connect(rig.inside, { ip: there, port: 9999 }))).toBe(refused);
  });

  test("the proxy reaches the application with the client's address, and the reply finds the way back", () => {
    using rig = new Rig({});
    const app = rig.listen(rig.inside, { ip: any, port: 8080 });
    const proxy = rig.connect(rig.inside, { ip: here, port: 8080 }, { mark: PROXY_MARK, from: there });
    const server = rig.accept(app);
    expect(outcome(proxy)).toBe(0);
    expect(decodeInet(libc.getpeername(server))?.ip).toBe(there);
    exchange(server, proxy);
    exchange(proxy, server);
  });

  test("node probes reach the application itself", () => {
    using rig = new Rig({ probeSource: { ipv4: peer.ipv4, ipv6: peer.ipv6 } });
    const app = rig.listen(rig.inside, { ip: any, port: 8080 });
    const probe = rig.connect(rig.outside, { ip: here, port: 8080 });
    exchange(rig.accept(app), probe);
  });

  test("in ingress mode what arrives reaches the application, what leaves is captured", () => {
    using rig = new Rig({ inbound: "bypass" });
    const app = rig.listen(rig.inside, { ip: any, port: 8080 });
    const out = rig.listen(rig.inside, { ip: any, port: 15001 });
    rig.connect(rig.outside, { ip: here, port: 8080 });
    rig.accept(app);
    rig.connect(rig.inside, { ip: there, port: 9999 });
    rig.accept(out);
  });

  test("what comes in by a virtual interface counts as leaving", () => {
    using rig = new Rig({ virtualInterfaces: ["eth0"] });
    const out = rig.listen(rig.inside, { ip: any, port: 15001 });
    rig.connect(rig.outside, { ip: here, port: 8080 });
    expect(originalDestination(rig.accept(out), family)).toEqual({ ip: here, port: 8080 });
  });

  test.each([true, false])("with DNS capture %s, TCP queries", (dns) => {
    using rig = new Rig({ dns });
    const proxy = rig.listen(rig.inside, { ip: any, port: dns ? 15053 : 15001 });
    rig.connect(rig.inside, { ip: there, port: 53 });
    expect(originalDestination(rig.accept(proxy), family)).toEqual({ ip: there, port: 53 });
  });

  test.each([true, false])("with DNS capture %s, UDP queries", (dns) => {
    using rig = new Rig({ dns });
    const resolver = dns ? rig.udp(rig.inside, { ip: any, port: 15053 }) : rig.udp(rig.outside, { ip: any, port: 53 });
    // A datagram is not repeated, so the link must be known to work.
    const warm = rig.listen(rig.outside, { ip: any, port: 1 });
    rig.connect(rig.inside, { ip: there, port: 1 }, { mark: PROXY_MARK });
    rig.accept(warm);
    const query = rig.udp(rig.inside, { ip: any, port: 0 });
    libc.sendto(query, Buffer.from("q"), 0, encodeInet({ ip: there, port: 53 }, family));
    wait(resolver, POLLIN);
  });

  test("after removal nothing is captured", () => {
    using rig = new Rig({});
    removePlan(rig.inside.fd, inPodPlan(defaultInPodOptions));
    const app = rig.listen(rig.inside, { ip: any, port: 8080 });
    rig.connect(rig.outside, { ip: here, port: 8080 });
    rig.accept(app);
  });

  describe("in the form of 1.21", () => {
    test.each([15006, 15008])("what arrives goes to a transparent listener on %i", (port) => {
      using rig = new Rig({ form: "tproxy" });
      const listener = rig.listen(rig.inside, { ip: any, port }, true);
      const to = { ip: here, port: port === 15008 ? 15008 : 8080 };
      const client = rig.connect(rig.outside, to);
      const server = rig.accept(listener);
      expect(decodeInet(libc.getsockname(server))).toEqual(to);
      exchange(client, server);
      exchange(server, client);
    });
    test("what leaves goes to 15001", () => {
      using rig = new Rig({ form: "tproxy" });
      const listener = rig.listen(rig.inside, { ip: any, port: 15001 });
      rig.connect(rig.inside, { ip: there, port: 9999 });
      expect(originalDestination(rig.accept(listener), family)).toEqual({ ip: there, port: 9999 });
    });
  });
});

describe.skipIf(skip).each(["ipv4", "ipv6"] as const)("service addresses, %s", (family) => {
  const vip = family === "ipv4" ? "10.96.0.1" : "fd96::1";
  const any = family === "ipv4" ? "0.0.0.0" : "::";

  test("lead to every endpoint, and to none once they are replaced", () => {
    using rig = new Rig({});
    removePlan(rig.inside.fd, inPodPlan(defaultInPodOptions));
    using rt = openRtnetlink(rig.inside.fd);
    rt.addRoute({ destination: any, prefixLength: 0, gateway: peer[family], index: rt.requireLink("eth0").index });
    using nft = openNftables(rig.inside.fd);
    const ports = [9001, 9002, 9003];
    const apply = (list: readonly number[]): void =>
      nft.replace(
        serviceRuleset([
          { protocol: "tcp", vip: { ip: vip, port: 80 }, endpoints: list.map((port) => ({ ip: peer[family], port })) },
        ]),
      );
    const listeners = ports.map((port) => rig.listen(rig.outside, { ip: any, port }));
    apply(ports);
    const reached = new Set<number>();
    // The chance that one of three is never taken in 200 draws is below 1e-34.
    for (let i = 0; i < 200 && reached.size < ports.length; i++) {
      expect(outcome(rig.connect(rig.inside, { ip: vip, port: 80 }))).toBe(0);
      for (const [at, listener] of listeners.entries())
        if (libc.accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC) !== null) reached.add(at);
    }
    expect(reached.size).toBe(ports.length);
    apply([9003]);
    const client = rig.connect(rig.inside, { ip: vip, port: 80 });
    exchange(client, rig.accept(listeners[2]!));
  });
});
