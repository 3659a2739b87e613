import {
  type DiscoveryRequest,
  createDiscoveryRequest,
  createStatus,
  decodeDiscoveryResponse,
} from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { encodeResponse } from "./resource-batch.ts";
import { ResourceTable, Sequence } from "./resource-table.ts";
import { ANY_CLIENT, type NameLookup, SharedBatches } from "./served-type.ts";
import { A, entry } from "./server.test.support.ts";
import { StateServer } from "./state-server.ts";

class Rig {
  readonly table = new ResourceTable(A, new Sequence());
  readonly server: StateServer;
  #nonces = 0;

  constructor(resources: Readonly<Record<string, string>>, lookup?: NameLookup) {
    this.put(resources);
    this.server = new StateServer({
      types: [{ typeUrl: A, table: this.table, ...(lookup === undefined ? {} : { lookup }) }],
      scope: ANY_CLIENT,
      scopeKey: "",
      shared: new SharedBatches(),
      nonce: () => String(++this.#nonces),
      maxNames: 10,
    });
  }

  put(changes: Readonly<Record<string, string | null>>): void {
    for (const [name, version] of Object.entries(changes))
      this.table.set(name, version === null ? null : entry(version));
  }
  /** What the client reads: nonce and contents; or an effect that is no response. */
  request(over: Partial<DiscoveryRequest> = {}): readonly unknown[] {
    return this.#read(this.server.step({ t: "request", request: createDiscoveryRequest({ typeUrl: A, ...over }) }));
  }
  change(changes: Readonly<Record<string, string | null>>): readonly unknown[] {
    this.put(changes);
    return this.#read(this.server.step({ t: "changed" }));
  }
  #read(effects: ReturnType<StateServer["step"]>): readonly unknown[] {
    return effects.map((e) => {
      if (e.t !== "send") return e;
      const read = decodeDiscoveryResponse(encodeResponse(e.batch, { nonce: e.nonce, systemVersion: "s" }));
      if (!read.ok) throw read.error;
      const { nonce, versionInfo, resources } = read.value;
      return [nonce, versionInfo, ...resources.map((any) => new TextDecoder().decode(any.value))];
    });
  }
}

const ACK = (nonce: string): unknown => ({ t: "acknowledged", typeUrl: A, nonce });

describe("state of the world", () => {
  test("is everything at first, and everything again when something changed or went", () => {
    const rig = new Rig({ x: "x1", y: "y1" });
    expect(rig.request()).toEqual([["1", "s", "x1", "y1"]]);
    expect(rig.request({ responseNonce: "1" })).toEqual([ACK("1")]);
    expect(rig.change({ x: "x2" })).toEqual([["2", "s", "y1", "x2"]]);
    expect(rig.change({ y: null })).toEqual([]);
    expect(rig.request({ responseNonce: "2" })).toEqual([ACK("2"), ["3", "s", "x2"]]);
  });

  test("of names is those, then what changed of them, then what was added", () => {
    const rig = new Rig({ x: "x1", y: "y1", z: "z1" });
    expect(rig.request({ resourceNames: ["x"] })).toEqual([["1", "s", "x1"]]);
    expect(rig.request({ resourceNames: ["x"], responseNonce: "1" })).toEqual([ACK("1")]);
    expect(rig.change({ y: "y2" })).toEqual([]);
    expect(rig.request({ resourceNames: ["x", "y"], responseNonce: "1" })).toEqual([ACK("1"), ["2", "s", "y2"]]);
    rig.request({ resourceNames: ["y"], responseNonce: "2" });
    expect(rig.change({ x: "x2", y: "y3" })).toEqual([["3", "s", "y3"]]);
  });

  test("of a name that stands for others is these", () => {
    const lookup: NameLookup = { find: (name) => (name === "vip" ? ["x", "y"] : []), ofNode: () => [] };
    expect(new Rig({ x: "x1", y: "y1", z: "z1" }, lookup).request({ resourceNames: ["vip"] })).toEqual([
      ["1", "s", "x1", "y1"],
    ]);
  });

  test("is answered even when there is nothing", () => expect(new Rig({}).request()).toEqual([["1", "s"]]));

  test("hears refusals, ignores answers to older responses, and begins anew without a nonce", () => {
    const rig = new Rig({ x: "x1" });
    rig.request();
    const errorDetail = createStatus({ message: "x: bad" });
    expect(rig.request({ responseNonce: "1", errorDetail })).toMatchObject([{ t: "rejected", message: "x: bad" }]);
    expect(rig.server.state().get(A)).toMatchObject({ lastError: "x: bad" });
    expect(rig.request({ responseNonce: "0" })).toMatchObject([{ t: "stale" }]);
    expect(rig.request()).toEqual([["2", "s", "x1"]]);
  });

  test("bounds what may be asked for, and says what is not served", () => {
    const rig = new Rig({});
    const resourceNames = Array.from({ length: 11 }, (_, i) => `n${i}`);
    expect(rig.request({ resourceNames })).toMatchObject([{ t: "close", code: 8 }]);
    expect(rig.request({ typeUrl: "type/none" })).toMatchObject([{ t: "unknown-type" }]);
  });
});
