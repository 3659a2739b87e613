import { type DeltaDiscoveryRequest, createDeltaDiscoveryRequest, createNode, createStatus } from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { DeltaServer, type ServerEffect } from "./delta-server.ts";

const A = "type/A";
const node = createNode({ id: "ztunnel~10.0.0.1~z.ns~ns.svc" });

class Rig {
  readonly index = new Map<string, { version: string }>();
  readonly server: DeltaServer;
  #nonces = 0;

  constructor(resources: Readonly<Record<string, string>> = {}, maxNames = 1_000) {
    for (const [name, version] of Object.entries(resources)) this.index.set(name, { version });
    const nonce = (): string => String(++this.#nonces);
    this.server = new DeltaServer({ typeUrls: [A, "type/B"], resources: () => this.index, nonce, maxNames });
  }

  request(over: Partial<DeltaDiscoveryRequest>): readonly ServerEffect[] {
    return this.server.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: A, ...over }) });
  }
  first(over: Partial<DeltaDiscoveryRequest> = {}): readonly ServerEffect[] {
    return this.request({ node, ...over });
  }
  ack(nonce: string): readonly ServerEffect[] {
    return this.request({ responseNonce: nonce });
  }
  change(changes: Readonly<Record<string, string | null>>, names: "named" | "any" = "named"): readonly ServerEffect[] {
    for (const [name, version] of Object.entries(changes))
      if (version === null) this.index.delete(name);
      else this.index.set(name, { version });
    return this.server.step({
      t: "changed",
      typeUrl: A,
      names: names === "any" ? null : new Set(Object.keys(changes)),
    });
  }
}

const send = (nonce: string, resources: readonly string[], removed: readonly string[] = []): ServerEffect => ({
  t: "send",
  typeUrl: A,
  nonce,
  resources,
  removed,
});

describe("the first request of a stream", () => {
  test("must say who the client is", () => {
    expect(new Rig().request({})).toMatchObject([{ t: "close", code: 3, message: "missing node information" }]);
    expect(new Rig().request({ node: createNode() })).toMatchObject([{ t: "close", code: 3 }]);
  });

  test("for a type that is not served is ignored, and the node is known", () => {
    const rig = new Rig();
    expect(rig.first({ typeUrl: "type/none" })).toMatchObject([{ t: "identified", node }, { t: "ignored" }]);
    expect(rig.request({})).toEqual([send("1", [])]);
  });
});

describe("the first request of a type", () => {
  test("is answered with everything", () =>
    expect(new Rig({ x: "1", y: "1" }).first()).toEqual([{ t: "identified", node }, send("1", ["x", "y"])]));

  test("is answered even when there is nothing", () => expect(new Rig().first().at(-1)).toEqual(send("1", [])));

  test("that resumes is answered with what changed, came and went", () => {
    const rig = new Rig({ same: "1", newer: "2", fresh: "1" });
    const initialResourceVersions = new Map([
      ["same", "1"],
      ["newer", "1"],
      ["gone", "1"],
    ]);
    expect(rig.first({ initialResourceVersions }).at(-1)).toEqual(send("1", ["newer", "fresh"], ["gone"]));
  });

  test("for nothing yet is answered with nothing", () => {
    const rig = new Rig({ x: "1" });
    expect(rig.first({ resourceNamesSubscribe: ["*"], resourceNamesUnsubscribe: ["*"] }).at(-1)).toEqual(send("1", []));
    rig.ack("1");
    expect(rig.change({ x: "2" })).toEqual([]);
  });

  test("for names is answered with them, and says which do not exist", () =>
    expect(new Rig({ x: "1", y: "1" }).first({ resourceNamesSubscribe: ["x", "z"] }).at(-1)).toEqual(
      send("1", ["x"], ["z"]),
    ));

  test("for more names than allowed ends the stream", () =>
    expect(new Rig({}, 2).first({ resourceNamesSubscribe: ["a", "b", "c"] }).at(-1)).toMatchObject({
      t: "close",
      code: 8,
    }));
});

