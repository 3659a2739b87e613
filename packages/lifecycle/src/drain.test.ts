import { FakeClock } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import { createDrain } from "./drain.ts";

describe("a drain", () => {
  test("with nothing held is clean at once", async () => {
    const drain = createDrain({ clock: new FakeClock() });
    expect(await drain.run(1_000)).toBe("clean");
    expect([drain.started.aborted, drain.forced.aborted]).toEqual([true, false]);
  });

  test("waits for what is held, and leaves no timer", async () => {
    const clock = new FakeClock();
    const drain = createDrain({ clock });
    const [a, b] = [drain.hold(), drain.hold()];
    const ended = drain.run(1_000);
    a[Symbol.dispose]();
    a[Symbol.dispose](); // a second disposal releases nobody else's unit
    expect(drain.held).toBe(1);
    b[Symbol.dispose]();
    expect(await ended).toBe("clean");
    expect(clock.pending).toBe(0);
  });

  test("is forced at the deadline and waits for the releases that follow", async () => {
    const clock = new FakeClock();
    const drain = createDrain({ clock });
    const held = drain.hold();
    drain.forced.addEventListener("abort", () => held[Symbol.dispose]());
    const ended = drain.run(1_000);
    clock.advance(999);
    expect(drain.forced.aborted).toBe(false);
    clock.advance(1);
    expect(await ended).toBe("forced");
    expect(clock.pending).toBe(0);
  });

  test("ends even if someone never lets go", async () => {
    const clock = new FakeClock();
    const drain = createDrain({ clock, settleMs: 50 });
    drain.hold();
    const ended = drain.run(10);
    clock.advance(60);
    expect(await ended).toBe("forced");
  });

  test("takes work while it runs and refuses it once it is over", async () => {
    const drain = createDrain({ clock: new FakeClock() });
    const first = drain.hold();
    const ended = drain.run(10);
    const second = drain.hold();
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    await ended;
    expect(() => drain.hold()).toThrow(expect.objectContaining({ code: "DRAINING" }));
  });

  test("runs once: a second run gets the first's outcome", () => {
    const drain = createDrain({ clock: new FakeClock() });
    drain.hold();
    expect(drain.run(10)).toBe(drain.run(99));
  });
});

describe("a drain inside another", () => {
  test("hears both signals of its parent, and its work counts there", async () => {
    const clock = new FakeClock();
    const parent = createDrain({ clock });
    const child = createDrain({ clock, parent });
    const held = child.hold();
    const ended = parent.run(100);
    expect([parent.held, child.started.aborted, child.forced.aborted]).toEqual([1, true, false]);
    clock.advance(100);
    expect(child.forced.aborted).toBe(true);
    held[Symbol.dispose]();
    expect(await ended).toBe("forced");
  });

  test("drains alone without touching its parent", async () => {
    const clock = new FakeClock();
    const parent = createDrain({ clock });
    const child = createDrain({ clock, parent });
    child.hold();
    const ended = child.run(5);
    clock.advance(2_000);
    expect(await ended).toBe("forced");
    expect([parent.started.aborted, parent.forced.aborted]).toEqual([false, false]);
  });

  test("made late learns that the parent drains already", () => {
    const parent = createDrain({ clock: new FakeClock() });
    parent.hold();
    void parent.run(10);
    expect(createDrain({ parent }).started.aborted).toBe(true);
  });

  test("forced before its own run: the run is bounded by the settle time", async () => {
    const clock = new FakeClock();
    const parent = createDrain({ clock });
    const child = createDrain({ clock, parent, settleMs: 20 });
    child.hold();
    void parent.run(0);
    clock.advance(0);
    const ended = child.run(10_000);
    clock.advance(20);
    expect(await ended).toBe("forced");
  });
});
