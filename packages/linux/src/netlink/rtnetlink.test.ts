import { requireRoot } from "@lateen/testkit";
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createNetns, inNetns } from "../namespaces.ts";
import { isErrno } from "./netlink-socket.ts";
import { openRtnetlink } from "./rtnetlink.ts";

const skip = requireRoot() !== false;

function errorOf(run: () => void): unknown {
  try {
    run();
  } catch (e) {
    return e;
  }
  throw new Error("nothing was thrown");
}

describe.skipIf(skip)("rtnetlink", () => {
  test("a new namespace has lo, down", () => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    expect(rt.links()).toEqual([
      {
        index: 1,
        name: "lo",
        up: false,
        running: false,
        address: "00:00:00:00:00:00",
        mtu: 65536,
        master: 0,
        kind: "",
        ipv6: true,
      },
    ]);
    rt.setLink("lo", { up: true });
    expect(rt.link("lo")?.up).toBe(true);
    rt.setLink("lo", { up: false });
    expect(rt.link("lo")?.up).toBe(false);
  });

  test("a link says whether it may have IPv6, as its sysctl does", () => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    for (const [value, ipv6] of [
      ["1", false],
      ["0", true],
    ] as const) {
      inNetns(ns.fd, () => writeFileSync("/proc/sys/net/ipv6/conf/lo/disable_ipv6", value));
      expect(rt.requireLink("lo").ipv6).toBe(ipv6);
    }
  });

  test("a veth pair spans two namespaces with a bridge at one end", () => {
    using node = createNetns();
    using pod = createNetns();
    using here = openRtnetlink(node.fd);
    using there = openRtnetlink(pod.fd);
    const bridge = here.addBridge("br0", { up: true });
    here.addVeth({
      name: "v0",
      mtu: 1400,
      peer: { name: "eth0", netns: pod.fd, address: "02:00:00:00:00:05", mtu: 1400 },
    });
    here.setLink("v0", { master: bridge, up: true });
    there.setLink("eth0", { up: true });
    expect(here.requireLink("v0")).toMatchObject({ kind: "veth", master: bridge, mtu: 1400, up: true });
    expect(there.requireLink("eth0")).toMatchObject({ address: "02:00:00:00:00:05", mtu: 1400, up: true });
    there.setLink("eth0", { up: false, name: "renamed" });
    expect(there.links().map((l) => l.name)).toEqual(["lo", "renamed"]);
    here.deleteLink("v0");
    expect(there.link("renamed")).toBeNull();
  });

  test("a link moves to another namespace", () => {
    using a = createNetns();
    using b = createNetns();
    using one = openRtnetlink(a.fd);
    using two = openRtnetlink(b.fd);
    one.addVeth({ name: "x", index: 30, peer: { name: "y", index: 40 } });
    expect(one.requireLink("y").index).toBe(40);
    one.setLink("y", { netns: b.fd });
    expect(one.link("y")).toBeNull();
    expect(two.link("y")?.kind).toBe("veth");
  });

  test.each([
    ["ipv4", "10.1.0.1", 24, "10.1.0.2", "0.0.0.0"],
    ["ipv6", "fd00::1", 64, "fd00::2", "::"],
  ] as const)("%s addresses and routes come back as they went", (family, ip, prefixLength, gateway, any) => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    rt.addVeth({ name: "x", peer: { name: "y" } });
    rt.setLink("y", { up: true });
    rt.setLink("x", { up: true });
    const { index } = rt.requireLink("x");
    rt.addAddress({ index, ip, prefixLength });
    expect(rt.addresses()).toContainEqual({ index, ip, prefixLength });
    rt.addRoute({ destination: any, prefixLength: 0, gateway, index, metric: 7 });
    expect(rt.routes(family, 254)).toContainEqual(
      expect.objectContaining({ destination: any, prefixLength: 0, gateway, index, metric: 7 }),
    );
    rt.replaceRoute({ destination: any, prefixLength: 0, index, table: 1000, gateway, onLink: true });
    rt.replaceRoute({ destination: any, prefixLength: 0, index, table: 1000, gateway, onLink: true });
    expect(rt.routes(family, 1000)).toHaveLength(1);
    expect(rt.routes(family, 1000)[0]).toMatchObject({ gateway, table: 1000, onLink: true, type: "unicast" });
    rt.deleteRoute({ destination: any, prefixLength: 0, table: 1000, gateway });
    expect(rt.routes(family, 1000)).toEqual([]);
    rt.deleteAddress({ index, ip, prefixLength });
    expect(rt.addresses().map((a) => a.ip)).not.toContain(ip);
  });

  test.each(["ipv4", "ipv6"] as const)("%s policy rules", (family) => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    const rule = { family, priority: 32764, mark: 0x111, mask: 0xfff, table: 1000 } as const;
    rt.addRule(rule);
    expect(rt.rules(family)).toContainEqual(rule);
    expect(
      isErrno(
        errorOf(() => rt.addRule(rule)),
        "EEXIST",
      ),
    ).toBe(true);
    rt.deleteRule(rule);
    expect(rt.rules(family)).not.toContainEqual(rule);
    expect(
      isErrno(
        errorOf(() => rt.deleteRule(rule)),
        "ENOENT",
      ),
    ).toBe(true);
  });

  test("a fixed neighbour can be set twice", () => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    const index = rt.addBridge("br0");
    rt.setNeighbour({ index, ip: "10.0.0.9", address: "02:00:00:00:00:09" });
    rt.setNeighbour({ index, ip: "10.0.0.9", address: "02:00:00:00:00:0a" });
  });

  test("refusals name the operation, the errno and the kernel's words", () => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    rt.addVeth({ name: "x", peer: { name: "y" } });
    const error = errorOf(() => rt.setLink("x", { mtu: 9 }));
    expect(error).toMatchObject({
      message: 'Cannot change link "x": EINVAL (mtu less than device minimum)',
      facts: { operation: 'change link "x"', errno: "EINVAL", kernel: "mtu less than device minimum" },
    });
    expect(errorOf(() => rt.requireLink("nope"))).toMatchObject({
      message: 'Cannot look up link "nope": there is none',
    });
    expect(rt.link("nope")).toBeNull();
    // The socket goes on working after a refusal.
    expect(rt.links()).toHaveLength(3);
  });

  test("a hundred links are listed whole", () => {
    using ns = createNetns();
    using rt = openRtnetlink(ns.fd);
    for (let i = 0; i < 50; i++) rt.addVeth({ name: `a${i}`, peer: { name: `b${i}` } });
    expect(rt.links()).toHaveLength(101);
  });

  test("the socket of a namespace keeps serving it", () => {
    using a = createNetns();
    using b = createNetns();
    using one = openRtnetlink(a.fd);
    using two = openRtnetlink(b.fd);
    one.addBridge("only-in-a");
    expect(two.link("only-in-a")).toBeNull();
    expect(one.link("only-in-a")?.kind).toBe("bridge");
  });
});
