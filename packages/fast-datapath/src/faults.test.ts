import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { SocketStream } from "@lateen/datapath";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FastDataPath } from "./fast-data-path.ts";

const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
const LISTEN = { ...SOCKET, dualStack: false, reusePort: false, transparent: "off", backlog: 64 } as const;
const MAX_TURNS = 20_000;

let path: FastDataPath;
let faults: unknown[];
beforeEach(() => {
  faults = [];
  path = new FastDataPath({ onFault: (fault) => faults.push(fault) });
});
afterEach(() => path[Symbol.dispose]());

/** Turns the loop, which these tests alone drive, until the condition holds. */
function until(condition: () => boolean): void {
  for (let i = 0; !condition(); i++) {
    if (i === MAX_TURNS) throw new Error("it never happened");
    path.turn(1);
  }
}

class End implements StreamHandler {
  bytes = 0;
  ended = false;
  closed: CloseReason | null = null;
  readonly stream: SocketStream;

  constructor(stream: SocketStream) {
    this.stream = stream;
    stream.attach(this);
  }
  onData(bytes: Uint8Array): void {
    this.bytes += bytes.length;
  }
  onEnd(): void {
    this.ended = true;
  }
  onWritable(): void {}
  onClose(reason: CloseReason): void {
    this.closed = reason;
  }
}

function pair(tenant = ""): readonly [End, End] {
  let near: SocketStream | null = null;
  let far: SocketStream | null = null;
  const listener = path.listen({ ...LISTEN, tenant, address: { ip: "127.0.0.1", port: 0 } }, (s) => (far = s));
  path.connect({ ...SOCKET, tenant, to: listener.address, from: null, timeoutMs: 5000 }, (r) => {
    near = r.ok ? r.value : null;
  });
  until(() => near !== null && far !== null);
  listener.close();
  return [new End(near!), new End(far!)];
}

describe("a loop at rest", () => {
  test("does nothing for half-closed, paused, reset and full sockets", () => {
    const [halfA, halfB] = pair();
    halfA.stream.end();
    const [pausedA, pausedB] = pair();
    pausedB.stream.pause();
    pausedA.stream.write(new Uint8Array(100));
    const [fullA, fullB] = pair();
    fullB.stream.pause();
    while (fullA.stream.write(new Uint8Array(65_536))) path.turn(0);
    const [resetA, resetB] = pair();
    resetB.stream.pause();
    resetA.stream.abort();
    until(() => halfB.ended && resetA.closed !== null);
    for (let i = 0; i < 100; i++) path.turn(0);
    const before = path.stats.events;
    for (let i = 0; i < 100; i++) path.turn(1);
    expect(path.stats.events).toBe(before);
    halfB.stream.write(new Uint8Array(7));
    until(() => halfA.bytes === 7);
    pausedB.stream.resume();
    resetB.stream.resume();
    fullB.stream.resume();
    until(() => pausedB.bytes === 100 && resetB.closed?.t === "reset" && fullA.stream.buffered === 0);
  });

  test("lets go of every descriptor", () => {
    const before = path.stats.descriptors;
    const ends = [pair(), pair()].flat();
    expect(path.stats.descriptors).toBe(before + 4);
    ends[0]!.stream.abort();
    ends[2]!.stream.end();
    ends[3]!.stream.end();
    until(() => ends.every((end) => end.closed !== null));
    expect(path.stats.descriptors).toBe(before);
  });
});

