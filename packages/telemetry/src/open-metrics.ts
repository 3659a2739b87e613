import type { Family, Series } from "./metrics.ts";

const OPEN_METRICS = "application/openmetrics-text;charset=utf-8;version=1.0.0";
const PLAIN = "text/plain; charset=utf-8";

/**
 * The content type to answer with. The body is OpenMetrics in either case.
 * @param accept the request's Accept header
 */
export function metricsContentType(accept: string | undefined): string {
  return accept !== undefined && /(^|[,\s])application\/openmetrics-text\s*($|[;,])/i.test(accept)
    ? OPEN_METRICS
    : PLAIN;
}

const escapeText = (text: string): string => text.replace(/[\\\n"]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
const escapeHelp = (text: string): string => text.replace(/[\\\n]/g, (c) => (c === "\n" ? "\\n" : "\\\\"));

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** The form that bounds take in `le`: with a point, so that a whole number compares equal as text. */
const bound = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : number(value);

function labelText(names: readonly string[], values: readonly string[], extra = ""): string {
  const parts = names.map((name, i) => `${name}="${escapeText(values[i] ?? "")}"`);
  if (extra !== "") parts.push(extra);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function histogramLines(f: Family, s: Series): string {
  const [bounds, counts] = [f.bounds ?? [], s.counts ?? []];
  const total = counts.reduce((sum, n) => sum + n, 0);
  const labels = labelText(f.labelNames, s.labels);
  let out = `${f.name}_sum${labels} ${number(s.value)}\n${f.name}_count${labels} ${total}\n`;
  let below = 0;
  for (const [i, n] of counts.entries()) {
    below += n;
    const le = i < bounds.length ? bound(bounds[i]!) : "+Inf";
    out += `${f.name}_bucket${labelText(f.labelNames, s.labels, `le="${le}"`)} ${below}\n`;
  }
  return out;
}

/** OpenMetrics text, version 1.0.0, with its end mark. @see https://prometheus.io/docs/specs/om/open_metrics_spec/ */
export function renderOpenMetrics(families: readonly Family[]): string {
  let out = "";
  for (const f of families) {
    out += `# HELP ${f.name} ${escapeHelp(f.help)}\n# TYPE ${f.name} ${f.type}\n`;
    const name = f.type === "counter" ? `${f.name}_total` : f.name;
    for (const s of f.series) {
      if (f.type === "histogram") out += histogramLines(f, s);
      else out += `${name}${labelText(f.labelNames, s.labels)} ${number(s.value)}\n`;
    }
  }
  return `${out}# EOF\n`;
}

/**
 * Adds up the metrics of several threads: equal series become one whose values are the sums. A family takes its help, labels
 * and bounds from its first appearance; series that do not fit those are left out.
 */
export function mergeFamilies(all: readonly (readonly Family[])[]): readonly Family[] {
  const merged = new Map<string, { head: Family; series: Map<string, Series> }>();
  for (const family of all.flat()) {
    const into = merged.get(family.name) ?? { head: family, series: new Map<string, Series>() };
    merged.set(family.name, into);
    if (!fits(into.head, family)) continue;
    for (const s of family.series) {
      const key = s.labels.join("\u0000");
      const known = into.series.get(key);
      into.series.set(key, known === undefined ? s : add(known, s));
    }
  }
  return Array.from(merged.values(), ({ head, series }) => ({ ...head, series: [...series.values()] }));
}

const fits = (a: Family, b: Family): boolean =>
  a.type === b.type && a.labelNames.join() === b.labelNames.join() && a.bounds?.join() === b.bounds?.join();

function add(a: Series, b: Series): Series {
  const counts = a.counts === null || b.counts === null ? null : a.counts.map((n, i) => n + (b.counts?.[i] ?? 0));
  return { labels: a.labels, value: a.value + b.value, counts };
}
