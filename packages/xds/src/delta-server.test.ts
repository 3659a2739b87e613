import { createDeltaDiscoveryRequest, createStatus } from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { type ClientScope, NameBudget } from "./served-type.ts";
import { A, B, Rig, entry, onTheWire, sent, short } from "./server.test.support.ts";

const versions = (of: Readonly<Record<string, string>>): Map<string, string> => new Map(Object.entries(of));
const ON_DEMAND = { resourceNamesSubscribe: ["*"], resourceNamesUnsubscribe: ["*"] };

describe("the first request of a type", () => {
  test("is answered with everything", () =>
    expect(new Rig({ x: "1", y: "1" }).request()).toEqual([sent("1", ["x", "y"])]));
  test("is answered even when there is nothing", () => expect(new Rig().request()).toEqual([sent("1", [])]));
  test("for a type that is not served says so", () =>
    expect(new Rig().request({ typeUrl: "type/none" })).toMatchObject([{ t: "unknown-type", typeUrl: "type/none" }]));

  test("that resumes is answered with what changed, came and went", () => {
    const rig = new Rig({ same: "1", newer: "2", fresh: "1" });
    const initialResourceVersions = versions({ same: "1", newer: "1", gone: "1" });
    expect(rig.request({ initialResourceVersions })).toEqual([sent("1", ["newer", "fresh"], ["gone"])]);
  });

  test("for nothing yet is answered with nothing", () => {
    const rig = new Rig({ x: "1" });
    expect(rig.request(ON_DEMAND)).toEqual([sent("1", [])]);
    rig.ack("1");
    expect(rig.change({ x: "2" })).toEqual([]);
  });

  test("for names is answered with them, and says which do not exist", () =>
    expect(new Rig({ x: "1", y: "1" }).request({ resourceNamesSubscribe: ["x", "z"] })).toEqual([
      sent("1", ["x"], ["z"]),
    ]));

  test("for more names than allowed ends the stream", () =>
    expect(new Rig({}, { maxNames: 2 }).request({ resourceNamesSubscribe: ["a", "b", "c"] })).toMatchObject([
      { t: "close", code: 8 },
    ]));

  test("for more names than all clients may have ends the stream, and gives back what it took", () => {
    const budget = new NameBudget(3);
    const rig = new Rig({}, { budget });
    rig.request({ resourceNamesSubscribe: ["a", "b"] });
    const first = rig.server;
    rig.server = rig.open();
    expect(rig.request({ resourceNamesSubscribe: ["a", "b"] })).toMatchObject([{ t: "close", code: 8 }]);
    rig.server[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(budget.used).toBe(0);
  });
});

test("a type that is answered late is told of changes all the same, and only the last answer counts", () => {
  const rig = new Rig({ x: "1" });
  const { served } = rig.as({ answers: "late" });
  const type = "type/pods";
  const ask = (over: object): unknown[] =>
    served
      .step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: type, ...over }) })
      .map((e) => (e.t === "send" ? short(e) : e.t));
  expect(ask({})).toEqual([sent("1", ["x"], [], type)]);
  rig.put({ x: "2" });
  expect(served.step({ t: "changed" }).map(short)).toEqual([sent("2", ["x"], [], type)]);
  expect(served.step({ t: "changed" })).toEqual([]);
  expect(ask({ responseNonce: "1" })).toEqual(["stale"]);
  expect(served.state().get(type)).toMatchObject({ awaiting: true, nonceAcked: "" });
  expect(ask({ responseNonce: "2" })).toEqual(["acknowledged"]);
  expect(served.state().get(type)).toMatchObject({ awaiting: false, nonceAcked: "2" });
});

