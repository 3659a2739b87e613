import { type DeltaDiscoveryResponse, createDeltaDiscoveryRequest } from "@lateen/xds-types";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeltaServer } from "./delta-server.ts";
import { ResourceTable, Sequence } from "./resource-table.ts";
import { type NameLookup, SharedBatches } from "./served-type.ts";
import { A, B, entry, onTheWire } from "./server.test.support.ts";
import type { ServerEffect } from "./stream-messages.ts";

const NAMES = ["a", "b", "c", "d"] as const;
const NODE = "here";
/** Each name may also be asked for by this. */
const aliasOf = (name: string): string => `/${name}`;

type Step =
  | { readonly t: "put"; readonly name: string; readonly version: string; readonly local: boolean }
  | { readonly t: "delete"; readonly name: string }
  | { readonly t: "ask" | "leave"; readonly name: string }
  | { readonly t: "deliver" };

const name = fc.constantFrom(...NAMES);
const asked = fc.constantFrom(...NAMES, ...NAMES.map(aliasOf));
const arbStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ t: fc.constant("put" as const), name, version: fc.constantFrom("1", "2", "3"), local: fc.boolean() }),
  fc.record({ t: fc.constant("delete" as const), name }),
  fc.record({ t: fc.constantFrom("ask" as const, "leave" as const), name: asked }),
  fc.constant({ t: "deliver" as const }),
);

/** A client that asks for names one by one, over a wire that delivers when told to. */
class World {
  readonly table = new ResourceTable(B, new Sequence());
  readonly asked = new Set<string>();
  readonly held = new Map<string, string>();
  /** What was said of names that do not exist. */
  readonly missing = new Set<string>();
  readonly #server: DeltaServer;
  #nonces = 0;
  readonly #toClient: DeltaDiscoveryResponse[] = [];

  constructor() {
    const there = (n: string): readonly string[] => (this.table.get(n) === null ? [] : [n]);
    const lookup: NameLookup = {
      find: (n) => there(n.replace(/^\//, "")),
      ofNode: (node) => [...this.table.items()].filter((i) => i.node === node).map((i) => i.name),
    };
    this.#server = new DeltaServer({
      types: [{ typeUrl: B, table: this.table, lookup }],
      scope: { node: NODE, honours: () => true },
      scopeKey: "",
      shared: new SharedBatches(),
      nonce: () => String(++this.#nonces),
    });
    this.#request({ resourceNamesSubscribe: ["*"], resourceNamesUnsubscribe: ["*"] });
  }

  act(step: Step): void {
    switch (step.t) {
      case "put":
      case "delete":
        this.table.set(step.name, step.t === "put" ? put(step) : null);
        return this.#push(this.#server.step({ t: "changed" }));
      case "ask":
        this.asked.add(step.name);
        return this.#request({ resourceNamesSubscribe: [step.name] });
      case "leave":
        if (this.asked.delete(step.name)) this.#leave(step.name);
        return;
      case "deliver":
        return this.deliver();
    }
  }

  #leave(key: string): void {
    if (!this.#isWantedOtherwise(key)) {
      // It forgets by itself, also what is still on its way.
      this.held.delete(key);
      for (const r of this.#toClient) r.resources = r.resources.filter((one) => one.name !== key);
    }
    this.#request({ resourceNamesUnsubscribe: [key] });
  }

  /** By its other name, or for its node. */
  #isWantedOtherwise(key: string): boolean {
    const last = this.table.last(key);
    return last !== null && (last.node === NODE || this.asked.has(aliasOf(key)));
  }

  deliver(): void {
    const response = this.#toClient.shift();
    if (response === undefined) return;
    for (const r of response.resources) {
      this.held.set(r.name, r.version);
      for (const key of [r.name, ...r.aliases]) this.missing.delete(key);
    }
    for (const gone of response.removedResources) {
      this.held.delete(gone);
      this.missing.add(gone);
    }
    this.#request({ responseNonce: response.nonce });
  }

