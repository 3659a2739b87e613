import {
  createAny,
  createDeltaDiscoveryResponse,
  createNode,
  createResource,
  type DeltaDiscoveryResponse,
} from "@lateen/xds-types";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Backoff, type StreamEnd } from "./backoff.ts";
import { type ClientEffect, DeltaClient, type Rejection } from "./delta-client.ts";

const A = "type/A";
const B = "type/B";
const node = createNode({ id: "ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local" });
const client = (): DeltaClient => new DeltaClient(node, [A, B]);

function response(
  typeUrl: string,
  nonce: string,
  versions: Readonly<Record<string, string>>,
  removed: string[] = [],
): DeltaDiscoveryResponse {
  const resources = Object.entries(versions).map(([name, version]) =>
    createResource({ name, version, resource: createAny() }),
  );
  return createDeltaDiscoveryResponse({ typeUrl, nonce, resources, removedResources: removed });
}
const receive = (
  c: DeltaClient,
  r: DeltaDiscoveryResponse,
  rejected: readonly Rejection[] = [],
): readonly ClientEffect[] => {
  c.step({ t: "response", response: r });
  return c.step({ t: "applied", rejected });
};
const sent = (effects: readonly ClientEffect[]): unknown[] =>
  effects.flatMap((e) => (e.t === "send" ? [e.request] : []));
const initialVersions = (c: DeltaClient): unknown[] =>
  c.step({ t: "connected" }).map((e) => (e.t === "send" ? Object.fromEntries(e.request.initialResourceVersions) : e));

describe("a client", () => {
  test("subscribes to everything of each type, and says who it is each time", () =>
    expect(sent(client().step({ t: "connected" }))).toMatchObject([
      { typeUrl: A, node, resourceNamesSubscribe: [], responseNonce: "" },
      { typeUrl: B, node, resourceNamesSubscribe: [], responseNonce: "" },
    ]));

  test("has a batch applied, then acknowledges it by its nonce alone", () => {
    const c = client();
    c.step({ t: "connected" });
    expect(c.step({ t: "response", response: response(A, "1", { x: "v1" }, ["y"]) })).toMatchObject([
      { t: "apply", typeUrl: A, resources: [{ name: "x" }], removed: ["y"] },
    ]);
    expect(sent(c.step({ t: "applied", rejected: [] }))).toMatchObject([
      { typeUrl: A, responseNonce: "1", node: null, errorDetail: null },
    ]);
  });

  test("refuses a batch with the reason of each bad resource", () => {
    const effects = receive(client(), response(A, "1", { x: "v1", y: "v1", z: "v1" }), [
      { name: "x", reason: "bad port" },
      { name: "z", reason: "no name" },
    ]);
    expect(sent(effects)).toMatchObject([
      { responseNonce: "1", errorDetail: { code: 0, message: "x: bad port; z: no name" } },
    ]);
  });

  test("is ready once every type had a response that was taken whole, even if empty", () => {
    const c = client();
    expect(receive(c, response(A, "1", {}, []))).toHaveLength(1);
    expect(receive(c, response(B, "2", { x: "v" }), [{ name: "x", reason: "bad" }])).toHaveLength(1);
    expect([c.ready, c.pendingTypes()]).toEqual([false, [B]]);
    expect(receive(c, response(B, "3", {}, [])).at(-1)).toEqual({ t: "ready" });
    expect(receive(c, response(B, "4", {}, [])).map((e) => e.t)).toEqual(["send"]);
  });

  test("resumes with the versions of what is in force", () => {
    const c = client();
    receive(c, response(A, "1", { x: "v1", y: "v1", z: "v1" }));
    receive(c, response(A, "2", { x: "v2", w: "v1" }, ["y"]), [
      { name: "x", reason: "bad" },
      { name: "w", reason: "bad" },
    ]);
    c.step({ t: "disconnected", end: { t: "complete" }, random: 0 });
    expect(initialVersions(c)).toEqual([{ x: "v1", z: "v1" }, {}]);
  });

  test("forgets a batch that the end of the stream overtook", () => {
    const c = client();
    c.step({ t: "response", response: response(A, "1", { x: "v1" }) });
    c.step({ t: "disconnected", end: { t: "connection-error" }, random: 0 });
    expect(initialVersions(c)).toEqual([{}, {}]);
    expect(() => c.step({ t: "applied", rejected: [] })).toThrow("no batch");
  });

  test("acknowledges a type that it did not ask for, and drops it", () => {
    const effects = client().step({ t: "response", response: response("type/C", "1", { x: "v" }) });
    expect(effects).toMatchObject([
      { t: "unknown-type", typeUrl: "type/C" },
      { t: "send", request: { typeUrl: "type/C", responseNonce: "1" } },
    ]);
  });

  test("takes one batch at a time", () => {
    const c = client();
    c.step({ t: "response", response: response(A, "1", {}) });
    expect(() => c.step({ t: "response", response: response(A, "2", {}) })).toThrow("not applied yet");
  });

  test("bounds what a refusal says", () => {
    const rejected = Array.from({ length: 5_000 }, (_, i) => ({ name: `n${i}`, reason: "bad" }));
    const [ack] = sent(receive(client(), response(A, "1", {}), rejected)) as { errorDetail: { message: string } }[];
    expect(ack?.errorDetail.message.length).toBe(16_384);
  });
});

