import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Roster, type Seat } from "./roster.ts";

describe("a roster", () => {
  test("has whom a set would have, in the same order, whoever comes and goes", () => {
    const change = fc.oneof(
      fc.constant({ t: "add" as const }),
      fc.nat(30).map((at) => ({ t: "remove" as const, at })),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const roster = new Roster<number>();
        const set = new Set<number>();
        const seats: Seat<number>[] = [];
        for (const what of changes) {
          if (what.t === "add") {
            set.add(seats.length);
            seats.push(roster.add(seats.length));
          } else {
            const seat = seats[what.at];
            if (seat === undefined) continue;
            set.delete(seat.member);
            roster.remove(seat); // again, often
          }
          expect(roster.members()).toEqual([...set]);
          expect(roster.size).toBe(set.size);
        }
      }),
    );
  });

  test("who left points to nobody, so that one that is dead keeps nobody else", () => {
    const roster = new Roster<string>();
    const [first, second, third] = ["a", "b", "c"].map((name) => roster.add(name)) as [
      Seat<string>,
      Seat<string>,
      Seat<string>,
    ];
    for (const seat of [second, first, third]) {
      roster.remove(seat);
      expect([seat.previous, seat.next]).toEqual([null, null]);
    }
    expect(roster.size).toBe(0);
  });

  test("members may leave while they are gone through", () => {
    const roster = new Roster<() => void>();
    const left: number[] = [];
    const seats: Seat<() => void>[] = [0, 1, 2].map((i) =>
      roster.add(() => {
        left.push(i);
        roster.remove(seats[i]!);
      }),
    );
    for (const leave of roster.members()) leave();
    expect(left).toEqual([0, 1, 2]);
    expect(roster.members()).toEqual([]);
  });
});
