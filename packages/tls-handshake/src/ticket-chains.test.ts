import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { TicketChains } from "./ticket-chains.ts";

const HOUR_MS = 3_600_000;
/** A chain that is not another's. */
const chainOf = (i: number): readonly Uint8Array[] => [Buffer.from(`leaf ${i}`), Buffer.from("intermediate")];

function keeper(nowMs: () => number = () => 1000) {
  return new TicketChains(nowMs).keeper((der) => der);
}

describe("what a ticket says", () => {
  test("leads back to the chain, which stays in memory", () => {
    const k = keeper();
    const [one, two] = [k.write(chainOf(1))!, k.write(chainOf(2))!];
    expect(k.read(one)).toEqual(chainOf(1));
    expect(k.read(two)).toEqual(chainOf(2));
    expect(one.length).toBe(40);
    expect(keeper().read(one)).toBeNull();
  });

  test("tells chains apart that are the same bytes, cut elsewhere", () => {
    const k = keeper();
    const cuts = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["1 abc"], ["", "abc"]].map((parts) =>
      parts.map((p) => Buffer.from(p)),
    );
    const written = cuts.map((chain) => k.write(chain)!);
    for (const [i, data] of written.entries()) expect(k.read(data)).toEqual(cuts[i]);
  });

  test("is good for an hour, and not before it was written", () => {
    let now = 5 * HOUR_MS;
    const k = keeper(() => now);
    const data = k.write(chainOf(1))!;
    now += HOUR_MS - 1;
    expect(k.read(data)).toEqual(chainOf(1));
    now += 1;
    expect(k.read(data)).toBeNull();
    now -= HOUR_MS + 1;
    expect(k.read(data)).toBeNull();
  });

  test.each([0, 39, 41])("%i bytes are not ours", (length) => {
    const k = keeper();
    k.write(chainOf(1));
    expect(k.read(new Uint8Array(length))).toBeNull();
  });

  test("no ticket for a chain that is very long", () => {
    expect(keeper().write([new Uint8Array(8193)])).toBeNull();
    expect(keeper().write([new Uint8Array(8192)])).not.toBeNull();
  });
});

test("chains are forgotten, the longest unused first", () => {
  const k = keeper();
  const written = Array.from({ length: 1024 }, (_, i) => k.write(chainOf(i))!);
  expect(k.read(written[0]!)).toEqual(chainOf(0));
  k.write(chainOf(5000));
  expect(k.read(written[0]!)).toEqual(chainOf(0));
  expect(k.read(written[1]!)).toBeNull();
  expect(k.read(written[2]!)).toEqual(chainOf(2));
});