describe("a change", () => {
  const open = (resources: Readonly<Record<string, string>>): Rig => {
    const rig = new Rig(resources);
    rig.request();
    rig.ack("1");
    return rig;
  };

  test("is sent alone", () => expect(open({ x: "1", y: "1" }).change({ x: "2" })).toEqual([sent("2", ["x"])]));
  test("of several names is one response", () =>
    expect(open({ x: "1", y: "1" }).change({ x: "2", z: "1", y: null })).toEqual([sent("2", ["x", "z"], ["y"])]));
  test("that changes nothing is not sent", () => expect(open({ x: "1" }).change({ x: "1", never: null })).toEqual([]));
  test("before any subscription is not sent", () => expect(new Rig().change({ x: "1" })).toEqual([]));

  test("waits for the answer to the last response, and is then sent as it has become", () => {
    const rig = open({ x: "1", y: "1" });
    expect(rig.change({ x: "2" })).toEqual([sent("2", ["x"])]);
    expect(rig.change({ x: "3", y: null })).toEqual([]);
    expect(rig.change({ x: "4", z: "1" })).toEqual([]);
    expect(rig.change({ z: null })).toEqual([]);
    expect(rig.ack("2")).toEqual([{ t: "acknowledged", typeUrl: B, nonce: "2" }, sent("3", ["x"], ["y"])]);
  });

  test("that comes back as another is told as one change", () => {
    const rig = open({ x: "1" });
    rig.change({ other: "1" });
    rig.put({ x: null });
    rig.put({ x: "2" });
    expect(rig.ack("2").at(-1)).toEqual(sent("3", ["x"]));
    rig.ack("3");
    expect(rig.change({ x: null })).toEqual([sent("4", [], ["x"])]);
  });

  test("is encoded once for all clients that wait for the same", () => {
    const rig = open({ x: "1" });
    const other = rig.open();
    other.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: B }) });
    other.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: B, responseNonce: "2" }) });
    rig.put({ x: "2" });
    const batches = [rig.server, other].flatMap((s) =>
      s.step({ t: "changed" }).flatMap((e) => (e.t === "send" ? [e.batch] : [])),
    );
    expect(batches[0]).toBe(batches[1]);
    expect(batches[0]?.wire).toBe(batches[1]?.wire);
  });
});

describe("what is told is remembered in the tables, not for the client", () => {
  test("so that one far behind is ended when what went was forgotten", () => {
    const rig = new Rig({}, { maxGone: 4 });
    for (const name of ["a", "b", "c", "d", "e", "f"]) rig.put({ [name]: "1" });
    rig.request();
    for (const name of ["a", "b", "c", "d", "e"]) rig.put({ [name]: null });
    expect(rig.b.gone).toBeLessThanOrEqual(4);
    expect(rig.ack("1").at(-1)).toMatchObject({ t: "close", code: 14 });
  });

  test("and what every client heard of is forgotten", () => {
    const rig = new Rig({ a: "1", b: "1" });
    rig.request();
    rig.ack("1");
    rig.change({ a: null });
    rig.b.forgetGone(rig.server.heardGoneAt(B));
    expect([rig.b.gone, rig.b.size]).toEqual([0, 1]);
    rig.ack("2");
    expect(rig.change({ a: "1" })).toEqual([sent("3", ["a"])]);
  });
});

describe("an answer", () => {
  test("that refuses is told, and the same is not sent again until it changes", () => {
    const rig = new Rig({ x: "1" });
    rig.request();
    const errorDetail = createStatus({ message: "x: bad" });
    expect(rig.request({ responseNonce: "1", errorDetail })).toEqual([
      { t: "rejected", typeUrl: B, nonce: "1", message: "x: bad" },
    ]);
    expect(rig.server.state().get(B)).toMatchObject({
      lastError: "x: bad",
      nonceSent: "1",
      nonceAcked: "",
      awaiting: false,
    });
    expect(rig.change({ x: "1" })).toEqual([]);
    expect(rig.change({ x: "2" })).toEqual([sent("2", ["x"])]);
    rig.ack("2");
    expect(rig.server.state().get(B)).toMatchObject({ lastError: null, nonceAcked: "2" });
  });

  test("to an older response is ignored", () => {
    const rig = new Rig({ x: "1" });
    rig.request();
    rig.ack("1");
    rig.change({ x: "2" });
    expect(rig.ack("1")).toEqual([{ t: "stale", typeUrl: B }]);
    expect(rig.server.state().get(B)).toMatchObject({ awaiting: true });
  });
});

