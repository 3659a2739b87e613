import { Buffer } from "node:buffer";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { eventually, golden, requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AF_INET, AF_PACKET, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_RAW } from "./constants.ts";
import * as libc from "./libc.ts";
import { type Netns, createNetns, inNetns } from "./namespaces.ts";
import { openRtnetlink } from "./netlink/rtnetlink.ts";
import { type CaptureOptions, openCapture } from "./packet-capture.ts";
import { createPcapFile, encodePcapHeader, encodePcapPacket } from "./pcap.ts";
import { encodeInet, encodePacket } from "./sockaddr.ts";

interface Shape {
  readonly family?: 4 | 6;
  readonly ethertype?: number;
  readonly protocol?: number;
  readonly from?: number;
  readonly to?: number;
  readonly fragment?: number;
  /** IPv4 options, whole words. */
  readonly options?: readonly number[];
}

function frame(s: Shape): Buffer {
  const v6 = s.family === 6;
  const options = Buffer.from(s.options ?? []);
  const ip = v6 ? Buffer.alloc(40) : Buffer.alloc(20);
  if (v6) ip.set([0x60, 0, 0, 0, 0, 20, s.protocol ?? 6, 64]);
  else ip.set([0x45 + options.length / 4, 0, 0, 40 + options.length, 0, 0, 0, s.fragment ?? 0, 64, s.protocol ?? 6]);
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(s.from ?? 40_000, 0);
  tcp.writeUInt16BE(s.to ?? 8_080, 2);
  const ethernet = Buffer.alloc(14);
  ethernet.writeUInt16BE(s.ethertype ?? (v6 ? 0x86dd : 0x0800), 12);
  return Buffer.concat([ethernet, ip, options, tcp]);
}

describe.skipIf(requireRoot())("capture", () => {
  let pod: Netns;
  let sender: number;
  beforeAll(() => {
    pod = createNetns();
    using route = openRtnetlink(pod.fd);
    route.setLink(route.requireLink("lo").index, { up: true });
    sender = inNetns(pod.fd, () => libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  });
  afterAll(() => {
    libc.close(sender);
    pod[Symbol.dispose]();
  });
  const send = (text: string): unknown =>
    libc.sendto(sender, Buffer.from(text), 0, encodeInet({ ip: "127.0.0.1", port: 9 }, "ipv4"));
  /** Over `lo`, where it comes back at once. */
  const sendFrame = (bytes: Buffer): void =>
    inNetns(pod.fd, () => {
      const fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
      libc.sendto(fd, bytes, 0, encodePacket(0, libc.interfaceIndex("lo")!));
      libc.close(fd);
    });
  const options = (): CaptureOptions => ({ netns: pod.fd, interfaceName: "lo", direction: "in" });

  test("packets come in order with their bytes", async () => {
    using capture = openCapture(options());
    const payloads = ["first", "second", "third"];
    payloads.forEach(send);
    const seen: string[] = [];
    for await (const p of capture) {
      // Ethernet, IPv4 and UDP heads are 42 bytes; port unreachable answers carry ICMP instead.
      if (p.bytes[23] === 17) seen.push(p.bytes.subarray(42).toString());
      if (seen.length === payloads.length) break;
    }
    expect(seen).toEqual(payloads);
  });

  test("both directions show a packet of `lo` twice", () => {
    using capture = openCapture({ ...options(), direction: "both" });
    send("twice");
    expect(capture.take().filter((p) => p.bytes.includes("twice") && p.bytes[23] === 17).length).toBe(2);
  });

  test("long packets are cut, and their length is told", () => {
    using capture = openCapture({ ...options(), snapBytes: 64 });
    send("x".repeat(500));
    const [p] = capture.take();
    expect([p!.bytes.length, p!.wireBytes]).toEqual([64, 542]);
  });

  // Frames made by hand go out through a packet socket, so every shape can be shown to the filter, not only what TCP would send.
  test.each([
    ["TCP from the port", { from: 15_008 }, false],
    ["TCP to the port", { to: 15_008 }, false],
    ["TCP to the port behind IPv4 options", { to: 15_008, options: [1, 1, 1, 1] }, false],
    ["TCP of other ports", {}, true],
    ["TCP whose options hold the port's number", { options: [0x3a, 0xa0, 0x3a, 0xa0] }, true],
    ["UDP to the port", { to: 15_008, protocol: 17 }, true],
    ["a fragment without a TCP header", { to: 15_008, fragment: 100 }, true],
    ["TCP over IPv6 from the port", { family: 6, from: 15_008 }, false],
    ["TCP over IPv6 to the port", { family: 6, to: 15_008 }, false],
    ["TCP over IPv6 of other ports", { family: 6 }, true],
    ["UDP over IPv6 to the port", { family: 6, to: 15_008, protocol: 17 }, true],
    ["neither IPv4 nor IPv6", { ethertype: 0x88b5, to: 15_008 }, true],
  ] as const)("a port left out: %s", (_, shape, kept) => {
    using capture = openCapture({ ...options(), exceptTcpPort: 15_008 });
    sendFrame(frame(shape));
    sendFrame(frame({ ethertype: 0x88b6 })); // it comes last, so nothing is on its way any more
    const seen = capture.take().map((p) => p.bytes.readUInt16BE(12));
    expect(seen.filter((type) => type !== 0x88b6).length).toBe(kept ? 1 : 0);
    expect(seen.at(-1)).toBe(0x88b6);
  });

  test("what nobody takes is bounded and counted", () => {
    using capture = openCapture({ ...options(), maxWaiting: 3 });
    for (let i = 0; i < 10; i++) send(`n${i}`);
    const kept = capture.take().length;
    const { received, dropped } = capture.counters;
    expect([kept, received - dropped]).toEqual([3, 3]);
    expect(received).toBeGreaterThanOrEqual(10);
  });

  test("disposing ends the iteration", async () => {
    const capture = openCapture(options());
    const iterated = (async () => {
      for await (const p of capture) void p;
      return "ended";
    })();
    await eventually(() => capture.counters.received >= 0);
    capture[Symbol.dispose]();
    expect(await iterated).toBe("ended");
  });

  test("an interface that is not there is named", () =>
    expect(() => openCapture({ ...options(), interfaceName: "eth9" })).toThrow('no interface "eth9"'));
});

describe("pcap files", () => {
  const packet = {
    timeMs: 1_700_000_000_123.456,
    bytes: Buffer.from("00112233445566778899aabb0800", "hex"),
    wireBytes: 60,
  };

  test("have the layout that readers expect", () =>
    golden("pcap", `${encodePcapHeader().toString("hex")}\n${encodePcapPacket(packet).toString("hex")}\n`));

  test("stop growing at their limit", () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pcap-"));
    const at = path.join(folder, "a.pcap");
    const size = 24 + 2 * (16 + packet.bytes.length);
    const file = createPcapFile(at, size + 10);
    expect([1, 2, 3].map(() => file.write(packet))).toEqual([true, true, false]);
    file[Symbol.dispose]();
    expect([fs.statSync(at).size, file.write(packet)]).toEqual([size, false]);
    fs.rmSync(folder, { recursive: true });
  });
});
