import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Code, MeshError } from "@lateen/errors";
import { failureOf } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import * as k from "./constants.ts";
import * as epoll from "./epoll.ts";
import * as libc from "./libc.ts";
import { errnoName, errnoOf } from "./system-error.ts";

const failure = failureOf(MeshError.is);

/** What a caller could get past the compiler: everything here must be refused before C sees it. */
const hostile = {
  numbers: [NaN, Infinity, 1.5, 2 ** 32, -(2 ** 31) - 1, "1", null, undefined, {}, 1n],
  fds: [-1, NaN, 0.5, 2 ** 31, "0", null, undefined],
  views: [null, undefined, "text", 4096, [1, 2, 3], {}, new ArrayBuffer(8), new Uint32Array(2), { byteLength: 1e9 }],
} as unknown as { numbers: number[]; fds: number[]; views: Uint8Array[] };

describe("hostile arguments are refused as bugs", () => {
  const [a, b] = libc.socketpair(k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0);
  const view = Buffer.alloc(8);
  const withView: Record<string, (v: Uint8Array) => unknown> = {
    bind: (v) => libc.bind(a, v),
    connect: (v) => libc.connect(a, v),
    setsockopt: (v) => libc.setsockopt(a, k.SOL_SOCKET, k.SO_MARK, v),
    getsockopt: (v) => libc.getsockopt(a, k.SOL_SOCKET, k.SO_TYPE, v),
    send: (v) => libc.send(a, v),
    "sendto, data": (v) => libc.sendto(a, v, 0, view),
    "sendto, address": (v) => libc.sendto(a, view, 0, v),
    recv: (v) => libc.recv(a, v),
    recvfrom: (v) => libc.recvfrom(a, v, 0),
    sendmsg: (v) => libc.sendmsg(a, v),
    recvmsg: (v) => libc.recvmsg(a, v, 1),
    read: (v) => libc.read(a, v),
    write: (v) => libc.write(a, v),
    "epoll wait": (v) => epoll.wait(a, v, 0),
  };
  test.each(Object.keys(withView))("%s with something that is no byte view", (name) => {
    for (const v of hostile.views) expect(failure(() => withView[name]!(v)).code).toBe(Code.Bug);
  });

  const withFd: Record<string, (fd: number) => unknown> = {
    close: (fd) => libc.close(fd),
    listen: (fd) => libc.listen(fd, 1),
    accept4: (fd) => libc.accept4(fd, 0),
    send: (fd) => libc.send(fd, view),
    recv: (fd) => libc.recv(fd, view),
    recvmsg: (fd) => libc.recvmsg(fd, view, 1),
    "sendmsg, descriptors": (fd) => libc.sendmsg(a, view, [fd]),
    setns: (fd) => libc.setns(fd, k.CLONE_NEWNET),
    poll: (fd) => libc.poll([{ fd, events: 1 }], 0),
    fcntl: (fd) => libc.fcntl(fd, k.F_GETFD),
    getsockname: (fd) => libc.getsockname(fd),
    "epoll control": (fd) => epoll.control(a, "add", fd, { events: 1, token: 1 }),
  };
  test.each(Object.keys(withFd))("%s with something that is no descriptor", (name) => {
    for (const fd of hostile.fds) expect(failure(() => withFd[name]!(fd)).code).toBe(Code.Bug);
  });

  const withNumber: Record<string, (n: number) => unknown> = {
    socket: (n) => libc.socket(n, 1, 0),
    setsockopt: (n) => libc.setsockoptInt(a, k.SOL_SOCKET, k.SO_MARK, n),
    "recvmsg, room": (n) => libc.recvmsg(a, view, n === 1.5 ? n : 254),
    unshare: (n) => libc.unshare(n),
    prctl: (n) => libc.prctl(k.PR_SET_PDEATHSIG, n),
    kill: (n) => libc.kill(n, 0),
    "poll, timeout": (n) => libc.poll([], n),
  };
  test.each(Object.keys(withNumber))("%s with something that is no 32-bit integer", (name) => {
    for (const n of hostile.numbers) expect(failure(() => withNumber[name]!(n)).code).toBe(Code.Bug);
  });

  test("lengths beyond what a call can take", () => {
    expect(failure(() => libc.sendmsg(a, Buffer.alloc(65_537))).code).toBe(Code.Bug);
    expect(failure(() => libc.recvmsg(a, Buffer.alloc(65_537), 0)).code).toBe(Code.Bug);
    expect(failure(() => libc.bind(a, Buffer.alloc(129))).code).toBe(Code.Bug);
    expect(failure(() => libc.sendmsg(a, view, new Array<number>(254).fill(b))).code).toBe(Code.Bug);
    expect(failure(() => libc.poll(new Array(1025).fill({ fd: a, events: 0 }) as libc.PollItem[], 0)).code).toBe(
      Code.Bug,
    );
  });

  test.each([5, 12, 17, 0, NaN])("fcntl command %s, whose argument may be an address", (command) =>
    expect(failure(() => libc.fcntl(a, command, 4096)).code).toBe(Code.Bug),
  );
  test.each([2, 15, 16, 37, 53, NaN])("prctl option %s, whose argument is an address", (option) =>
    expect(failure(() => libc.prctl(option, 4096)).code).toBe(Code.Bug),
  );
  test.each(["", "a\0b", "x".repeat(4096), 7 as unknown as string])("path %j", (path) =>
    expect([Code.BadInput, Code.Unavailable]).toContain(failure(() => libc.open(path, 0)).code),
  );
});

