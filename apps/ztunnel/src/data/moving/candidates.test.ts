import { describe, expect, test } from "vitest";
import type { ServedPod } from "../served-pod.ts";
import { findCandidates, remaining, subjectOf } from "./candidates.ts";

interface FakeTunnel {
  readonly name: string;
  readonly active: number;
  /** The one inside it. */
  readonly inner?: object;
}

/** A pod with these tunnels, whose connections are named for what carries them. */
function pod(
  outbound: readonly FakeTunnel[],
  connections: readonly { readonly name: string; readonly side: object; readonly carried: boolean }[],
): ServedPod {
  const of = connections.map(({ name, side, carried }) => ({ name, sides: [side], carried, awaiting: null }));
  return {
    context: { info: { uid: "pod" }, beginning: 0, thread: { connections: { of: () => of } } },
    tunnels: {
      inbound: new Map(),
      outbound: outbound.map((tunnel) => ({ tunnel })),
      innerOf: ({ inner }: FakeTunnel) => (inner === undefined ? [] : [{ tunnel: inner }]),
      outermost: (tunnel: object) => outbound.find(({ inner }) => inner === tunnel) ?? tunnel,
    },
  } as unknown as ServedPod;
}
const nobody = (): boolean => false;
const nameOf = ({ candidate }: ReturnType<typeof findCandidates>[number]): string =>
  (subjectOf(candidate) as unknown as { readonly name: string }).name;

test("the lightest come first, and what leads through a tunnel comes with it", () => {
  const [wide, narrow] = [
    { name: "wide", active: 9 },
    { name: "narrow", active: 2 },
  ];
  const pods = [
    pod(
      [wide, narrow],
      [
        { name: "streamed", side: { connection: wide }, carried: true },
        { name: "plain", side: {}, carried: true },
        { name: "dialling", side: {}, carried: false },
      ],
    ),
  ];
  const known = { isOut: nobody, stays: nobody, movesInner: true };
  expect(findCandidates(pods, true).map(nameOf)).toEqual(["plain", "narrow", "wide"]);
  // Two tunnels and two connections without one may move, sooner or later.
  expect(remaining(pods, known)).toEqual({ later: 4, left: 3 });
  const stays = (subject: unknown): boolean => subject === wide;
  expect(remaining(pods, { ...known, isOut: stays })).toEqual({ later: 3, left: 2 });
});

describe("a tunnel inside which another runs", () => {
  const inner = { name: "inner" };
  const outer = { name: "outer", active: 1, inner };
  const pods = [pod([outer], [{ name: "far", side: { connection: inner }, carried: true }])];

  test("comes with it, and with what that carries", () => {
    const known = { stays: nobody, movesInner: true };
    expect(findCandidates(pods, true).map(nameOf)).toEqual(["outer"]);
    expect(remaining(pods, { ...known, isOut: nobody })).toEqual({ later: 1, left: 1 });
    const isOut = (subject: unknown): boolean => subject === outer;
    expect(remaining(pods, { ...known, isOut })).toEqual({ later: 0, left: 0 });
  });

  test("stays where the successor does not know it, and nobody waits for it", () => {
    expect(findCandidates(pods, false)).toEqual([]);
    expect(remaining(pods, { isOut: nobody, stays: nobody, movesInner: false })).toEqual({ later: 0, left: 1 });
  });
});
