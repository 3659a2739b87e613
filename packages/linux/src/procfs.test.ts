import { Buffer } from "node:buffer";
import fs from "node:fs";
import process from "node:process";
import { requireRoot } from "@lateen/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as libc from "./libc.ts";
import { decodeListener, encodeListenersRequest, listeningSockets } from "./listeners.ts";
import { createNetns } from "./namespaces.ts";
import { parseCgroupPod, parseListeners, parseStartTime, processStartTime, procfsListeners } from "./procfs.ts";
import { socketFactory } from "./sockets.ts";

const UID = "8d3f0a52-1c11-4a07-9d4e-7f4c4b1a2c3d";
const ID = "4c1b".repeat(16);
const found = { uid: UID, containerId: ID };

describe("the pod of a cgroup file", () => {
  test.each([
    [
      "cgroupfs, v1",
      `11:memory:/kubepods/burstable/pod${UID}/${ID}\n10:cpu:/kubepods/burstable/pod${UID}/${ID}\n`,
      found,
    ],
    ["cgroupfs, v2", `0::/kubepods/besteffort/pod${UID}/${ID}\n`, found],
    [
      "systemd driver, underscores",
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll("-", "_")}.slice/cri-containerd-${ID}.scope\n`,
      found,
    ],
    [
      "containerd with a colon",
      `0::/system.slice/containerd.service/kubepods-pod${UID}.slice:cri-containerd:${ID}\n`,
      found,
    ],
    ["nested in a container", `0::/docker/abc/kubelet/kubepods/pod${UID}/${ID}\n`, found],
    ["CRI-O without pod", `0::/system.slice/crio-${ID}.scope\n`, null],
    ["no pod", "0::/user.slice/user-1000.slice/session-1.scope\n", null],
    ["a uid too short", `0::/kubepods/pod${UID.slice(1)}/${ID}\n`, null],
    ["nothing after the pod", `0::/kubepods/pod${UID}/\n`, null],
    ["empty", "", null],
  ])("%s", (_, text, want) => expect(parseCgroupPod(text)).toEqual({ ok: true, value: want }));

  test("two containers contradict each other", () => {
    const text = `1:cpu:/kubepods/pod${UID}/${ID}\n2:memory:/kubepods/pod${UID}/${"f".repeat(64)}\n`;
    expect(parseCgroupPod(text)).toMatchObject({ ok: false, error: { code: "BAD_INPUT" } });
  });

  test("any text is answered", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseCgroupPod(text)));
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("0", "a", "-", "/", ":", "pod", "\n"), maxLength: 6000 }),
        (text) => void parseCgroupPod(text),
      ),
    );
  });
});

describe("a process's start time", () => {
  const tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
  test.each([
    ["plain", `12 (node)${tail}`, 4711],
    ["a name with blanks and parentheses", `12 (a) b (c) d)${tail}`, 4711],
    ["cut short", "12 (node) S 1 2", null],
    ["no number", `12 (node)${tail.replace("4711", "x")}`, null],
    ["empty", "", null],
  ])("%s", (_, text, want) => expect(parseStartTime(text)).toBe(want));
  test.skipIf(process.platform !== "linux")("of this process, and of none", () => {
    expect(processStartTime(process.pid)).toBeGreaterThan(0);
    expect(processStartTime(2 ** 22 + 1)).toBeNull();
  });
});

test("listeners of both families are read, other states are not", () => {
  const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const tcp = `${head}   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n   1: 0100007F:0050 0100007F:9999 01 00000000:00000000\n`;
  const tcp6 = `${head}   0: 00000000000000000000000000000000:3AA0 00000000000000000000000000000000:0000 0A 0\n   1: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0\nbroken\n`;
  expect(parseListeners(tcp)).toEqual([{ ip: "127.0.0.1", port: 15_001 }]);
  expect(parseListeners(tcp6)).toEqual([
    { ip: "::", port: 15_008 },
    { ip: "2001:db8::1", port: 22 },
  ]);
});

test.skipIf(requireRoot())("listeners of a namespace, not those of this process's own", () => {
  using pod = createNetns();
  expect(listeningSockets(pod.fd)).toEqual([]);
  const { fd } = socketFactory.listener({
    netns: pod.fd,
    mark: 0,
    keepAlive: null,
    address: { ip: "::", port: 15_006 },
    dualStack: true,
    reusePort: true,
    transparent: "off",
    backlog: 1,
  });
  expect(listeningSockets(pod.fd)).toEqual([{ ip: "::", port: 15_006 }]);
  expect(procfsListeners(pod.fd)).toEqual([{ ip: "::", port: 15_006 }]);
  libc.close(fd);
  expect(fs.existsSync("/proc/thread-self/net/tcp")).toBe(true);
});

test("questions and answers about listeners have the kernel's layout", () => {
  expect(Buffer.from(encodeListenersRequest(2, 7)).toString("hex")).toBe(
    "480000001400010307000000000000000206000000040000" + "00".repeat(48),
  );
  const v4 = Buffer.from("020a00003a99000a7f000001" + "00".repeat(60), "hex");
  expect(decodeListener(v4)).toEqual({ ip: "127.0.0.1", port: 15_001 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (b) => void decodeListener(b)));
});
