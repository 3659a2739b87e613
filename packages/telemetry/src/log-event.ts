/** Text that a log line shows without quotes: addresses, numbers with units that must stay bare. */
export interface Bare {
  readonly bare: string;
}

/** A value of a field. `null` and `undefined` leave the field out. */
export type FieldValue = string | number | bigint | boolean | Bare | null | undefined;

/** Fields in the order in which they are shown. */
export type Fields = Readonly<Record<string, FieldValue>>;

/** A named piece of context that encloses events. */
export interface Span {
  readonly name: string;
  readonly fields: Fields;
}

/** One event of the log, before it becomes text. */
export interface LogEvent {
  /** Microseconds since the epoch. */
  readonly atMicros: number;
  readonly severity: "error" | "warn" | "info" | "debug" | "trace";
  readonly scope: string;
  readonly spans: readonly Span[];
  readonly message: string;
  readonly fields: Fields;
}

/** Marks `text` to be shown without quotes. It must hold no white space; if it does, it is quoted after all. */
export function bare(text: string): Bare {
  return { bare: text };
}