describe("the pause before the next stream", () => {
  const error: StreamEnd = { t: "connection-error" };
  const status = (code: number, message = ""): StreamEnd => ({ t: "status", code, message });
  const pauses = (ends: readonly StreamEnd[]): number[] => {
    const backoff = new Backoff();
    return ends.map((end) => backoff.after(end, 0));
  };
  const table: readonly (readonly [string, readonly StreamEnd[], readonly number[]])[] = [
    ["doubles after errors", [error, error, status(14)], [20, 40, 80]],
    ["is none after a clean end, and starts anew", [error, error, { t: "complete" }, error], [20, 40, 0, 20]],
    [
      "starts anew when the server restarts",
      [error, error, status(14, "received prior goaway: NO_ERROR"), error],
      [20, 40, 10, 20],
    ],
    ["is short for a cancelled, unknown or late stream", [error, status(1), status(2), status(4)], [20, 10, 10, 10]],
    [
      "has a cap",
      Array<StreamEnd>(14).fill(error),
      [20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 15_000, 15_000, 15_000, 15_000],
    ],
  ];
  for (const [name, ends, want] of table) test(name, () => expect(pauses(ends)).toEqual(want));

  test("is shortened at random by up to half", () =>
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const ms = new Backoff().after(error, random);
        return ms >= 10 && ms <= 20; // rounding may take the whole half
      }),
    ));
});

describe("a late type", () => {
  const LATE = "type/Late";
  const late = (): DeltaClient => {
    const c = new DeltaClient(node, [A], [LATE]);
    c.step({ t: "connected" });
    return c;
  };
  const settle = (c: DeltaClient): readonly ClientEffect[] => c.step({ t: "settled", typeUrl: LATE });

  test("is subscribed to, and nobody waits for it at the start", () => {
    const c = new DeltaClient(node, [A], [LATE]);
    expect(sent(c.step({ t: "connected" }))).toMatchObject([{ typeUrl: A }, { typeUrl: LATE }]);
    expect(receive(c, response(A, "1", {})).map((e) => e.t)).toEqual(["send", "ready"]);
    expect([c.ready, c.pendingTypes()]).toEqual([true, []]);
  });

  test("is acknowledged when it has settled, not before; other types go on meanwhile", () => {
    const c = late();
    expect(receive(c, response(LATE, "1", { x: "v1" }))).toEqual([]);
    expect(sent(receive(c, response(A, "2", { y: "v1" })))).toMatchObject([{ typeUrl: A, responseNonce: "2" }]);
    expect(sent(settle(c))).toMatchObject([{ typeUrl: LATE, responseNonce: "1", errorDetail: null }]);
    expect(settle(c)).toEqual([]);
    // It is told of it anew, and answers when it has looked at everything that it holds then.
    expect(initialVersions(c)).toEqual([{ y: "v1" }, {}]);
  });

  test("that changes before it has settled is acknowledged as it was last", () => {
    const c = late();
    receive(c, response(LATE, "1", { x: "v1" }));
    receive(c, response(LATE, "2", { x: "v2" }));
    expect(sent(settle(c))).toMatchObject([{ responseNonce: "2" }]);
  });

  test("that had not settled when the stream broke is asked for anew, and the old one never acknowledged", () => {
    const c = late();
    receive(c, response(LATE, "1", { x: "v1" }));
    c.step({ t: "disconnected", end: { t: "complete" }, random: 0 });
    expect(initialVersions(c)).toEqual([{}, {}]);
    expect(settle(c)).toEqual([]);
  });

  test("is refused at once, and so is acknowledged what holds nothing to do", () => {
    const c = late();
    const refused = receive(c, response(LATE, "1", { x: "v1" }), [{ name: "x", reason: "no" }]);
    expect(sent(refused)).toMatchObject([{ responseNonce: "1", errorDetail: { message: "x: no" } }]);
    expect(sent(receive(c, response(LATE, "2", {})))).toMatchObject([{ responseNonce: "2", errorDetail: null }]);
  });
});
