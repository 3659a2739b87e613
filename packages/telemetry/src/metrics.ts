/** A value that only grows. Hold on to it: writing to it looks nothing up. */
export interface Counter {
  /** @param by at least 0 (default 1); less, or no number, is ignored */
  inc(by?: number): void;
  readonly value: number;
}

/** A value that goes up and down. */
export interface Gauge {
  set(value: number): void;
  inc(by?: number): void;
  dec(by?: number): void;
  readonly value: number;
}

/** Counts of observations by upper bound. */
export interface Histogram {
  observe(value: number): void;
}

/** One line of values of a family: plain data, so it can go from thread to thread. */
export interface Series {
  /** Label values, in the order of the family's label names. */
  readonly labels: readonly string[];
  /** Counter and gauge: the value. Histogram: the sum of the observations. */
  readonly value: number;
  /** Histogram: observations per bucket (not cumulative), the one above all bounds last. Otherwise null. */
  readonly counts: readonly number[] | null;
}

/** A metric with all its series at one moment. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labelNames: readonly string[];
  /** Histogram: upper bounds, ascending, without infinity. Otherwise null. */
  readonly bounds: readonly number[] | null;
  readonly series: readonly Series[];
}

/** One value; a counter as well as a gauge. */
export class Cell implements Counter, Gauge {
  readonly labels: readonly string[];
  readonly #grows: boolean;
  value = 0;

  constructor(labels: readonly string[], mode: "counter" | "gauge") {
    this.labels = labels;
    this.#grows = mode === "counter";
  }

  set(value: number): void {
    this.value = value;
  }
  inc(by = 1): void {
    if (this.#grows && !(by >= 0)) return;
    this.value += by;
  }
  dec(by = 1): void {
    this.value -= by;
  }
  series(): Series {
    return { labels: this.labels, value: this.value, counts: null };
  }
}

/** Observations of one series. */
export class Buckets implements Histogram {
  readonly labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: readonly string[], bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    if (Number.isNaN(value)) return;
    let i = 0;
    while (i < this.#bounds.length && value > this.#bounds[i]!) i++;
    this.#counts[i]!++;
    this.#sum += value;
  }
  series(): Series {
    return { labels: this.labels, value: this.#sum, counts: [...this.#counts] };
  }
}
