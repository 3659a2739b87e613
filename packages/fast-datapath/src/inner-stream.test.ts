import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import type { SecureStream } from "@lateen/datapath";
import { describe, expect, test } from "vitest";
import type { FastDataPath } from "./fast-data-path.ts";
import { End, machinesOfEachTest, must, passed, secure, sockets, travelled, until } from "./machines.test.support.ts";

const machines = machinesOfEachTest();

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

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve));
};

/** The far end of a stream inside another, which moves from process to process together with that one. */
class Mover {
  readonly near: End;
  readonly far: End;
  at: FastDataPath;
  outer: SecureStream;

  private constructor(at: FastDataPath, o: { outer: SecureStream; near: SecureStream; far: SecureStream }) {
    this.at = at;
    this.outer = o.outer;
    this.near = new End(o.near);
    this.far = new End(o.far);
  }

  static async begin(): Promise<Mover> {
    const at = machines.path();
    const { outer, inner } = await nested(machines.path(), at);
    return new Mover(at, { outer: outer[1], near: inner[0], far: inner[1] });
  }

  freeze(): { readonly state: unknown; readonly outer: ReturnType<FastDataPath["mover"]["freeze"]> } {
    const state = must(this.at.mover.freezeInner(this.far.stream));
    return { state, outer: this.at.mover.freeze(this.outer) };
  }

  thaw(): void {
    this.at.mover.thaw(this.far.stream);
    this.at.mover.thaw(this.outer);
  }

  async move(): Promise<void> {
    const to = machines.path();
    const state = must(this.at.mover.freezeInner(this.far.stream));
    const frozen = must(this.at.mover.freeze(this.outer));
    const outer = must(to.mover.restoreSecure(travelled(frozen.state), await passed(frozen.fd)));
    const inner = must(to.mover.restoreInner(travelled(state), outer));
    for (const stream of [this.far.stream, this.outer]) this.at.mover.forget(stream);
    [this.at, this.outer, this.far.stream] = [to, outer, inner];
    inner.attach(this.far);
    await turns(3); // nothing goes on before it may
    this.thaw();
  }
}

describe("a stream inside another", () => {
  test("moves with it twenty times under load in both directions, and loses nothing", async () => {
    const moving = await Mover.begin();
    const { near, far } = moving;
    const goal = 6_000_000;
    near.send(goal);
    far.send(goal);
    for (let i = 1; i <= 20; i++) {
      await until("progress", () => near.received >= (i * goal) / 25);
      await moving.move();
    }
    await until("all bytes", () => near.received === goal && far.received === goal);
    expect([near.wrong, far.wrong]).toEqual([0, 0]);
    near.stream.end();
    await until("the end", () => far.ended);
    await moving.move();
    far.stream.end();
    await until("both closed", () => near.closed !== null && far.closed !== null);
    expect([near.closed, far.closed]).toEqual([{ t: "ended" }, { t: "ended" }]);
  });

  test("that is paused stays paused, and keeps what it has", async () => {
    const moving = await Mover.begin();
    const { near, far } = moving;
    far.stream.pause();
    near.send(300_000);
    await turns(20);
    await moving.move();
    await moving.move();
    await turns(20);
    expect(far.received).toBe(0);
    far.stream.resume();
    await until("all bytes", () => far.received === 300_000);
    expect(far.wrong).toBe(0);
  });

  test("goes on where it was when nobody takes it", async () => {
    const moving = await Mover.begin();
    const { near, far } = moving;
    near.send(3_000_000);
    for (let i = 0; i < 10; i++) {
      await until("progress", () => near.sent > 0 && far.received > i * 100_000);
      moving.freeze();
      const before = far.received;
      far.send(far.sent + 1_000); // waits, is not lost
      await turns(5);
      expect(far.received).toBe(before);
      moving.thaw();
    }
    await until("all bytes", () => far.received === 3_000_000 && near.received === far.sent);
    expect([near.wrong, far.wrong, near.closed, far.closed]).toEqual([0, 0, null, null]);
  });

  test("says nothing when it is forgotten, whatever still comes to it", async () => {
    const moving = await Mover.begin();
    const { near, far, at, outer } = moving;
    near.send(100_000);
    const { outer: frozen } = moving.freeze();
    const kept = await passed(must(frozen).fd);
    const lent = must(at.mover.restoreSecure(travelled(must(frozen).state), kept));
    const before = far.received;
    at.mover.forget(far.stream);
    (far.stream as unknown as StreamHandler).onData(new Uint8Array(100));
    (far.stream as unknown as StreamHandler).onEnd();
    at.mover.forget(outer);
    await turns(20);
    expect([far.received, far.ended, far.closed, near.ended, near.closed]).toEqual([before, false, null, false, null]);
    at.mover.forget(lent);
  });

  test("is refused with another's state, and moves only as what it is", async () => {
    const { at, far, outer } = await Mover.begin();
    const refused = at.mover.restoreInner({ a: 1 }, outer);
    expect(refused.ok ? "" : refused.error.code).toBe("BAD_INPUT");
    expect(at.mover.freeze(far.stream)).toEqual({ ok: false, error: "it runs inside another stream" });
    expect(at.mover.freezeInner(outer)).toEqual({ ok: false, error: "it runs over a socket" });
    far.stream.abort();
    expect(at.mover.freezeInner(far.stream)).toEqual({ ok: false, error: "it is closing" });
  });
});