describe("names asked for later", () => {
  test("are answered alone, and followed from then on", () => {
    const rig = new Rig({ x: "1", y: "1" });
    rig.request({ resourceNamesSubscribe: ["x"] });
    rig.ack("1");
    expect(rig.request({ resourceNamesSubscribe: ["y", "z"] })).toEqual([sent("2", ["y"], ["z"])]);
    rig.ack("2");
    expect(rig.change({ y: "2", z: "1" })).toEqual([sent("3", ["y", "z"])]);
  });

  test("are not followed once they were given back", () => {
    const rig = new Rig({ x: "1", y: "1" });
    rig.request({ resourceNamesSubscribe: ["x", "y"] });
    rig.ack("1");
    expect(rig.request({ resourceNamesUnsubscribe: ["x"] })).toEqual([]);
    expect(rig.change({ x: "2", y: "2" })).toEqual([sent("2", ["y"])]);
  });

  test("may become everything, and back", () => {
    const rig = new Rig({ x: "1", y: "1" });
    rig.request({ resourceNamesSubscribe: ["x"] });
    rig.ack("1");
    expect(rig.request({ resourceNamesSubscribe: ["*"] })).toEqual([sent("2", ["y"])]);
    rig.ack("2");
    expect(rig.request({ resourceNamesUnsubscribe: ["*"] })).toEqual([]);
    expect(rig.change({ x: "2", y: "2" })).toEqual([sent("3", ["x"])]);
  });
});

describe("on demand", () => {
  /** pod-N has the address N; the service "svc" has pod-1 and, later, pod-3. */
  const rigOn = (node: string): Rig => {
    const members = (): string[] => ["pod-1", "pod-3"].filter((name) => rig.b.get(name) !== null);
    const rig: Rig = new Rig(
      {},
      {
        scope: { node, honours: () => true },
        lookup: {
          find: (name) => {
            if (name === "svc" || name === "vip") return ["svc", ...members()];
            return [`pod-${name}`, name].filter((n) => rig.b.get(n) !== null);
          },
          ofNode: (of) => [...rig.b.items()].filter((i) => i.node === of).map((i) => i.name),
        },
      },
    );
    rig.b.set("svc", entry("1", { aliases: ["vip"] }));
    for (const n of ["1", "2"]) rig.b.set(`pod-${n}`, entry("1", { aliases: [n], node: `node-${n}` }));
    return rig;
  };

  test("a name may be an address, and a service brings its workloads", () => {
    const rig = rigOn("");
    rig.request(ON_DEMAND);
    rig.ack("1");
    expect(rig.request({ resourceNamesSubscribe: ["2", "vip", "9"] })).toEqual([
      sent("2", ["svc", "pod-1", "pod-2"], ["9"]),
    ]);
    rig.ack("2");
    expect(rig.change({ "pod-1": "2", svc: "2" })).toEqual([sent("3", ["pod-1", "svc"])]);
    rig.ack("3");
    rig.put({ "pod-1": null });
    expect(rig.changed()).toEqual([sent("4", [], ["pod-1"])]);
  });

  test("what was told not to exist is told when it comes", () => {
    const rig = rigOn("");
    rig.request({ resourceNamesSubscribe: ["9"] });
    rig.ack("1");
    rig.b.set("pod-9", entry("1", { aliases: ["9"] }));
    expect(rig.changed()).toEqual([sent("2", ["pod-9"])]);
  });

  test("what is on the client's node need not be asked for", () => {
    const rig = rigOn("node-2");
    expect(rig.request(ON_DEMAND)).toEqual([sent("1", ["pod-2"])]);
    rig.ack("1");
    rig.b.set("pod-7", entry("1", { node: "node-2" }));
    expect(rig.changed()).toEqual([sent("2", ["pod-7"])]);
  });

  test("a resumed stream gets what is not as it says, and hears what went", () => {
    const rig = rigOn("");
    const initialResourceVersions = versions({ "pod-1": "1", "pod-2": "old", "pod-8": "1" });
    expect(rig.request({ ...ON_DEMAND, initialResourceVersions })).toEqual([sent("1", ["pod-2"], ["pod-8"])]);
    rig.ack("1");
    expect(rig.change({ "pod-1": "2" })).toEqual([sent("2", ["pod-1"])]);
  });

  test("resources carry their other names", () => {
    const rig = rigOn("");
    const request = createDeltaDiscoveryRequest({ typeUrl: B, resourceNamesSubscribe: ["pod-1"] });
    const [effect] = rig.server.step({ t: "request", request });
    expect(onTheWire(effect!).resources).toMatchObject([{ name: "pod-1", aliases: ["1"], version: "1" }]);
  });
});