  settle(): void {
    for (let i = 0; i < 20 && this.#toClient.length > 0; i++) this.deliver();
    expect(this.#toClient).toEqual([]);
  }

  #request(over: Parameters<typeof createDeltaDiscoveryRequest>[0]): void {
    this.#push(this.#server.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl: B, ...over }) }));
  }

  #push(effects: readonly ServerEffect[]): void {
    for (const e of effects) if (e.t === "send") this.#toClient.push(onTheWire(e));
    expect(this.#toClient.length).toBeLessThanOrEqual(1);
  }
}

const put = (s: Extract<Step, { t: "put" }>): ReturnType<typeof entry> =>
  entry(`${s.version}${s.local ? " here" : ""}`, { aliases: [aliasOf(s.name)], node: s.local ? NODE : "there" });

test("what a client has for its node is told gone, although it asked for it and left meanwhile", () => {
  const world = new World();
  world.act({ t: "put", name: "d", version: "1", local: true });
  world.act({ t: "deliver" });
  world.act({ t: "ask", name: "d" });
  world.act({ t: "leave", name: "d" });
  world.act({ t: "delete", name: "d" });
  world.settle();
  expect(world.held).toEqual(new Map());
});

test("whatever happens, a client that asks by name ends with what it asked for and what is of its node", () =>
  fc.assert(
    fc.property(fc.array(arbStep, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const step of steps) world.act(step);
      world.settle();
      for (const n of NAMES) {
        const item = world.table.get(n);
        const wanted = world.asked.has(n) || world.asked.has(aliasOf(n));
        if (item === null) expect(world.held.has(n), `${n} is gone`).toBe(false);
        else if (wanted) expect(world.held.get(n), n).toBe(item.version);
        // What it holds without having asked is at least as it is.
        else if (world.held.has(n)) expect(world.held.get(n), n).toBe(item.version);
        for (const key of [n, aliasOf(n)])
          if (world.asked.has(key) && item === null)
            expect(world.missing.has(key) || world.missing.has(n), key).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  ));

type OrderStep =
  | { readonly t: "name"; readonly pod: string; readonly policy: string | null }
  | { readonly t: "deliver"; readonly type: string };

test("what names something is never held without it, however slowly each type is read", () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({
            t: fc.constant("name" as const),
            pod: fc.constantFrom("p", "q"),
            policy: fc.constantFrom("x", "y", "z", null),
          }),
          fc.record({ t: fc.constant("deliver" as const), type: fc.constantFrom(A, B) }),
        ),
        { maxLength: 60 },
      ),
      (steps: readonly OrderStep[]) => {
        const wire = new OrderedWire();
        for (const step of steps) {
          if (step.t === "name") wire.name(step.pod, step.policy);
          else wire.answer(step.type);
        }
        for (let i = 0; i < 20; i++) for (const type of [A, B]) wire.answer(type);
        expect(wire.pods).toEqual(wire.truth);
        expect([...wire.policies].sort()).toEqual(
          [...new Set([...wire.truth.values()].filter((p) => p !== null))].sort(),
        );
      },
    ),
    { numRuns: 1_000 },
  ));

/** Pods that name policies; what is sent arrives at once and in order, and is answered when told to. */
class OrderedWire {
  readonly truth = new Map<string, string | null>();
  readonly pods = new Map<string, string | null>();
  readonly policies = new Set<string>();
  readonly #sequence = new Sequence();
  readonly #a = new ResourceTable(A, this.#sequence);
  readonly #b = new ResourceTable(B, this.#sequence);
  readonly #unanswered = new Map<string, string>();
  readonly #server: DeltaServer;
  #nonces = 0;

  constructor() {
    this.#server = new DeltaServer({
      types: [{ typeUrl: A, table: this.#a }, { typeUrl: B, table: this.#b }], // prettier-ignore
      order: { first: A, second: B },
      scope: { node: "", honours: () => true },
      scopeKey: "",
      shared: new SharedBatches(),
      nonce: () => String(++this.#nonces),
    });
    for (const typeUrl of [A, B])
      this.#hear(this.#server.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl }) }));
  }

  /** A pod names another policy; policies are there as long as a pod names them. */
  name(pod: string, policy: string | null): void {
    this.truth.set(pod, policy);
    const named = new Set(this.truth.values());
    for (const one of ["x", "y", "z"]) if (named.has(one)) this.#a.set(one, entry("1"));
    this.#b.set(pod, entry(policy ?? "-"));
    for (const one of ["x", "y", "z"]) if (!named.has(one)) this.#a.set(one, null);
    this.#hear(this.#server.step({ t: "changed" }));
  }

  answer(typeUrl: string): void {
    const responseNonce = this.#unanswered.get(typeUrl);
    if (responseNonce === undefined) return;
    this.#unanswered.delete(typeUrl);
    this.#hear(this.#server.step({ t: "request", request: createDeltaDiscoveryRequest({ typeUrl, responseNonce }) }));
  }

  #hear(effects: readonly ServerEffect[]): void {
    for (const e of effects) {
      if (e.t !== "send") continue;
      const { resources, removedResources } = onTheWire(e);
      this.#unanswered.set(e.typeUrl, e.nonce);
      for (const { name: n, version } of resources)
        if (e.typeUrl === A) this.policies.add(n);
        else this.pods.set(n, version === "-" ? null : version);
      if (e.typeUrl === A) for (const n of removedResources) this.policies.delete(n);
      for (const [pod, policy] of this.pods)
        if (policy !== null) expect(this.policies.has(policy), `${pod} names ${policy}`).toBe(true);
    }
  }
}
