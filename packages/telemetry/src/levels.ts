import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Severities of an event, worst first. */
export const severities = ["error", "warn", "info", "debug", "trace"] as const;
export type Severity = (typeof severities)[number];

/** What a scope lets through: events of this severity and worse. `off` lets nothing through. */
export type Level = Severity | "off";

/** Levels by scope. `""` is the default; a scope's own entry, else the longest parent's (`a` for `a::b`), wins. */
export type Levels = ReadonlyMap<string, Level>;

const MAX_DIRECTIVES = 256;

function parseLevel(text: string): Level | null {
  const lower = text.trim().toLowerCase();
  if (lower === "warning") return "warn";
  return lower === "off" || (severities as readonly string[]).includes(lower) ? (lower as Level) : null;
}

/**
 * Parses `info`, `info,access:debug` or `info,xds::client=trace`: a default and levels of scopes, separated by commas.
 * @returns BAD_INPUT naming every part that is not understood
 */
export function parseLevels(text: string): Result<Levels> {
  const levels = new Map<string, Level>();
  const problems: string[] = [];
  const parts = text.split(",").filter((p) => p.trim() !== "");
  if (parts.length > MAX_DIRECTIVES) problems.push(`${parts.length} parts, the most is ${MAX_DIRECTIVES}`);
  for (const part of parts.slice(0, MAX_DIRECTIVES)) {
    const m = /^\s*(?:([A-Za-z0-9_:.-]*[A-Za-z0-9_.-])\s*[=:])?\s*([A-Za-z]+)\s*$/.exec(part);
    const level = m === null ? null : parseLevel(m[2]!);
    if (m === null || level === null)
      problems.push(`${JSON.stringify(part.trim().slice(0, 80))} is not LEVEL or SCOPE:LEVEL`);
    else levels.set(m[1] ?? "", level);
  }
  if (problems.length === 0) return ok(levels);
  const hint = `levels are ${severities.join(", ")}, off`;
  return fail(new MeshError(Code.BadInput, `Cannot parse log levels: ${problems.join("; ")} (${hint})`));
}

/** The text that `parseLevels` reads back: scopes first, the longest name before shorter ones, the default last. */
export function formatLevels(levels: Levels): string {
  const order = (a: string, b: string): number => b.length - a.length || (a < b ? -1 : 1);
  return [...levels]
    .sort(([a], [b]) => order(a, b))
    .map(([scope, level]) => (scope === "" ? level : `${scope}=${level}`))
    .join(",");
}

/** Levels that can change while loggers hold on to their answer. */
export interface LevelFilter {
  /** Grows by one with every change: a cached answer of an older generation is stale. */
  readonly generation: number;
  /** How many severities the scope lets through: 0 is off, 1 errors only, 5 everything. */
  rankOf(scope: string): number;
  /** The default and the levels now in force. */
  current(): Levels;
  /** Puts `levels` over what is in force; with `replace`, over the initial levels. */
  set(levels: Levels, mode: "merge" | "replace"): void;
}

/** @param initial what `replace` goes back to */
export function createLevelFilter(initial: Levels): LevelFilter {
  const start: Levels = new Map([["", "info" as Level], ...initial]);
  let levels = start;
  let generation = 0;
  return {
    get generation() {
      return generation;
    },
    rankOf(scope) {
      for (let name = scope; name !== ""; name = parentOf(name)) {
        const level = levels.get(name);
        if (level !== undefined) return rank(level);
      }
      return rank(levels.get("") ?? "info");
    },
    current: () => levels,
    set(more, mode) {
      levels = new Map([...(mode === "merge" ? levels : start), ...more]);
      generation++;
    },
  };
}

const rank = (level: Level): number => (level === "off" ? 0 : severities.indexOf(level) + 1);
const parentOf = (scope: string): string => scope.slice(0, Math.max(0, scope.lastIndexOf("::")));
