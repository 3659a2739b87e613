import { type LevelFilter, type Severity, createLevelFilter, severities } from "./levels.ts";
import type { Fields, LogEvent, Span } from "./log-event.ts";
import { formatJsonLine, formatTextLine } from "./log-formats.ts";

/** Fields, or a function that makes them: it is called only when the event is let through. */
export type LazyFields = Fields | (() => Fields);

/** Writes events of one scope. A method whose level is off costs a comparison and builds nothing. */
export interface Logger {
  readonly scope: string;
  enabled(severity: Severity): boolean;
  error(message: string, fields?: LazyFields): void;
  warn(message: string, fields?: LazyFields): void;
  info(message: string, fields?: LazyFields): void;
  debug(message: string, fields?: LazyFields): void;
  trace(message: string, fields?: LazyFields): void;
  /** A logger of the same scope whose events stand inside a span. */
  span(name: string, fields?: Fields): Logger;
}

/** Where lines go and what they look like. */
export interface LoggingOptions {
  /** Takes one line without its line end. Must not throw; must not wait. */
  readonly write: (line: string) => void;
  /** Microseconds since the epoch. */
  readonly nowMicros: () => number;
  readonly format?: "text" | "json";
  /** Levels at the start, as `parseLevels` gives them; `info` for what they do not name. */
  readonly levels?: ReadonlyMap<string, Severity | "off">;
}

/** The log of a process. */
export interface Logging {
  readonly levels: LevelFilter;
  logger(scope: string): Logger;
}

class ScopeLogger implements Logger {
  readonly scope: string;
  readonly #spans: readonly Span[];
  readonly #levels: LevelFilter;
  readonly #emit: (e: Omit<LogEvent, "atMicros">) => void;
  #rank = 0;
  #generation = -1;

  constructor(
    scope: string,
    spans: readonly Span[],
    levels: LevelFilter,
    emit: (e: Omit<LogEvent, "atMicros">) => void,
  ) {
    this.scope = scope;
    this.#spans = spans;
    this.#levels = levels;
    this.#emit = emit;
  }

  #lets(rank: number): boolean {
    if (this.#generation !== this.#levels.generation) {
      this.#generation = this.#levels.generation;
      this.#rank = this.#levels.rankOf(this.scope);
    }
    return rank <= this.#rank;
  }

  #log(rank: number, message: string, fields: LazyFields | undefined): void {
    if (!this.#lets(rank)) return;
    const made = typeof fields === "function" ? fields() : (fields ?? {});
    this.#emit({ severity: severities[rank - 1]!, scope: this.scope, spans: this.#spans, message, fields: made });
  }

  enabled(severity: Severity): boolean {
    return this.#lets(severities.indexOf(severity) + 1);
  }
  error(message: string, fields?: LazyFields): void {
    this.#log(1, message, fields);
  }
  warn(message: string, fields?: LazyFields): void {
    this.#log(2, message, fields);
  }
  info(message: string, fields?: LazyFields): void {
    this.#log(3, message, fields);
  }
  debug(message: string, fields?: LazyFields): void {
    this.#log(4, message, fields);
  }
  trace(message: string, fields?: LazyFields): void {
    this.#log(5, message, fields);
  }
  span(name: string, fields: Fields = {}): Logger {
    return new ScopeLogger(this.scope, [...this.#spans, { name, fields }], this.#levels, this.#emit);
  }
}

/** Makes the log of a process. It opens nothing: `write` is the sink. */
export function createLogging(o: LoggingOptions): Logging {
  const levels = createLevelFilter(o.levels ?? new Map());
  const format = o.format === "json" ? formatJsonLine : formatTextLine;
  const emit = (e: Omit<LogEvent, "atMicros">): void => o.write(format({ ...e, atMicros: o.nowMicros() }));
  return { levels, logger: (scope) => new ScopeLogger(scope, [], levels, emit) };
}
