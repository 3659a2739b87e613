import { expect, test } from "vitest";
import type { ServedPod } from "../served-pod.ts";
import { findCandidates, remaining, subjectOf } from "./candidates.ts";

interface FakeTunnel {
  readonly name: string;
  readonly active: number;
  readonly carriesTunnel?: boolean;
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
      carriesTunnel: (tunnel: FakeTunnel) => tunnel.carriesTunnel === true,
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
  expect(findCandidates(pods).map(nameOf)).toEqual(["plain", "narrow", "wide"]);
  // Two tunnels and two connections without one may move, sooner or later.
  expect(remaining(pods, nobody, nobody)).toEqual({ later: 4, left: 3 });
  expect(remaining(pods, (subject) => (subject as unknown) === wide, nobody)).toEqual({ later: 3, left: 2 });
});

test("a tunnel through which another runs stays with what it carries, and nobody waits for it", () => {
  const outer = { name: "outer", active: 1, carriesTunnel: true };
  const pods = [pod([outer], [{ name: "far", side: { connection: { name: "inner" } }, carried: true }])];
  expect(findCandidates(pods)).toEqual([]);
  expect(remaining(pods, nobody, nobody)).toEqual({ later: 0, left: 1 });
});
