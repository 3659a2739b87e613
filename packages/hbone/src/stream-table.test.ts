import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EndedStreams, StreamState } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";

describe("the streams of a connection", () => {
  test("are found by number, and listed in the order of their numbers, whichever come and go", () => {
    // Few lower bits, so that many share a part of the table.
    const number = fc.nat(40).map((n) => (n % 2 === 0 ? n * 64 : n) + 1);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), number), { maxLength: 300 }), (changes) => {
        const table = new StreamTable();
        const map = new Map<number, StreamState>();
        for (const [comes, id] of changes) {
          const known = map.get(id);
          if (comes && known === undefined) {
            const s = new StreamState(id, 1);
            map.set(id, s);
            table.add(s);
          } else if (!comes && known !== undefined) {
            map.delete(id);
            table.remove(known);
            table.remove(known);
            expect(known.nextInTable).toBeNull();
          }
          expect(table.size).toBe(map.size);
          expect(table.get(id)).toBe(map.get(id));
        }
        expect(table.all()).toEqual([...map.values()].sort((a, b) => a.id - b.id));
        const all = table.all();
        table.clear();
        expect([table.size, table.all(), all.filter((s) => s.nextInTable !== null)]).toEqual([0, [], []]);
      }),
    );
  });

  test("one that is not in the table is not taken for one that shares its part", () => {
    const table = new StreamTable();
    const [one, other] = [new StreamState(1, 1), new StreamState(17, 1)];
    table.add(one);
    expect(table.get(17)).toBeUndefined();
    table.remove(other);
    expect([table.size, table.get(1)]).toEqual([1, one]);
  });
});

test("of streams that ended the latest are remembered, the oldest first", () => {
  const ended = new EndedStreams(3);
  expect([ended.entries(), ended.get(1)]).toEqual([[], null]);
  for (const id of [1, 3]) ended.add(id, "complete");
  expect(ended.entries()).toEqual([1, 3].map((id) => [id, "complete"]));
  for (const id of [5, 7]) ended.add(id, "peer-reset");
  expect(ended.entries()).toEqual([
    [3, "complete"],
    [5, "peer-reset"],
    [7, "peer-reset"],
  ]);
  expect([1, 3, 5, 7].map((id) => ended.get(id))).toEqual([null, "complete", "peer-reset", "peer-reset"]);
  ended.add(5, "we-reset"); // said of it later, which is what holds
  expect(ended.get(5)).toBe("we-reset");
});
