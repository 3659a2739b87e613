import { golden } from "@lateen/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeFamilies, metricsContentType, renderOpenMetrics } from "./open-metrics.ts";
import { type Registry, createRegistry } from "./registry.ts";

function sample(): Registry {
  const registry = createRegistry();
  const opened = registry.counter({
    name: "istio_tcp_connections_opened",
    help: "Connections opened",
    labels: ["reporter"],
  });
  opened.with({ reporter: "source" }).inc();
  opened.with({ reporter: 'a "b"\\\n' }).inc(2);
  registry.gauge({ name: "workload_manager_active_proxy_count", help: "Pods\nserved \\ now" }).with({}).set(-1.5);
  const bounds = [0.0005, 0.1, 1, 5];
  const time = registry.histogram({ name: "dns_seconds", help: "Time", labels: ["q"], bounds });
  for (const seconds of [0.0001, 0.0005, 0.3, 5, 6, NaN]) time.with({ q: "a" }).observe(seconds);
  return registry;
}

test("OpenMetrics text", () => golden("open-metrics", renderOpenMetrics(sample().families())));

test("a metric without labels is shown before its first use; one with labels is not", () => {
  const registry = createRegistry();
  registry.counter({ name: "a", help: "A" });
  registry.counter({ name: "b", help: "B", labels: ["l"] });
  expect(renderOpenMetrics(registry.families())).toBe(
    "# HELP a A\n# TYPE a counter\na_total 0\n# HELP b B\n# TYPE b counter\n# EOF\n",
  );
});

describe("a registry", () => {
  test("gives the same series for the same values, until it is removed", () => {
    const counter = createRegistry().counter({ name: "c", help: "C", labels: ["a", "b"] });
    const first = counter.with({ a: "1", b: "2" });
    expect(counter.with({ b: "2", a: "1" })).toBe(first);
    expect(counter.with({ a: "1", b: "" })).not.toBe(first);
    counter.remove({ a: "1", b: "2" });
    expect(counter.with({ a: "1", b: "2" })).not.toBe(first);
  });

  test("a counter never falls", () => {
    const counter = createRegistry().counter({ name: "c", help: "C" }).with({});
    counter.inc(3);
    counter.inc(-2);
    counter.inc(NaN);
    expect(counter.value).toBe(3);
  });

  test("series beyond the limit work, are not shown, and are counted", () => {
    const registry = createRegistry({ maxSeries: 2 });
    const counter = registry.counter({ name: "c", help: "C", labels: ["peer"] });
    for (const peer of ["1", "2", "3", "4"]) counter.with({ peer }).inc();
    const [shown, dropped] = registry.families();
    expect(shown?.series.map((s) => s.labels[0])).toEqual(["1", "2"]);
    expect(dropped).toMatchObject({ name: "lateen_dropped_series", series: [{ labels: ["c"], value: 2 }] });
  });

  test("refreshes what is looked up, until disposed", () => {
    const registry = createRegistry();
    const gauge = registry.gauge({ name: "process_open_fds", help: "Open descriptors" }).with({});
    const refreshing = registry.onCollect(() => gauge.inc());
    registry.families();
    refreshing[Symbol.dispose]();
    registry.families();
    expect(gauge.value).toBe(1);
  });

  test.each([
    ["an invalid name", { name: "a-b" }],
    ["a second one of the name", { name: "known" }],
    ["the name that counts dropped series", { name: "lateen_dropped_series" }],
    ["the suffix of counters", { name: "a_total" }],
    ["an invalid label", { name: "a", labels: ["x y"] }],
    ["the label of buckets", { name: "a", labels: ["le"] }],
    ["a label twice", { name: "a", labels: ["x", "x"] }],
  ])("refuses %s", (_name, o) => {
    const registry = createRegistry();
    registry.gauge({ name: "known", help: "" });
    expect(() => registry.counter({ help: "", ...o })).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  });

  test("refuses bounds that do not ascend", () => {
    for (const bounds of [[1, 1], [2, 1], [Infinity]]) {
      expect(() => createRegistry().histogram({ name: "h", help: "", bounds })).toThrow(/finite and ascending/);
    }
  });
});

describe("metrics of several threads", () => {
  test("equal series become their sum, others stand side by side", () => {
    const text = renderOpenMetrics(mergeFamilies([sample().families(), sample().families()]));
    golden("open-metrics-merged", text);
  });

  test("what went through structured clone is merged alike, in any order", () => {
    const one = structuredClone(sample().families());
    const other = createRegistry();
    other.counter({ name: "only_here", help: "" }).with({}).inc(4);
    const sums = (all: typeof one): Record<string, number> =>
      Object.fromEntries(all.flatMap((f) => f.series.map((s) => [`${f.name} ${s.labels.join()}`, s.value])));
    expect(sums(mergeFamilies([one, other.families()]))).toEqual(sums(mergeFamilies([other.families(), one])));
  });

  test("a family that does not fit the first of its name is left out", () => {
    const other = createRegistry();
    other.gauge({ name: "istio_tcp_connections_opened", help: "" }).with({}).set(1_000);
    expect(mergeFamilies([sample().families(), other.families()])).toEqual(mergeFamilies([sample().families()]));
  });
});

test("the buckets of a histogram are cumulative and end with the count", () =>
  fc.assert(
    fc.property(fc.array(fc.double({ min: -10, max: 10, noNaN: true })), (values) => {
      const registry = createRegistry();
      const h = registry.histogram({ name: "h", help: "", bounds: [-1, 0, 1] }).with({});
      for (const v of values) h.observe(v);
      const text = renderOpenMetrics(registry.families());
      const buckets = [...text.matchAll(/h_bucket\{le="[^"]+"\} (\d+)/g)].map((m) => Number(m[1]));
      const want = [-1, 0, 1, Infinity].map((b) => values.filter((v) => v <= b).length);
      expect(buckets).toEqual(want);
      expect(text).toContain(`h_count ${values.length}\n`);
    }),
  ));

test.each([
  [undefined, "text/plain; charset=utf-8"],
  ["text/plain", "text/plain; charset=utf-8"],
  ["*/*", "text/plain; charset=utf-8"],
  ["application/openmetrics-text", "application/openmetrics-text;charset=utf-8;version=1.0.0"],
  ["application/openmetrics-text;version=1.0.0;q=0.5,*/*", "application/openmetrics-text;charset=utf-8;version=1.0.0"],
  ["text/plain, Application/OpenMetrics-Text ;q=1", "application/openmetrics-text;charset=utf-8;version=1.0.0"],
  ["application/openmetrics-texts", "text/plain; charset=utf-8"],
])("Accept %s is answered with %s", (accept, want) => expect(metricsContentType(accept)).toBe(want));
