import process from "node:process";
import { type Plain, encodeCbor } from "@lateen/cbor";
import { beforeAll, describe, expect, test } from "vitest";
import { STATE_FORMAT, type StateFormat } from "../../handover/state-format.ts";
import { decodeBundle } from "./bundle.ts";
import { INNER, TwoProcesses } from "./two-processes.test.support.ts";

type Inner = { readonly through: number; readonly hbone: Plain; readonly stream: Plain };
type Tunnel = { readonly inner?: readonly Inner[]; readonly hbone: Plain };
type Connection = { readonly up: { readonly [key: string]: Plain } };
type State = { readonly tunnel: Tunnel | null; readonly connections: readonly Connection[] };

describe.skipIf(process.platform !== "linux")("a bundle with tunnels inside its tunnel", () => {
  let state: State;
  let server: Plain;

  // One as it is on its way between two processes.
  beforeAll(async () => {
    using two = await TwoProcesses.begin();
    const seen: State[] = [];
    const write: StateFormat["write"] = (_version, _kind, own) => {
      seen.push(own as unknown as State);
      return own;
    };
    const spied = { ...STATE_FORMAT, versions: { newest: 3, oldest: 2 }, write };
    const [one, other] = [two.process(spied), two.process(spied)];
    await two.move(two.first, one);
    await two.move(one, other, { give: 3, take: 3 });
    const tunnels = seen.filter(({ tunnel }) => tunnel !== null);
    state = tunnels.find(({ tunnel }) => (tunnel?.inner?.length ?? 0) > 0)!;
    server = tunnels.find(({ tunnel }) => tunnel?.inner === undefined)!.tunnel!.hbone;
  });

  const inners = (): readonly Inner[] => state.tunnel?.inner ?? [];
  const decode = (value: unknown): ReturnType<typeof decodeBundle> => decodeBundle(encodeCbor(value as Plain));
  const withInner = (change: (inner: Inner, i: number) => object | null): unknown => {
    const inner = inners().flatMap((one, i) => change(one, i) ?? []);
    return { ...state, tunnel: { ...state.tunnel, inner } };
  };
  const withUp = (change: (up: Connection["up"], i: number) => object): unknown => ({
    ...state,
    connections: state.connections.map((c, i) => ({ ...c, up: change(c.up, i) })),
  });

  test("is read as it was written", () => {
    const read = decode(state);
    if (!read.ok) throw read.error;
    expect(read.value).toEqual(state);
    const throughs = inners().map(({ through }) => through);
    expect(read.value.connections.map(({ up }) => up)).toEqual(
      throughs.map((through) => ({ t: "inner stream", through, id: 1 })),
    );
    expect(throughs).toHaveLength(INNER);
  });

  test("is what the version before knows, without them", () => {
    const bare = { ...state, tunnel: { ...state.tunnel, inner: [] } } as unknown as Plain;
    const old = STATE_FORMAT.write(1, "connections", bare);
    expect((old as unknown as State).tunnel).not.toHaveProperty("inner");
    expect(STATE_FORMAT.read(1, "connections", old)).toEqual(bare);
    for (const other of [null, 7, [], { families: [] }, { tunnel: null, sockets: [] }])
      for (const rewrite of [STATE_FORMAT.read, STATE_FORMAT.write])
        expect(rewrite(1, "connections", other)).toEqual(other);
  });

  test.each<[string, () => unknown, string]>([
    ["one of them is missing", () => withInner((one, i) => (i === 0 ? null : one)), "not one side of one connection"],
    ["two run over one stream", () => withInner((one) => ({ ...one, through: 1 })), "not one side of one connection"],
    ["one runs over no stream", () => withInner((one) => ({ ...one, through: 77 })), "not one side of one connection"],
    ["one is a server's", () => withInner((one) => ({ ...one, hbone: server })), "is not a client's"],
    ["one has no state", () => withInner((one) => ({ ...one, hbone: null })), "is not a record"],
    ["it is no list", () => ({ ...state, tunnel: { ...state.tunnel, inner: 7 } }), "is not a list"],
    ["two share a stream inside", () => withUp((up) => ({ ...up, through: 1 })), "not one side of one connection"],
    ["a side is not there", () => withUp((up) => ({ ...up, id: 9 })), "not one side of one connection"],
    ["a side is of the tunnel itself", () => withUp(() => ({ t: "stream", id: 1 })), "not one side of one connection"],
    ["a header has no name", () => withUp(() => opening([["", "x"]])), "is not a name and a value"],
    ["a header is three", () => withUp(() => opening([["a", "b", "c"]])), "is not a list of at most 2"],
    ["a place is unknown", () => withUp((up) => ({ ...up, t: "nowhere" })), "is not one of"],
  ])("is refused when %s", (_, change, why) => {
    const read = decode(change());
    expect(read.ok ? "" : read.error.code).toBe("BAD_INPUT");
    expect(read.ok ? "" : read.error.message).toContain(why);
  });

  const opening = (headers: Plain): object => ({ t: "outer opening", id: 1, expected: [], headers });
});
