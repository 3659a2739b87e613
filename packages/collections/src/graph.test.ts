import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change, Collection } from "./collection.ts";
import { Graph, type Source } from "./graph.ts";

interface Pod {
  readonly node: string;
  readonly app: string;
}
interface Rig {
  readonly graph: Graph;
  readonly pods: Source<Pod>;
  readonly nodes: Source<string>;
  readonly apps: Source<{ readonly selects: string }>;
  readonly placed: Collection<string>;
  readonly members: Collection<readonly string[]>;
  readonly computed: string[];
}

/** placed: pod and the region of its node. members: for each app, what is placed under the label that it selects. */
function rig(): Rig {
  const graph = new Graph();
  const computed: string[] = [];
  const pods = graph.source<Pod>("pods");
  const nodes = graph.source<string>("nodes");
  const apps = graph.source<{ selects: string }>("apps");
  const byApp = graph.index(pods, "app", (pod) => [pod.app]);
  const placed = graph.derive("placed", pods, (pod, fetch, key) => {
    computed.push(key);
    const region = fetch(nodes, pod.node);
    return region === undefined ? undefined : `${key}@${region}`;
  });
  const members = graph.derive("members", apps, (app, fetch) => fetch.by(byApp, app.selects).map((p) => p.node));
  return { graph, pods, nodes, apps, placed, members, computed };
}

describe("derived collections", () => {
  test("compute exactly the inputs that looked at what changed", () => {
    const r = rig();
    r.graph.update(() => {
      r.nodes.set("n1", "east");
      r.nodes.set("n2", "west");
      r.pods.set("a", { node: "n1", app: "x" });
      r.pods.set("b", { node: "n2", app: "x" });
    });
    r.computed.length = 0;
    r.graph.update(() => r.nodes.set("n2", "south"));
    expect(r.computed).toEqual(["b"]);
    expect(r.placed.values()).toEqual(["a@east", "b@south"]);
  });

  test("a look-up by index is recomputed when an entry enters, leaves or changes under that name only", () => {
    const r = rig();
    r.graph.update(() => {
      r.apps.set("x", { selects: "x" });
      r.pods.set("a", { node: "n1", app: "x" });
    });
    const heard: Change<readonly string[]>[][] = [];
    using _ = r.members.subscribe((changes) => heard.push([...changes]));
    heard.length = 0;
    r.graph.update(() => r.pods.set("b", { node: "n9", app: "y" }));
    expect(heard).toEqual([]);
    r.graph.update(() => r.pods.set("b", { node: "n9", app: "x" }));
    expect(heard).toEqual([[{ key: "x", before: ["n1"], after: ["n1", "n9"] }]]);
  });

  test("equal outputs go no further, and one step tells once", () => {
    const r = rig();
    let told = 0;
    using _ = r.placed.subscribe(() => told++);
    r.graph.update(() => {
      r.nodes.set("n1", "east");
      r.pods.set("a", { node: "n1", app: "x" });
      r.pods.set("b", { node: "n1", app: "x" });
    });
    expect(told).toBe(1);
    r.graph.update(() => r.pods.set("a", { node: "n1", app: "another" }));
    expect(told).toBe(1);
  });

  test("a new subscriber hears what is there", () => {
    const r = rig();
    r.graph.update(() => r.nodes.set("n1", "east"));
    const heard: unknown[] = [];
    using _ = r.nodes.subscribe((changes) => heard.push(...changes));
    expect(heard).toEqual([{ key: "n1", before: undefined, after: "east" }]);
  });

  test("an input whose derivation throws keeps its last good output and is computed again when what it read changes", () => {
    const graph = new Graph();
    const limits = graph.source<number>("limits");
    const wishes = graph.source<number>("wishes");
    const errors: string[] = [];
    const granted = graph.deriveMany<number, number>(
      "granted",
      wishes,
      (wish, fetch, key) => {
        if (wish > (fetch(limits, "most") ?? 10)) throw new Error(`${wish} is too much`);
        return [[key, wish]];
      },
      (key, error) => errors.push(`${key}: ${String(error)}`),
    );
    graph.update(() => wishes.set("a", 5));
    graph.update(() => wishes.set("a", 50));
    expect([granted.get("a"), errors]).toEqual([5, ["a: Error: 50 is too much"]]);
    graph.update(() => limits.set("most", 100));
    expect(granted.get("a")).toBe(50);
  });

  test("refuses to be changed outside of a step, or from a listener", () => {
    const r = rig();
    expect(() => r.nodes.set("n1", "x")).toThrow("only within an update");
    using _ = r.nodes.subscribe(() => r.graph.update(() => undefined));
    expect(() => r.graph.update(() => r.nodes.set("n1", "x"))).toThrow("a step is in progress");
  });

  test("a union shows the first of equal keys, and the next when that goes", () => {
    const graph = new Graph();
    const [a, b] = [graph.source<string>("a"), graph.source<string>("b")];
    const both = graph.union("both", [a, b]);
    graph.update(() => {
      a.set("x", "from a");
      b.set("x", "from b");
      b.set("y", "only b");
    });
    expect(both.entries()).toEqual([
      ["x", "from a"],
      ["y", "only b"],
    ]);
    graph.update(() => a.set("x", undefined));
    expect(both.get("x")).toBe("from b");
  });

  test("a summary follows from the whole collection", () => {
    const graph = new Graph();
    const words = graph.source<string>("words");
    const count = graph.summary("count", words, (all) => (all.length === 0 ? [] : [["n", all.length] as const]));
    expect(count.size).toBe(0);
    graph.update(() => words.set("a", "x"));
    expect(count.get("n")).toBe(1);
    graph.update(() => words.set("a", undefined));
    expect(count.size).toBe(0);
  });

  test("describes inputs, outputs and reads", () => {
    const r = rig();
    r.graph.update(() => r.pods.set("a", { node: "n1", app: "x" }));
    expect(r.graph.describe().get("placed")).toEqual([{ input: "a", outputs: [], reads: ["nodes key n1"] }]);
  });

  test("any series of steps ends where computing from nothing ends", () => {
    const name = fc.constantFrom("a", "b", "c");
    const step = fc.array(
      fc.oneof(
        fc.tuple(fc.constant("pods"), name, fc.option(fc.record({ node: name, app: name }), { nil: undefined })),
        fc.tuple(fc.constant("nodes"), name, fc.option(fc.constantFrom("east", "west"), { nil: undefined })),
        fc.tuple(fc.constant("apps"), name, fc.option(fc.record({ selects: name }), { nil: undefined })),
      ),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const [live, fresh] = [rig(), rig()];
        const put = (r: Rig, changes: typeof steps): void =>
          changes.forEach((ops) =>
            r.graph.update(() =>
              ops.forEach(([where, key, value]) => (r[where as "pods"] as Source<unknown>).set(key, value)),
            ),
          );
        put(live, steps);
        put(fresh, [steps.flat()]);
        expect(live.placed.entries()).toEqual(fresh.placed.entries());
        expect(live.members.entries()).toEqual(fresh.members.entries());
      }),
    );
  });
});