describe("descriptors in messages", () => {
  const pair = (): readonly [number, number] =>
    libc.socketpair(k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0);

  test.each([0, 1, 2, 3, 64, 253])("%i of them arrive, close-on-exec, naming the same file", (count) => {
    const [a, b] = pair();
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    libc.sendmsg(a, Buffer.from("hello"), new Array<number>(count).fill(file));
    const into = Buffer.alloc(5);
    const got = libc.recvmsg(b, into, 253, k.MSG_CMSG_CLOEXEC)!;
    expect({ text: into.toString(), n: got.fds.length, cut: got.truncated || got.controlTruncated }).toEqual({
      text: "hello",
      n: count,
      cut: false,
    });
    for (const fd of got.fds) {
      expect(fs.fstatSync(fd).rdev).toBe(fs.fstatSync(file).rdev);
      expect(libc.fcntl(fd, k.F_GETFD) & k.FD_CLOEXEC).toBe(1);
    }
    for (const fd of [a, b, file, ...got.fds]) libc.close(fd);
  });

  test("what does not fit is reported, and not written", () => {
    const [a, b] = pair();
    libc.sendmsg(a, Buffer.from("0123456789"), [a, a, a, a, a]);
    const memory = Buffer.alloc(32, 0xee);
    const got = libc.recvmsg(b, memory.subarray(8, 12), 1, k.MSG_CMSG_CLOEXEC)!;
    expect([got.truncated, got.controlTruncated, got.length]).toEqual([true, true, 4]);
    expect(memory.toString("latin1")).toBe("\xee".repeat(8) + "0123" + "\xee".repeat(20));
    for (const fd of [a, b, ...got.fds]) libc.close(fd);
  });

  test("a closed descriptor is refused and nothing is sent", () => {
    const [a, b] = pair();
    const gone = libc.dup(a);
    libc.close(gone);
    expect(failure(() => libc.sendmsg(a, Buffer.from("x"), [gone])).facts["errno"]).toBe("EBADF");
    expect(libc.recvmsg(b, Buffer.alloc(8), 1)).toBeNull();
    for (const fd of [a, b]) libc.close(fd);
  });
});

describe("errors", () => {
  test("carry call, errno and its name", () => {
    const e = failure(() => libc.open("/no/such/file", k.O_RDONLY));
    expect([e.message, e.facts]).toEqual([
      'Cannot open "/no/such/file": open failed with ENOENT',
      { syscall: "open", errno: "ENOENT", number: 2 },
    ]);
    expect(errnoOf(e)).toBe("ENOENT");
    expect(errnoOf(new Error("x"))).toBeNull();
  });
  test.each([
    [98, "EADDRINUSE"],
    [11, "EAGAIN"],
    [4000, "E4000"],
  ])("errno %i is %s", (number, name) => expect(errnoName(number)).toBe(name));
});

test("a call goes on after a signal", async () => {
  // The child gets a signal while it waits in poll(2); were EINTR not retried, it would end with an error.
  const code = `
    import * as libc from ${JSON.stringify(fileURLToPath(new URL("./libc.ts", import.meta.url)))};
    import { spawn } from "node:child_process";
    const [a] = libc.socketpair(1, 5, 0);
    process.on("SIGUSR1", () => console.log("signalled"));
    spawn("/bin/sh", ["-c", "kill -USR1 $PPID"]);
    libc.poll([{ fd: a, events: 1 }], 300);
  `;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--conditions=lateen:source", "--input-type=module", "-e", code]);
  expect(stdout).toBe("signalled\n");
});

test("on other systems the package can be imported, and says what it needs when used", async () => {
  const index = JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)));
  const code = `
    Object.defineProperty(process, "platform", { value: "darwin" });
    const linux = await import(${index});
    try { linux.createNetns(); } catch (e) { console.log(e.code, e.message); }
  `;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--conditions=lateen:source", "--input-type=module", "-e", code]);
  expect(stdout).toBe('UNAVAILABLE Cannot call the kernel: it needs Linux, this is "darwin"\n');
});
