import { describe, expect, test } from "vitest";
import { type Carried, LiveConnections } from "./live-connections.ts";

const NOTHING_TO_SEE = {
  uid: "",
  direction: "inbound",
  src: "",
  originalDst: "",
  actualDst: "",
  protocol: "TCP",
} as const;
const of = (uid: string): Carried => ({ uid, judged: null, view: NOTHING_TO_SEE, close: () => undefined });

describe("connections of a thread", () => {
  test("are those of their pods, in the order they began, until they leave, once", () => {
    const live = new LiveConnections();
    const [a1, b, a2] = [of("a"), of("b"), of("a")];
    const seats = [a1, b, a2].map((one) => live.add(one));
    expect([live.of("a"), live.of("b"), live.of("c"), live.all()]).toEqual([[a1, a2], [b], [], [a1, a2, b]]);
    for (const seat of [seats[0]!, seats[0]!]) live.remove(seat);
    expect([live.size, live.of("a")]).toEqual([2, [a2]]);
    for (const seat of seats) live.remove(seat);
    expect([live.size, live.all()]).toEqual([0, []]);
  });

  test("of pods that come and go are found, however many went before", () => {
    const live = new LiveConnections();
    const held = of("held");
    live.add(held);
    for (let i = 0; i < 1_000; i++) {
      const passing = of(`pod-${i}`);
      const seat = live.add(passing);
      expect(live.all()).toEqual([held, passing]);
      live.remove(seat);
    }
    expect([live.size, live.of("held"), live.of("pod-7")]).toEqual([1, [held], []]);
  });
});