describe("two types of which one names the other", () => {
  const open = (): Rig => {
    const rig = new Rig();
    rig.request({ typeUrl: A });
    rig.request();
    rig.ack("1", A);
    rig.ack("2");
    return rig;
  };

  test("what is named comes first, and goes last", () => {
    const rig = open();
    rig.put({ policy: "1" }, rig.a);
    expect(rig.change({ pod: "1" })).toEqual([sent("3", ["policy"], [], A), sent("4", ["pod"])]);
    rig.ack("3", A);
    rig.ack("4");
    rig.put({ pod: "2" });
    expect(rig.change({ policy: null }, rig.a)).toEqual([sent("5", ["pod"]), sent("6", [], ["policy"], A)]);
  });

  test("what names waits while what is named waits for an answer", () => {
    const rig = open();
    expect(rig.change({ one: "1" }, rig.a)).toEqual([sent("3", ["one"], [], A)]);
    rig.put({ two: "1" }, rig.a);
    expect(rig.change({ pod: "1" })).toEqual([]);
    expect(rig.ack("3", A).slice(1)).toEqual([sent("4", ["two"], [], A), sent("5", ["pod"])]);
  });

  test("what is named stays while what names it waits for an answer", () => {
    const rig = open();
    expect(rig.change({ pod: "1" })).toEqual([sent("3", ["pod"])]);
    rig.put({ policy: "1" }, rig.a);
    expect(rig.changed()).toEqual([sent("4", ["policy"], [], A)]);
    rig.ack("4", A);
    rig.put({ pod: "2" });
    expect(rig.change({ policy: null }, rig.a)).toEqual([]);
    expect(rig.ack("3").slice(1)).toEqual([sent("5", ["pod"]), sent("6", [], ["policy"], A)]);
  });
});

describe("a client that cannot honour a resource", () => {
  const scope: ClientScope = { node: "", honours: (need) => need !== "new" };
  test("is not told of it, and that it is gone once it needs more than that", () => {
    const rig = new Rig({ plain: "1" }, { scope });
    rig.b.set("special", entry("1", { needs: ["new"] }));
    expect(rig.request()).toEqual([sent("1", ["plain"])]);
    rig.ack("1");
    rig.b.set("plain", entry("2", { needs: ["new"] }));
    expect(rig.changed()).toEqual([sent("2", [], ["plain"])]);
  });
});

test("a table of several kinds serves one of them alone, also of what went", () => {
  const rig = new Rig();
  const { served } = rig.as({ isOf: ({ kind }) => kind === "pod", recast: (body) => body.subarray(1) });
  rig.b.set("pod", entry("12", { kind: "pod" }));
  rig.b.set("service", entry("1", { kind: "service" }));
  const [first] = served.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: "type/pods" }) });
  expect(onTheWire(first!).resources).toMatchObject([
    { name: "pod", version: "12", resource: { typeUrl: "type/pods", value: Uint8Array.of(0x32) } },
  ]);
  served.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: "type/pods", responseNonce: "1" }) });
  rig.put({ service: null, pod: null });
  expect(served.step({ t: "changed" }).map(short)).toEqual([sent("2", [], ["pod"], "type/pods")]);
});

test("a response on the wire is what a client of protobuf reads", () => {
  const rig = new Rig({ x: "1", y: "2" });
  const initialResourceVersions = versions({ z: "1", x: "1" });
  const request = createDeltaDiscoveryRequest({ typeUrl: B, initialResourceVersions });
  const [effect] = rig.server.step({ t: "request", request });
  expect(onTheWire(effect!)).toMatchObject({
    systemVersionInfo: "s",
    typeUrl: B,
    nonce: "1",
    removedResources: ["z"],
    resources: [{ name: "y", version: "2", aliases: [], resource: { typeUrl: B, value: Uint8Array.of(0x32) } }],
  });
});
