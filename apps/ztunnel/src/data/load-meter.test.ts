import { beforeEach, describe, expect, test } from "vitest";
import { LoadMeter } from "./load-meter.ts";

describe("the load of a thread", () => {
  let cpuMs: number;
  let waitedMs: number;
  let bytes: number;
  let nowMs: number;
  let connections: number;
  let meter: LoadMeter;
  let asked: number;
  beforeEach(() => {
    [cpuMs, waitedMs, bytes, nowMs, connections, asked] = [500, 300, 7e9, 10_000, 0, 0];
    meter = new LoadMeter({
      cpuMs: () => (asked++, cpuMs),
      waitedMs: () => waitedMs,
      bytes: () => bytes,
      nowMs: () => nowMs,
      connections: () => connections,
    });
  });
  /** So long passes, with this share of a processor. */
  const pass = (ms: number, share: number): void => {
    nowMs += ms;
    cpuMs += ms * share;
  };

  test.each([
    [0, 0, 0, "easy"],
    [0.34, 63, 199e6, "easy"],
    [0.36, 0, 0, "busy"],
    [0.59, 0, 0, "busy"],
    [0.61, 0, 0, "full"],
    [1, 0, 0, "full"],
    [0, 64, 0, "busy"],
    [0, 127, 0, "busy"],
    [0, 128, 0, "crowded"],
    [0.59, 128, 0, "crowded"],
    [0.61, 128, 0, "full"],
    [0.2, 1, 201e6, "full"],
  ])("with a share of %s, %i connections and %d bytes, at a tick: %s", (share, open, received, load) => {
    pass(1_000, share);
    connections = open;
    bytes += received;
    expect(meter.ticked()).toBe(load === "easy" ? null : load);
    expect(meter.load).toBe(load);
  });

  test.each([
    [0.61, 0, 0, "contended"],
    [0.1, 0, 0, "contended"],
    [0.7, 128, 0, "crowded"], // it may be at rest again while they are still there
    [0.3, 0, 201e6, "full"], // two threads do it for no more than one
  ])(
    "while it waits for a processor, and has %s of one, %i connections and %d bytes: %s",
    (share, open, received, load) => {
      pass(1_000, share);
      waitedMs += 160;
      connections = open;
      bytes += received;
      expect(meter.ticked()).toBe(load);
    },
  );

  test("one that waits a little only is full", () => {
    pass(1_000, 0.7);
    waitedMs += 140;
    expect(meter.ticked()).toBe("full");
  });

  test("a crowd that begins to work is full", () => {
    connections = 500;
    pass(200, 0);
    expect(meter.accepted()).toBe("crowded");
    pass(200, 0.9);
    expect(meter.accepted()).toBe("full");
  });

  test("rises between ticks, when a connection comes", () => {
    pass(200, 0.9);
    expect([meter.accepted(), meter.load]).toEqual(["full", "full"]);
    pass(200, 0.9);
    expect(meter.accepted()).toBeNull(); // said already
  });

  test("of connections in quick succession the clock is asked once", () => {
    const before = asked;
    for (let i = 0; i < 99; i++) {
      pass(1, 0);
      meter.accepted();
    }
    expect(asked).toBe(before);
    pass(1, 0);
    meter.accepted();
    expect(asked).toBe(before + 1);
  });

  test("falls at a tick alone, by all that passed since the one before", () => {
    pass(1_000, 0.9);
    meter.ticked();
    pass(500, 0);
    expect([meter.accepted(), meter.load]).toEqual([null, "full"]);
    pass(500, 0.9);
    expect([meter.ticked(), meter.load]).toEqual(["busy", "busy"]); // 0.45 of it all
    pass(500, 0);
    meter.accepted();
    pass(500, 0.2);
    expect(meter.ticked()).toBe("easy");
  });

  test("two ticks at once are one", () => {
    pass(1_000, 0.9);
    expect(meter.ticked()).toBe("full");
    expect([meter.ticked(), meter.load]).toEqual([null, "full"]);
  });
});
