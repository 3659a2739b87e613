import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import {
  type SeqpacketChannel,
  connectSeqpacket,
  listenSeqpacket,
  seqpacketChannel,
  seqpacketDescriptors,
  seqpacketPair,
} from "./seqpacket.ts";

const soon = (): AbortSignal => AbortSignal.timeout(5_000);
const linux = process.platform === "linux";

describe.skipIf(!linux)("SEQPACKET sockets", () => {
  let folder: string;
  beforeAll(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), "seqpacket-"))));
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("messages keep their borders and bring their descriptors, and the peer is known", async () => {
    const at = path.join(folder, "a.sock");
    using listener = listenSeqpacket({ path: at });
    expect(fs.statSync(at).mode & 0o777).toBe(0o600);
    using client = connectSeqpacket(at);
    using server = await listener.accept(soon());
    expect(server.peer).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    await client.send(Buffer.from("one"), [], soon());
    await client.send(Buffer.from("two"), [file], soon());
    const [one, two] = [await server.receive(1024, soon()), await server.receive(1024, soon())];
    expect([one, two].map((m) => (m.t === "message" ? [m.bytes.toString(), m.fds.length] : m.t))).toEqual([
      ["one", 0],
      ["two", 1],
    ]);
    if (two.t === "message") two.fds.forEach(libc.close);
    libc.close(file);
  });

  test("a message that comes later wakes the receiver, the end too", async () => {
    const [a, b] = seqpacketPair();
    const waiting = a.receive(16, soon());
    await b.send(Buffer.from("late"), [], soon());
    expect(await waiting).toMatchObject({ t: "message" });
    const end = a.receive(16, soon());
    b[Symbol.dispose]();
    expect(await end).toEqual({ t: "end" });
    a[Symbol.dispose]();
  });

  test("what a peer sent before it closed arrives, even if it left something unread", async () => {
    const [a, b] = seqpacketPair();
    await a.send(Buffer.from("unread"), [], soon());
    await b.send(Buffer.from("last words"), [], soon());
    b[Symbol.dispose]();
    expect(await a.receive(64, soon())).toMatchObject({ t: "message", bytes: Buffer.from("last words") });
    expect(await a.receive(64, soon())).toEqual({ t: "end" });
    a[Symbol.dispose]();
  });

  test("after a shutdown the peer can say nothing more, and what it said before is read", async () => {
    using pair = new DisposableStack();
    const [a, b] = seqpacketPair().map((s) => pair.use(s)) as ReturnType<typeof seqpacketPair> & unknown[];
    await b!.send(Buffer.from("before"), [], soon());
    a!.shut();
    await expect(b!.send(Buffer.from("after"), [], soon())).rejects.toMatchObject({ facts: { errno: "EPIPE" } });
    expect(await a!.receive(64, soon())).toMatchObject({ t: "message", bytes: Buffer.from("before") });
    expect(await a!.receive(64, soon())).toEqual({ t: "end" });
  });

  test("as many descriptors as the receiver has room for", async () => {
    using pair = new DisposableStack();
    const [a, b] = seqpacketPair().map((s) => pair.use(s)) as ReturnType<typeof seqpacketPair> & unknown[];
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    await a!.send(
      Buffer.from("many"),
      Array.from({ length: 253 }, () => file),
      soon(),
    );
    const got = await b!.receive(64, soon(), 253);
    expect(got.t === "message" && got.fds.length).toBe(253);
    if (got.t === "message") got.fds.forEach(libc.close);
    libc.close(file);
  });

  test("a message that is too long, or brings too many descriptors, is reported; no descriptor stays open", async () => {
    using pair = new DisposableStack();
    const [a, b] = seqpacketPair().map((s) => pair.use(s)) as ReturnType<typeof seqpacketPair> & unknown[];
    const open = (): number => fs.readdirSync("/proc/self/fd").length;
    const before = open();
    await a!.send(Buffer.alloc(17), [], soon());
    expect(await b!.receive(16, soon())).toEqual({
      t: "truncated",
      why: "the message was truncated: it has more than 16 bytes",
    });
    await a!.send(Buffer.alloc(1), new Array<number>(20).fill(0), soon());
    expect(await b!.receive(16, soon())).toMatchObject({ t: "truncated" });
    expect(open()).toBe(before);
  });

  test("a slow receiver makes the sender wait; nothing is lost", async () => {
    const [a, b] = seqpacketPair();
    const total = 500;
    const sending = (async () => {
      for (let i = 0; i < total; i++) await a.send(Buffer.alloc(4096, i & 0xff), [], soon());
    })();
    const seen: number[] = [];
    for (let i = 0; i < total; i++) {
      const m = await b.receive(4096, soon());
      seen.push(m.t === "message" ? m.bytes[0]! : -1);
    }
    await sending;
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => i & 0xff));
    a[Symbol.dispose]();
    b[Symbol.dispose]();
  });

  test("aborting or disposing ends a wait", async () => {
    const [a, b] = seqpacketPair();
    const stop = new AbortController();
    const one = a.receive(16, stop.signal);
    stop.abort(new Error("enough"));
    await expect(one).rejects.toThrow("enough");
    const two = a.receive(16, soon());
    a[Symbol.dispose]();
    await expect(two).rejects.toThrow("it is closed");
    await expect(a.receive(16, soon())).rejects.toThrow("it is closed");
    await expect(b.send(Buffer.from("x"), [], soon())).rejects.toMatchObject({ facts: { errno: "EPIPE" } });
    b[Symbol.dispose]();
  });

  test("a stale socket is replaced, a file is not, and the path stays, whoever listens there", () => {
    const at = path.join(folder, "b.sock");
    const first = listenSeqpacket({ path: at });
    const second = listenSeqpacket({ path: at, mode: 0o666 });
    first[Symbol.dispose]();
    expect(fs.statSync(at).mode & 0o777).toBe(0o666);
    second[Symbol.dispose]();
    expect(() => connectSeqpacket(at)).toThrow("connect failed with ECONNREFUSED");
    fs.rmSync(at);
    fs.writeFileSync(at, "mine");
    expect(() => listenSeqpacket({ path: at })).toThrow("it exists and is not a socket");
    expect(() => listenSeqpacket({ path: path.join(folder, "x".repeat(108)) })).toThrow("at most 107 are allowed");
    expect(() => connectSeqpacket(path.join(folder, "none.sock"))).toThrow("connect failed with ENOENT");
  });

  test("messages of a channel come at once or not at all, and nothing waits", () => {
    const [a, b] = seqpacketDescriptors().map((fd) => seqpacketChannel(fd, 1024)) as SeqpacketChannel[];
    expect(b!.receive(8)).toBeNull();
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    expect([a!.send(Buffer.from("one"), [file]), a!.send(Buffer.from("two"), [])]).toEqual(["sent", "sent"]);
    const [one, two] = [b!.receive(8), b!.receive(8)];
    expect([one, two].map((m) => (m?.t === "message" ? [m.bytes.toString(), m.fds.length] : m))).toEqual([
      ["one", 1],
      ["two", 0],
    ]);
    if (one?.t === "message") one.fds.forEach(libc.close);
    libc.close(file);
    let sent = 0;
    while (a!.send(Buffer.alloc(1024), []) === "sent") sent += 1;
    expect(a!.send(Buffer.alloc(1024), [])).toBe("full");
    for (let i = 0; i < sent; i++) expect(b!.receive(8)).toMatchObject({ t: "message" });
    b!.shut();
    expect([a!.send(Buffer.alloc(1), []), a!.receive(8), b!.receive(8)]).toEqual(["gone", { t: "end" }, { t: "end" }]);
    a![Symbol.dispose]();
    b![Symbol.dispose]();
    expect([a!.send(Buffer.alloc(1), []), a!.receive(8)]).toEqual(["gone", { t: "end" }]);
  });

  test("a process that waits can exit, of itself and on demand", async () => {
    const index = JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)));
    const script = (last: string): string => `
      import { seqpacketPair } from ${index};
      const [a, b] = seqpacketPair();
      a.receive(16, new AbortController().signal).catch(() => {});
      b.send(Buffer.from("x"), [], new AbortController().signal);
      setTimeout(() => { ${last} }, 50);
    `;
    const run = (last: string): Promise<unknown> => exitCodeOf(script(last));
    const exitCodeOf = async (program: string): Promise<unknown> => {
      const args = ["--conditions=lateen:source", "--input-type=module", "-e", program];
      try {
        await promisify(execFile)(process.execPath, args, { timeout: 10_000, killSignal: "SIGKILL" });
        return 0;
      } catch (e) {
        return (e as { code: unknown }).code;
      }
    };
    expect(await run("a.receive(16, new AbortController().signal).catch(() => {}); process.exit(3)")).toBe(3);
    expect(await run("a[Symbol.dispose](); b[Symbol.dispose]()")).toBe(0);
    expect(await run("throw new Error('x')")).toBe(1);
    // Nothing had to be waited for, so the waiting thread was never needed: it must not keep the process up either.
    const ready = `
      import { seqpacketPair } from ${index};
      const [a, b] = seqpacketPair();
      const never = new AbortController().signal;
      await b.send(Buffer.from("x"), [], never);
      await a.receive(16, never);
    `;
    expect(await exitCodeOf(ready)).toBe(0);
  });

  test("a thread other than the main one waits too, and ends", async () => {
    const index = JSON.stringify(new URL("./index.ts", import.meta.url).href);
    const inThread = `
      import { Buffer } from "node:buffer";
      import { parentPort } from "node:worker_threads";
      import { seqpacketPair } from ${index};
      const never = new AbortController().signal;
      const [a, b] = seqpacketPair();
      const got = a.receive(16, never);
      await new Promise((resolve) => setImmediate(resolve));
      await b.send(Buffer.from("x"), [], never);
      parentPort.postMessage((await got).bytes.toString());
      a[Symbol.dispose]();
      b[Symbol.dispose]();
    `;
    const program = `
      import { Worker } from "node:worker_threads";
      const url = new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(inThread)}));
      new Worker(url, { execArgv: ["--conditions=lateen:source"] }).on("message", (m) => process.stdout.write(m));
    `;
    const args = ["--conditions=lateen:source", "--input-type=module", "-e", program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000, killSignal: "SIGKILL" });
    expect(stdout).toBe("x");
  });
});
