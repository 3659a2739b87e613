import { Buffer } from "node:buffer";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { eventually, golden, requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "./constants.ts";
import * as libc from "./libc.ts";
import { type Netns, createNetns, inNetns } from "./namespaces.ts";
import { openRtnetlink } from "./netlink/rtnetlink.ts";
import { type CaptureOptions, openCapture } from "./packet-capture.ts";
import { createPcapFile, encodePcapHeader, encodePcapPacket } from "./pcap.ts";
import { encodeInet } from "./sockaddr.ts";

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
