import { closeSync, fstatSync } from "node:fs";
import type { ByteStream } from "@lateen/byte-stream";
import type { SocketStream } from "@lateen/datapath";
import type { Result } from "@lateen/errors";
import { describe, expect, test } from "vitest";
import type { FastDataPath } from "./fast-data-path.ts";
import {
  End,
  LISTEN,
  SOCKET,
  machinesOfEachTest,
  must,
  passed,
  secure,
  sockets,
  travelled,
  until,
} from "./machines.test.support.ts";

const machines = machinesOfEachTest();

async function connection(kind: "plain" | "tls"): Promise<{ near: End; far: End; at: FastDataPath }> {
  const [peer, at] = [machines.path(), machines.path()];
  const [a, b] = await sockets(peer, at);
  if (kind === "plain") return { near: new End(a), far: new End(b), at };
  const [near, far] = await Promise.all([secure(peer, a, "client"), secure(at, b, "server")]);
  return { near: new End(near), far: new End(far), at };
}

/** Moves an end to a process of its own. */
async function move(end: End, from: FastDataPath, kind: "plain" | "tls"): Promise<FastDataPath> {
  const to = machines.path();
  const frozen = must(from.mover.freeze(end.stream));
  const fd = await passed(frozen.fd);
  const state = travelled(frozen.state);
  const restored = must<ByteStream, unknown>(
    kind === "tls" ? to.mover.restoreSecure(state, fd) : to.mover.restoreSocket(state, fd),
  );
  from.mover.forget(end.stream);
  end.stream = restored;
  restored.attach(end);
  to.mover.thaw(restored);
  return to;
}

describe.each(["plain", "tls"] as const)("a %s connection", (kind) => {
  test("moves twenty times under load in both directions, and loses nothing", async () => {
    const { near, far, at } = await connection(kind);
    const goal = 12_000_000;
    near.send(goal);
    far.send(goal);
    let where = at;
    for (let i = 1; i <= 20; i++) {
      await until("progress", () => near.received >= (i * goal) / 25);
      where = await move(far, where, kind);
    }
    await until("all bytes", () => near.received === goal && far.received === goal);
    expect([near.wrong, far.wrong]).toEqual([0, 0]);
    near.stream.end();
    await until("the end", () => far.ended);
    where = await move(far, where, kind);
    far.stream.end();
    await until("both closed", () => near.closed !== null && far.closed !== null);
    expect([near.closed, far.closed]).toEqual([{ t: "ended" }, { t: "ended" }]);
  });

  test("that is paused stays paused, and keeps what it has", async () => {
    const { near, far, at } = await connection(kind);
    far.stream.pause();
    near.send(300_000);
    await until("the peer to have sent", () => near.sent === 300_000);
    const to = await move(far, at, kind);
    await move(far, to, kind);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve));
    expect(far.received).toBe(0);
    far.stream.resume();
    await until("all bytes", () => far.received === 300_000);
    expect(far.wrong).toBe(0);
  });

  test("goes on where it was when nobody takes it", async () => {
    const { near, far, at } = await connection(kind);
    near.send(3_000_000);
    far.send(3_000_000);
    for (let i = 0; i < 10; i++) {
      await until("progress", () => near.received > i * 100_000);
      must(at.mover.freeze(far.stream));
      const before = far.received;
      far.send(far.sent + 1000); // waits, is not lost
      for (let k = 0; k < 5; k++) await new Promise((resolve) => void setImmediate(resolve));
      expect(far.received).toBe(before);
      at.mover.thaw(far.stream);
    }
    await until("all bytes", () => far.received === 3_000_000 && near.received === far.sent);
    expect([near.wrong, far.wrong, near.closed, far.closed]).toEqual([0, 0, null, null]);
  });

  test("says nothing to the peer when it is let go after it was passed on", async () => {
    const { near, far, at } = await connection(kind);
    const { fd } = must(at.mover.freeze(far.stream));
    const kept = await passed(fd);
    at.mover.forget(far.stream);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve));
    expect([near.ended, near.closed, far.closed]).toEqual([false, null, null]);
    closeSync(kept);
    await until("the end", () => near.ended || near.closed !== null);
  });

  test("that ended its direction while it stood still does so when it goes on", async () => {
    const { near, far, at } = await connection(kind);
    must(at.mover.freeze(far.stream));
    far.send(1000);
    far.stream.end();
    at.mover.thaw(far.stream);
    await until("the end", () => near.ended);
    expect(near.received).toBe(1000);
  });

  test("is refused with another's state, and its descriptor closed", async () => {
    const { near, far, at } = await connection(kind);
    const { fd } = must(at.mover.freeze(far.stream));
    const other = await passed(fd);
    const to = machines.path();
    const refused = kind === "tls" ? to.mover.restoreSecure({ a: 1 }, other) : to.mover.restoreSocket({ a: 1 }, other);
    expect(refused.ok ? "" : refused.error.code).toBe("BAD_INPUT");
    expect(() => fstatSync(other)).toThrow("EBADF");
    far.stream.abort();
    await until("the reset", () => near.closed !== null);
    expect(near.closed?.t).toBe("reset");
  });
});

test("a listener is lent, taken back, and adopted, and nobody is refused meanwhile", async () => {
  const [old, next, client] = [machines.path(), machines.path(), machines.path()];
  const accepted: string[] = [];
  const listener = old.listen({ ...LISTEN, address: { ip: "127.0.0.1", port: 0 } }, () => accepted.push("old"));
  const dial = (): Promise<Result<SocketStream>> =>
    new Promise((resolve) => {
      client.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5000 }, resolve);
    });
  must(await dial());
  await until("the first", () => accepted.length === 1);
  old.mover.lend(listener);
  must(await dial()); // the kernel takes it
  const fd = await passed(old.mover.descriptor(listener));
  const adopted = next.mover.adopt({ fd, transparent: false }, () => accepted.push("next"));
  await until("the second", () => accepted.length === 2);
  expect(adopted.address).toEqual(listener.address);
  must(await dial());
  await until("the third", () => accepted.length === 3);
  adopted.close();
  old.mover.takeBack(listener);
  must(await dial());
  await until("the fourth", () => accepted.length === 4);
  expect(accepted).toEqual(["old", "next", "next", "old"]);
  listener.close();
});
