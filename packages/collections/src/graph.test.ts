import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Change, type Collection, Graph, type Source } from "./index.ts";

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

  test("a value follows from what it reads, and is there before anything else is", () => {
    const graph = new Graph();
    const words = graph.source<string>("words");
    const count = graph.value("count", (fetch) => fetch.all(words).length);
    expect(count.get("")).toBe(0);
    graph.update(() => words.set("a", "x"));
    expect(count.get("")).toBe(1);
    const first = graph.value("first", (fetch) => fetch(words, "a"));
    graph.update(() => words.set("a", undefined));
    expect([count.get(""), first.size]).toEqual([0, 0]);
  });

  test("describes inputs, outputs and reads", () => {
    const r = rig();
    r.graph.update(() => r.pods.set("a", { node: "n1", app: "x" }));
    const reads = [{ collection: "nodes", by: "key", name: "n1" }];
    expect(r.graph.describe("placed")).toEqual(new Map([["placed", [{ input: "a", outputs: [], reads }]]]));
    expect(r.graph.provenance("placed", "a")).toBe(undefined);
    r.graph.update(() => r.nodes.set("n1", "east"));
    expect(r.graph.provenance("placed", "a")).toEqual({
      collection: "placed",
      key: "a",
      input: "a",
      outputs: ["a"],
      reads,
    });
    expect(r.graph.sizes().get("nodes")).toBe(1);
  });

  test("a group is computed once, with everything filed under its name, and goes with its last member", () => {
    const graph = new Graph();
    const pods = graph.source<Pod>("pods");
    const computed: string[] = [];
    const apps = graph.deriveGroups(
      "apps",
      graph.index(pods, "app", (p) => [p.app]),
      (members, _, app) => {
        computed.push(app);
        return [[app, members.map((p) => p.node).join(" ")]];
      },
    );
    graph.update(() => {
      for (const name of ["a", "b", "c"]) pods.set(name, { node: `n-${name}`, app: name === "c" ? "y" : "x" });
    });
    expect([computed, apps.entries()]).toEqual([
      ["x", "y"],
      [
        ["x", "n-a n-b"],
        ["y", "n-c"],
      ],
    ]);
    graph.update(() => pods.set("c", { node: "n-c", app: "x" }));
    expect(apps.entries()).toEqual([["x", "n-a n-b n-c"]]);
  });

  test("an output may move from one input to another in a step, in either order", () => {
    const graph = new Graph();
    const names = graph.source<string>("names");
    const out = graph.deriveMany<string, string>("out", names, (name, _, key) => [[name, key]]);
    graph.update(() => names.set("b", "x"));
    for (const [from, to] of [
      ["b", "a"],
      ["a", "c"],
    ] as const) {
      graph.update(() => {
        names.set(from, undefined);
        names.set(to, "x");
      });
      expect(out.entries()).toEqual([["x", to]]);
    }
  });

  test("one derivation or listener that throws does not keep the step from the others", () => {
    const failures: string[] = [];
    const graph = new Graph({
      onError: (collection, key, error) => failures.push(`${collection} ${key}: ${String(error)}`),
    });
    const wishes = graph.source<number>("wishes");
    const granted = graph.derive("granted", wishes, (wish) => {
      if (wish < 0) throw new Error("negative");
      return wish;
    });
    const next = graph.derive("next", granted, (n) => n + 1);
    using _a = next.subscribe(() => {
      throw new Error("deaf");
    });
    const heard: unknown[] = [];
    using _b = next.subscribe((changes) => heard.push(...changes));
    graph.update(() => {
      wishes.set("a", -1);
      wishes.set("b", 1);
    });
    expect(next.entries()).toEqual([["b", 2]]);
    expect(heard).toEqual([{ key: "b", before: undefined, after: 2 }]);
    expect(failures).toEqual(["granted a: Error: negative", "next : Error: deaf"]);
  });

  test("two inputs that give the same key: the first stays and the second is told", () => {
    const graph = new Graph();
    const names = graph.source<string>("names");
    const out = graph.deriveMany<string, string>("out", names, (name, _, key) => [[name, key]]);
    expect(() =>
      graph.update(() => {
        names.set("a", "x");
        names.set("b", "x");
      }),
    ).toThrow('two inputs give "x"');
    expect(out.entries()).toEqual([["x", "a"]]);
  });

  test("a collection can only be read by what was made after it", () => {
    const graph = new Graph();
    const pods = graph.source<Pod>("pods");
    const made: Collection<string>[] = [];
    graph.derive("early", pods, (_, fetch) => made.map((later) => fetch(later, "x")));
    made.push(graph.derive("late", pods, () => "x"));
    expect(() => graph.update(() => pods.set("a", { node: "n", app: "x" }))).toThrow("Cannot read late for early");
    expect(() => graph.source("pods")).toThrow("a collection of that name");
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
