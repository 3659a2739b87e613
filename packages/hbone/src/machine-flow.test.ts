import { describe, expect, test } from "vitest";
import { ErrorCode, FrameType, MAX_FRAME, STREAM_WINDOW, Setting } from "./constants.ts";
import { frame, settingsFrame } from "./frame-writer.ts";
import { Bench, afterSettings, connect, data, joinBytes, u32, verdict, windowUpdate } from "./wire.suite.ts";

const E = ErrorCode;
const END_STREAM = 1;

describe("flow control", () => {
  test("overrunning a stream's window resets the stream; the connection's ends the connection", () => {
    const bench = afterSettings("server");
    bench.owner(1).keeps = true;
    for (let sent = 0; sent < STREAM_WINDOW; sent += MAX_FRAME) bench.machine.receive(data(1, MAX_FRAME));
    expect(bench.take()).toEqual([]);
    bench.machine.receive(data(1, 1));
    expect(verdict(bench)).toBe(`stream 1 ${E.FlowControlError}`);
    const wide = afterSettings("server");
    for (let id = 1; id <= 9; id += 2) {
      if (id > 1) wide.machine.receive(connect(id));
      wide.owner(id).keeps = true;
    }
    wide.take();
    for (let i = 0; i < 16; i++) wide.machine.receive(data(2 * (i >> 2) + 1, MAX_FRAME));
    expect(wide.take()).toEqual([]);
    wide.machine.receive(data(9, 1));
    expect(verdict(wide)).toBe(`connection ${E.FlowControlError}`);
  });

  test("credit is given back in lots, on both levels, padding included", () => {
    const bench = afterSettings("server");
    const padded = frame(0, 8, 1, joinBytes(Uint8Array.of(255), new Uint8Array(255)));
    for (let i = 0; i < STREAM_WINDOW / 4 / padded.length; i++) bench.machine.receive(padded);
    for (let i = 0; i < 4; i++) bench.machine.receive(data(1, MAX_FRAME));
    const credits = bench.take().filter((f) => f.type === FrameType.WindowUpdate);
    const sum = (id: number): number =>
      credits
        .filter((f) => f.streamId === id)
        .reduce((n, f) => n + ((f.payload[1]! << 16) | (f.payload[2]! << 8) | f.payload[3]!), 0);
    expect(sum(1)).toBeGreaterThanOrEqual(4 * MAX_FRAME);
    expect(sum(0)).toBeGreaterThanOrEqual(4 * MAX_FRAME);
    expect(credits.length).toBeLessThan(12);
  });

  test("what an owner keeps is credited when it says so, and when its stream is gone", () => {
    const bench = afterSettings("server");
    bench.owner(1).keeps = true;
    for (let i = 0; i < 4; i++) bench.machine.receive(data(1, MAX_FRAME));
    expect(bench.take()).toEqual([]);
    const s = bench.requests[0]!.s;
    bench.machine.consumed(s, 2 * MAX_FRAME);
    expect(bench.take()).toMatchObject([{ streamId: 1, payload: u32(2 * MAX_FRAME) }]);
    bench.machine.reset(s, E.Cancel, "");
    bench.machine.consumed(s, 2 * MAX_FRAME);
    expect(bench.take().filter((f) => f.type === FrameType.WindowUpdate)).toMatchObject([
      { streamId: 0, payload: u32(4 * MAX_FRAME) },
    ]);
  });

  test("data for a stream that we reset is dropped and credited", () => {
    const bench = afterSettings("server");
    bench.machine.reset(bench.requests[0]!.s, E.Cancel, "");
    for (let i = 0; i < 4; i++) bench.machine.receive(data(1, MAX_FRAME));
    expect(bench.take().map((f) => [f.type, f.streamId])).toEqual([
      [FrameType.RstStream, 1],
      [FrameType.WindowUpdate, 0],
    ]);
  });

  test("what is written beyond the window waits, in order, and ends behind it", () => {
    const bench = new Bench("client").settle([[Setting.InitialWindowSize, 10]]);
    const s = bench.open();
    expect(bench.machine.send(s, Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11, 12))).toBe(false);
    bench.machine.end(s);
    expect(bench.take().flatMap((f) => [...f.payload])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    bench.machine.receive(settingsFrame([[Setting.InitialWindowSize, 1]])); // the window is negative now
    bench.machine.receive(windowUpdate(1, 9));
    expect(bench.take().filter((f) => f.type === FrameType.Data)).toEqual([]);
    bench.machine.receive(windowUpdate(1, 2));
    expect(bench.take().map((f) => [f.flags, ...f.payload])).toEqual([[0, 11, 12], [END_STREAM]]);
    expect(s.queued).toBe(0);
  });

  test("a lent view may change once send has returned", () => {
    const bench = new Bench("client").settle([[Setting.InitialWindowSize, 1]]);
    const s = bench.open();
    const lent = Uint8Array.of(1, 2, 3);
    bench.machine.send(s, lent, null);
    lent.fill(9);
    bench.machine.receive(windowUpdate(1, 10));
    expect(bench.take().flatMap((f) => [...f.payload])).toEqual([1, 2, 3]);
  });

  test("streams that wait for the connection's window share it", () => {
    const bench = new Bench("client").settle([[Setting.InitialWindowSize, 1 << 20]]);
    const [a, b] = [bench.open(), bench.open()];
    bench.machine.send(a, new Uint8Array(500_000), null);
    bench.machine.send(b, new Uint8Array(500_000), null);
    bench.take();
    bench.machine.receive(windowUpdate(0, 200_000));
    expect(new Set(bench.take().map((f) => f.streamId))).toEqual(new Set([1, 3]));
    expect(Math.abs(a.queued - b.queued)).toBeLessThanOrEqual(65_536 + 65_535);
    expect(b.queued).toBeLessThan(500_000);
  });

  test("frames are no longer than the peer allows, and not cut without need", () => {
    const bench = new Bench("client").settle([
      [Setting.MaxFrameSize, 20_000],
      [Setting.InitialWindowSize, 1 << 20],
    ]);
    const s = bench.open();
    bench.machine.send(s, new Uint8Array(20_000), null);
    bench.machine.send(s, new Uint8Array(45_000), null);
    expect(bench.take().map((f) => f.payload.length)).toEqual([20_000, 20_000, 20_000, 5000]);
  });

  test("a carrier without room is passed on as false, and as onRoom", () => {
    const bench = new Bench("client").settle();
    const s = bench.open();
    bench.room = false;
    expect(bench.machine.send(s, new Uint8Array(10), null)).toBe(false);
    expect(bench.owner(1).rooms).toBe(0);
    bench.room = true;
    bench.machine.carrierReady();
    expect(bench.owner(1).rooms).toBe(1);
    expect(bench.machine.send(s, new Uint8Array(10), null)).toBe(true);
  });

  test("a writer that never waits is cut off", () => {
    const bench = new Bench("client").settle();
    const s = bench.open();
    for (let i = 0; i < 100 && !s.over; i++) bench.machine.send(s, new Uint8Array(100_000), null);
    expect(bench.owner(1).fate?.why).toBe("writer ignores back-pressure");
  });
});

