import { Code, MeshError } from "@lateen/errors";
import { Buckets, Cell, type Counter, type Family, type Gauge, type Histogram, type Series } from "./metrics.ts";

/** What a metric is. Names and label names follow `[a-zA-Z_][a-zA-Z0-9_]*`; a counter's name has no `_total`. */
export interface MetricOptions<L extends string = never> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** A metric with labels: one series per combination of values. */
export interface Labelled<M, L extends string> {
  /** The series with these label values, made when it is new. Keep it rather than ask again per event. */
  with(values: Readonly<Record<L, string>>): M;
  /** Forgets a series, as when its pod is gone. */
  remove(values: Readonly<Record<L, string>>): void;
}

/** The metrics of one thread. */
export interface Registry {
  counter<L extends string = never>(o: MetricOptions<L>): Labelled<Counter, L>;
  gauge<L extends string = never>(o: MetricOptions<L>): Labelled<Gauge, L>;
  histogram<L extends string = never>(
    o: MetricOptions<L> & { readonly bounds: readonly number[] },
  ): Labelled<Histogram, L>;
  /** Calls `refresh` before every `families`: for gauges whose value is looked up, such as open descriptors. */
  onCollect(refresh: () => void): Disposable;
  /** Everything at this moment, as plain data, in the order in which it was registered. */
  families(): readonly Family[];
}

type Kind = Family["type"];
interface Collected {
  readonly labels: readonly string[];
  series(): Series;
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const SEPARATOR = "\u0000";
const DROPPED = "lateen_dropped_series";

class MetricFamily<M extends Collected, L extends string> implements Labelled<M, L> {
  readonly #series = new Map<string, M>();
  readonly #labels: readonly L[];
  readonly #make: (values: readonly string[]) => M;
  readonly #limit: number;
  readonly #onDrop: () => void;

  constructor(o: { labels: readonly L[]; make: (v: readonly string[]) => M; limit: number; onDrop: () => void }) {
    this.#labels = o.labels;
    this.#make = o.make;
    this.#limit = o.limit;
    this.#onDrop = o.onDrop;
    if (o.labels.length === 0) this.with({} as Record<L, string>);
  }

  with(values: Readonly<Record<L, string>>): M {
    const list = this.#labels.map((name) => values[name]);
    const key = list.join(SEPARATOR);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const made = this.#make(list);
    if (this.#series.size < this.#limit) this.#series.set(key, made);
    else this.#onDrop();
    return made;
  }

  remove(values: Readonly<Record<L, string>>): void {
    this.#series.delete(this.#labels.map((name) => values[name]).join(SEPARATOR));
  }

  collect(): readonly Series[] {
    return Array.from(this.#series.values(), (m) => m.series());
  }
}

interface Registered {
  readonly head: Omit<Family, "series">;
  collect(): readonly Series[];
}

/**
 * A registry.
 * @param o.maxSeries per metric (default 50,000). Beyond it a new series works but is not shown, and
 *   `lateen_dropped_series_total{metric}` counts it: labels that a peer chooses cannot fill the memory.
 */
export function createRegistry(o: { readonly maxSeries?: number } = {}): Registry {
  const limit = o.maxSeries ?? 50_000;
  const metrics = new Map<string, Registered>();
  const refreshers = new Set<() => void>();
  const dropped = new Map<string, Cell>();
  const onDrop = (name: string): void => {
    const cell = dropped.get(name) ?? new Cell([name], "counter");
    dropped.set(name, cell);
    cell.inc();
  };
  const register = <M extends Collected, L extends string>(
    kind: Kind,
    m: MetricOptions<L> & { readonly bounds?: readonly number[] },
    make: (values: readonly string[]) => M,
  ): MetricFamily<M, L> => {
    const labels = m.labels ?? [];
    check(kind, { ...m, labels }, metrics);
    const family = new MetricFamily<M, L>({ labels, make, limit, onDrop: () => onDrop(m.name) });
    const head = { name: m.name, help: m.help, type: kind, labelNames: labels, bounds: m.bounds ?? null };
    metrics.set(m.name, { head, collect: () => family.collect() });
    return family;
  };
  return {
    counter: (m) => register("counter", m, (values) => new Cell(values, "counter")),
    gauge: (m) => register("gauge", m, (values) => new Cell(values, "gauge")),
    histogram: (m) => register("histogram", m, (values) => new Buckets(values, m.bounds)),
    onCollect(refresh) {
      refreshers.add(refresh);
      return { [Symbol.dispose]: () => void refreshers.delete(refresh) };
    },
    families() {
      for (const refresh of refreshers) refresh();
      const all = Array.from(metrics.values(), (m): Family => ({ ...m.head, series: m.collect() }));
      return dropped.size === 0 ? all : [...all, droppedFamily(dropped)];
    },
  };
}

function droppedFamily(cells: ReadonlyMap<string, Cell>): Family {
  const series = Array.from(cells.values(), (c) => c.series());
  const help = "Series not shown because their metric has too many";
  return { name: DROPPED, help, type: "counter", labelNames: ["metric"], bounds: null, series };
}

function check(
  kind: Kind,
  m: { readonly name: string; readonly labels: readonly string[]; readonly bounds?: readonly number[] },
  known: ReadonlyMap<string, unknown>,
): void {
  const bad = (why: string): never => {
    throw new MeshError(Code.BadInput, `Cannot register metric "${m.name}": ${why}`);
  };
  if (!NAME.test(m.name)) bad("its name is not valid");
  if (known.has(m.name) || m.name === DROPPED) bad("it exists already");
  if (kind === "counter" && m.name.endsWith("_total")) bad("the suffix _total is added by itself");
  for (const label of m.labels) if (!NAME.test(label) || label === "le") bad(`its label "${label}" is not valid`);
  if (new Set(m.labels).size !== m.labels.length) bad("a label stands twice");
  if (m.bounds?.some((b, i, all) => !Number.isFinite(b) || (i > 0 && b <= all[i - 1]!)) === true)
    bad("its bounds must be finite and ascending");
}
