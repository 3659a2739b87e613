import { type DeltaDiscoveryResponse, createNode } from "@lateen/xds-types";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeltaClient } from "./delta-client.ts";
import { DeltaServer } from "./delta-server.ts";
import { ResourceTable, Sequence } from "./resource-table.ts";
import { ANY_CLIENT, SharedBatches } from "./served-type.ts";
import { entry, onTheWire } from "./server.test.support.ts";
import type { ServerEffect } from "./stream-messages.ts";

const TYPE = "type/A";
/** So few that a client may fall too far behind. */
const MAX_GONE = 2;
const NAMES = ["a", "b", "c", "d"] as const;
const BAD = "bad";

type Step =
  | { readonly t: "put"; readonly name: string; readonly version: string }
  | { readonly t: "delete"; readonly name: string }
  | { readonly t: "deliver" }
  | { readonly t: "cut" };

const arbStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    t: fc.constant("put" as const),
    name: fc.constantFrom(...NAMES),
    version: fc.constantFrom("1", "2", "3", BAD),
  }),
  fc.record({ t: fc.constant("delete" as const), name: fc.constantFrom(...NAMES) }),
  fc.constant({ t: "deliver" as const }),
  fc.constant({ t: "cut" as const }),
);

/** A client and a server over a wire that delivers when told to and may be cut at any time. */
class World {
  readonly truth = new ResourceTable(TYPE, new Sequence(), MAX_GONE);
  readonly held = new Map<string, string>();
  readonly client = new DeltaClient(createNode({ id: "n" }), [TYPE]);
  readonly #shared = new SharedBatches();
  #server = this.#newServer();
  #nonces = 0;
  #toClient: DeltaDiscoveryResponse[] = [];
  mostUnanswered = 0;

  constructor() {
    this.#connect();
  }

  act(step: Step): void {
    if (step.t === "deliver") this.#deliver();
    else if (step.t === "cut") this.#connect();
    else {
      this.truth.set(step.name, step.t === "put" ? entry(step.version) : null);
      this.#push(this.#server.step({ t: "changed" }));
    }
  }

  settle(): void {
    for (let i = 0; i < 20 && this.#toClient.length > 0; i++) this.#deliver();
    expect(this.#toClient).toEqual([]);
  }

  #newServer(): DeltaServer {
    const types = [{ typeUrl: TYPE, table: this.truth }];
    const nonce = (): string => String(++this.#nonces);
    return new DeltaServer({ types, scope: ANY_CLIENT, scopeKey: "", shared: this.#shared, nonce });
  }

  #connect(): void {
    this.#server = this.#newServer();
    this.#toClient = [];
    this.client.step({ t: "disconnected", end: { t: "complete" }, random: 0 });
    for (const e of this.client.step({ t: "connected" }))
      if (e.t === "send") this.#push(this.#server.step({ t: "request", request: e.request }));
  }

  #push(effects: readonly ServerEffect[]): void {
    const lost = effects.some((e) => e.t === "close");
    for (const e of effects) if (e.t === "send") this.#toClient.push(onTheWire(e));
    this.mostUnanswered = Math.max(this.mostUnanswered, this.#toClient.length);
    if (lost) this.#connect();
  }

  #deliver(): void {
    const response = this.#toClient.shift();
    if (response === undefined) return;
    this.client.step({ t: "response", response });
    const rejected = response.resources.filter((r) => r.version === BAD).map(({ name }) => ({ name, reason: BAD }));
    for (const r of response.resources) if (r.version !== BAD) this.held.set(r.name, r.version);
    for (const name of response.removedResources) this.held.delete(name);
    for (const ack of this.client.step({ t: "applied", rejected }))
      if (ack.t === "send") this.#push(this.#server.step({ t: "request", request: ack.request }));
  }
}

test("whatever happens on the way, the client ends with what the server has, but for what it refused", () =>
  fc.assert(
    fc.property(fc.array(arbStep, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const step of steps) world.act(step);
      world.settle();
      for (const name of NAMES) {
        const want = world.truth.get(name)?.version;
        if (want !== BAD) expect(world.held.get(name), name).toBe(want);
      }
      expect(world.mostUnanswered).toBeLessThanOrEqual(1);
    }),
    { numRuns: 1_000 },
  ));