describe("limits of one's own", () => {
  const limits = { streamWindow: 20_000, connectionWindow: 70_000, frameBytes: 16_384 };

  test("are announced and held", () => {
    const bench = new Bench("server", "stranger", limits);
    const [hello, more] = bench.take();
    const values = [...(hello?.payload ?? [])];
    expect(values.slice(12, 24)).toEqual([0, 4, ...u32(20_000), 0, 5, ...u32(16_384)]);
    expect(more?.payload).toEqual(u32(70_000 - 65_535));
    bench.settle();
    bench.owner(1).keeps = true;
    bench.machine.receive(joinBytes(connect(1), data(1, 16_384)));
    expect(verdict(bench)).toBe("fine");
    bench.machine.receive(data(1, 4_000));
    expect(verdict(bench)).toBe("stream 1 3");
    bench.machine.receive(data(1, 16_385));
    expect(verdict(bench)).toBe("connection 6");
  });

  test("go along when the connection is moved, whatever the other process would announce", () => {
    const bench = new Bench("server", "stranger", limits).settle();
    bench.machine.receive(connect(1));
    const moved = new Bench("server", "stranger");
    moved.machine.restore(bench.machine.snapshot());
    moved.owner(3).keeps = true;
    moved.machine.receive(joinBytes(connect(3), data(3, 16_384)));
    expect(verdict(moved)).toBe("fine");
    moved.machine.receive(data(3, 4_000));
    expect(verdict(moved)).toBe("stream 3 3");
  });
});
