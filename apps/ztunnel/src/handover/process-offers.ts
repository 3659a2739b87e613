import { type Plain, type Reader, decodeCbor, readPlain } from "@lateen/cbor";
import type { Result } from "@lateen/errors";
import type { Family, Series } from "@lateen/telemetry";

// What two processes offer each other beside listeners and connections of pods, as offers of the pod without a name.

/** The pod without a name: the process itself. */
export const PROCESS = "";

export type ProcessOffer =
  /** A socket between two data threads, over which one gives the other what it carries. */
  | { readonly t: "channel" }
  /** What has been counted so far, here and in those before: whoever asks for it must not see it begin anew. */
  | { readonly t: "totals"; readonly families: readonly Family[] };

const MAX_FAMILIES = 100;
const MAX_LABELS = 64;
const MAX_SERIES = 100_000;
const MAX_TEXT = 4_096;

/** Only what grows has a total: gauges are of the process, and there are no histograms. */
export function encodeTotals(families: readonly Family[]): Plain {
  const counters = families.filter((f) => f.type === "counter");
  return {
    t: "totals",
    families: counters.map(({ name, help, labelNames, series }) => ({
      name,
      help,
      labelNames,
      series: series.map(({ labels, value }) => ({ labels, value })),
    })),
  };
}

export const CHANNEL: Plain = { t: "channel" };

const text = (r: Reader): string => r.text(MAX_TEXT);

function readSeries(r: Reader, labels: number): Series {
  const values = r.at("labels").list(MAX_LABELS, text);
  if (values.length !== labels) r.problem("has another number of labels than its family");
  return { labels: values, value: r.at("value").number(0, Number.MAX_VALUE), counts: null };
}

function readFamily(r: Reader): Family {
  const labelNames = r.at("labelNames").list(MAX_LABELS, text);
  return {
    name: text(r.at("name")),
    help: text(r.at("help")),
    type: "counter",
    labelNames,
    bounds: null,
    series: r.at("series").list(MAX_SERIES, (s) => readSeries(s, labelNames.length)),
  };
}

/** @returns BAD_INPUT with everything that is wrong */
export function decodeProcessOffer(state: Uint8Array): Result<ProcessOffer> {
  const value = decodeCbor(state);
  if (!value.ok) return value;
  return readPlain(value.value, "offer of a process", (r): ProcessOffer => {
    const t = r.at("t").one(["channel", "totals"]);
    return t === "channel" ? { t } : { t, families: r.at("families").list(MAX_FAMILIES, readFamily) };
  });
}