describe("a change", () => {
  const open = (resources: Readonly<Record<string, string>>): Rig => {
    const rig = new Rig(resources);
    rig.first();
    rig.ack("1");
    return rig;
  };

  test("is sent alone", () => expect(open({ x: "1", y: "1" }).change({ x: "2" })).toEqual([send("2", ["x"])]));
  test("that was found by looking at everything is sent alone too", () =>
    expect(open({ x: "1", y: "1" }).change({ x: "2", z: "1", y: null }, "any")).toEqual([
      send("2", ["x", "z"], ["y"]),
    ]));
  test("that changes nothing is not sent", () => expect(open({ x: "1" }).change({ x: "1", never: null })).toEqual([]));
  test("before any subscription is not sent", () => expect(new Rig().change({ x: "1" })).toEqual([]));

  test("waits for the answer to the last response, and is then sent as it has become", () => {
    const rig = open({ x: "1", y: "1" });
    expect(rig.change({ x: "2" })).toEqual([send("2", ["x"])]);
    expect(rig.change({ x: "3", y: null })).toEqual([]);
    expect(rig.change({ x: "4", z: "1" })).toEqual([]);
    expect(rig.change({ z: null })).toEqual([]);
    expect(rig.ack("2")).toEqual([{ t: "acknowledged", typeUrl: A, nonce: "2" }, send("3", ["x"], ["y"])]);
  });

  test("that was undone before it was sent is not sent", () => {
    const rig = open({ x: "1" });
    rig.change({ x: "2" });
    rig.change({ x: "3" });
    rig.change({ x: "2" });
    expect(rig.ack("2")).toEqual([{ t: "acknowledged", typeUrl: A, nonce: "2" }]);
  });
});

describe("an answer", () => {
  test("that refuses is told, and the same is not sent again until it changes", () => {
    const rig = new Rig({ x: "1" });
    rig.first();
    const errorDetail = createStatus({ message: "x: bad" });
    expect(rig.request({ responseNonce: "1", errorDetail })).toEqual([
      { t: "rejected", typeUrl: A, nonce: "1", message: "x: bad" },
    ]);
    expect(rig.server.state().get(A)).toMatchObject({
      lastError: "x: bad",
      nonceSent: "1",
      nonceAcked: "",
      awaiting: false,
    });
    expect(rig.change({ x: "1" }, "any")).toEqual([]);
    expect(rig.change({ x: "2" })).toEqual([send("2", ["x"])]);
    rig.ack("2");
    expect(rig.server.state().get(A)).toMatchObject({ lastError: null, nonceAcked: "2" });
  });

  test("to an older response is ignored", () => {
    const rig = new Rig({ x: "1" });
    rig.first();
    rig.ack("1");
    rig.change({ x: "2" });
    expect(rig.ack("1")).toMatchObject([{ t: "ignored" }]);
    expect(rig.server.state().get(A)).toMatchObject({ awaiting: true });
  });
});

describe("names asked for later", () => {
  test("are answered alone, and followed from then on", () => {
    const rig = new Rig({ x: "1", y: "1" });
    rig.first({ resourceNamesSubscribe: ["x"] });
    rig.ack("1");
    expect(rig.request({ resourceNamesSubscribe: ["y", "z"] })).toEqual([send("2", ["y"], ["z"])]);
    rig.ack("2");
    expect(rig.change({ y: "2", z: "1" })).toEqual([send("3", ["y", "z"])]);
  });

  test("are not followed once they were given back", () => {
    const rig = new Rig({ x: "1", y: "1" });
    rig.first({ resourceNamesSubscribe: ["x", "y"] });
    rig.ack("1");
    expect(rig.request({ resourceNamesUnsubscribe: ["x"] })).toEqual([]);
    expect(rig.change({ x: "2", y: "2" })).toEqual([send("2", ["y"])]);
  });
});