describe("what a callback throws", () => {
  const broken = (where: keyof StreamHandler): StreamHandler => {
    const handler = { onData() {}, onEnd() {}, onWritable() {}, onClose() {} };
    return {
      ...handler,
      [where]: () => {
        throw new Error(`out of ${where}`);
      },
    };
  };

  test.each(["onData", "onEnd", "onClose"] as const)("out of %s ends that stream alone", (where) => {
    const [a, b] = pair();
    const [c, d] = pair();
    b.stream.attach(broken(where));
    a.stream.write(Uint8Array.of(1));
    a.stream.end();
    if (where === "onClose") b.stream.end();
    until(() => faults.length > 0 && a.closed !== null);
    expect(String(faults[0])).toContain(`out of ${where}`);
    c.stream.write(new Uint8Array(10));
    until(() => d.bytes === 10);
    expect(faults.length).toBe(1);
  });

  test("while a connection is accepted or answered: the listener goes on", () => {
    let accepted = 0;
    const listener = path.listen({ ...LISTEN, address: { ip: "127.0.0.1", port: 0 } }, () => {
      accepted += 1;
      throw new Error("out of onStream");
    });
    let answers = 0;
    for (let i = 0; i < 3; i++)
      path.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5000 }, () => {
        answers += 1;
        throw new Error("out of done");
      });
    until(() => accepted === 3 && answers === 3);
    expect(faults.length).toBe(6);
    listener.close();
  });

  test("out of timers and deferred work is heard, and the rest runs", () => {
    let ran = 0;
    path.defer(() => {
      throw new Error("deferred");
    });
    path.defer(() => (ran += 1));
    path.after(1, () => {
      throw new Error("late");
    });
    path.after(1, () => (ran += 1));
    until(() => ran === 2);
    expect(faults.map(String)).toEqual(["Error: deferred", "Error: late"]);
  });
});

test("a writer that will not wait is cut off, and what it wrote is let go", () => {
  const [a, b] = pair();
  b.stream.pause();
  const block = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 200 && a.closed === null; i++) {
    a.stream.write(block);
    path.turn(0);
  }
  expect(a.closed).toEqual({ t: "failed", why: "writer ignores back-pressure" });
  expect(a.stream.buffered).toBe(0);
  b.stream.resume();
  until(() => b.closed !== null);
});

test("a tenant with many busy connections does not slow down another's", () => {
  const busy = Array.from({ length: 16 }, () => pair("busy"));
  const [quietA, quietB] = pair("quiet");
  const block = new Uint8Array(262_144);
  const feed = (): void => busy.forEach(([a]) => a.stream.buffered === 0 && a.stream.write(block));
  const total = (): number => busy.reduce((n, [, b]) => n + b.bytes, 0);
  for (let i = 0; i < 50; i++) {
    feed();
    path.turn(0);
  }
  for (let i = 1; i <= 20; i++) {
    feed();
    const before = total();
    quietA.stream.write(new Uint8Array(100));
    path.turn(0);
    until(() => quietB.bytes === 100 * i);
    expect(total() - before).toBeLessThanOrEqual(6 * 262_144);
  }
});

test("without descriptors connections wait, and are taken when some are free again", async () => {
  const script = fileURLToPath(new URL("./exhausted.test.support.ts", import.meta.url));
  const argv = [process.execPath, ...process.execArgv, script];
  const child = spawn("/bin/sh", ["-c", 'ulimit -n 64; exec "$@"', "sh", ...argv], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = Number(String((await once(child.stdout, "data"))[0]));
  const echoed = new Set<Socket>();
  const news = { wake: (): void => {} };
  const clients = Array.from({ length: 80 }, () => {
    const socket = connect(port, "127.0.0.1", () => socket.write("?"));
    socket.on("error", () => {});
    socket.once("data", () => {
      echoed.add(socket);
      news.wake();
    });
    return socket;
  });
  const atLeast = async (count: number): Promise<void> => {
    while (echoed.size < count) await new Promise<void>((resolve) => (news.wake = resolve));
  };
  await atLeast(10);
  expect(echoed.size).toBeLessThan(80); // it has 64 descriptors in all
  let closed = 0;
  while (echoed.size < 80) {
    for (const socket of [...echoed].slice(closed, (closed = echoed.size))) socket.destroy();
    await atLeast(closed + 1);
  }
  expect(echoed.size).toBe(80);
  for (const socket of clients) socket.destroy();
  child.stdin.end();
  expect((await once(child, "exit"))[0]).toBe(0);
}, 60_000);
