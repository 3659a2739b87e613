import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import type { SecureStream } from "@lateen/datapath";
import { afterEach, expect, test } from "vitest";
import type { FastDataPath } from "./fast-data-path.ts";
import { End, Machines, secure, sockets, until } from "./machines.test.support.ts";

let machines = new Machines();
afterEach(() => {
  machines.close();
  const { faults } = machines;
  machines = new Machines();
  expect(faults).toEqual([]);
});

/** Both ends of TLS inside TLS, over a socket. */
async function nested(
  near: FastDataPath,
  far: FastDataPath,
): Promise<{
  readonly outer: readonly [SecureStream, SecureStream];
  readonly inner: readonly [SecureStream, SecureStream];
}> {
  const [a, b] = await sockets(near, far);
  const outer = await Promise.all([secure(near, a, "client"), secure(far, b, "server")]);
  const inner = await Promise.all([secure(near, outer[0], "client"), secure(far, outer[1], "server")]);
  return { outer, inner };
}

/** Passes on what comes, as it is lent. */
class Relay implements StreamHandler {
  readonly #to: ByteStream;

  constructor(from: ByteStream, to: ByteStream) {
    this.#to = to;
    from.attach(this);
  }
  onData(bytes: Uint8Array): void {
    this.#to.write(bytes);
  }
  onEnd(): void {
    this.#to.end();
  }
  onWritable(): void {}
  onClose(): void {}
}

test("what several streams inside others are lent in one batch leaves as it came", async () => {
  const [peer, at, apps] = [machines.path(), machines.path(), machines.path()];
  const goal = 2_000_000;
  const ends: End[] = [];
  for (let i = 0; i < 3; i++) {
    const { inner } = await nested(peer, at);
    const [upstream, app] = await sockets(at, apps);
    const sender = new End(inner[0]);
    new Relay(inner[1], upstream);
    ends.push(new End(app));
    sender.send(goal);
  }
  await until("all bytes", () => ends.every((end) => end.received === goal));
  expect(ends.map((end) => end.wrong)).toEqual([0, 0, 0]);
});

test("what was kept while several of them were paused leaves as it came", async () => {
  const [peer, at, apps] = [machines.path(), machines.path(), machines.path()];
  const goal = 200_000;
  const [ends, paused]: [End[], SecureStream[]] = [[], []];
  for (let i = 0; i < 3; i++) {
    const { inner } = await nested(peer, at);
    const [upstream, app] = await sockets(at, apps);
    new Relay(inner[1], upstream);
    inner[1].pause();
    paused.push(inner[1]);
    ends.push(new End(app));
    new End(inner[0]).send(goal);
  }
  for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
  for (const stream of paused) stream.resume();
  await until("all bytes", () => ends.every((end) => end.received === goal));
  expect(ends.map((end) => end.wrong)).toEqual([0, 0, 0]);
});
