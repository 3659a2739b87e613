import type { FieldValue, Fields, LogEvent } from "./log-event.ts";

const BARE_OK = /^[^\s"\\\p{Cc}]+$/u;

/** The second that was last written, and its text up to the dot: most lines come in the second of the one before. */
let [knownSecond, knownText] = [NaN, ""];

/**
 * RFC 3339 in UTC with six digits of the second: `2026-01-02T03:04:05.678901Z`.
 * @param micros microseconds since the epoch
 */
export function formatTimestamp(micros: number): string {
  const second = Math.floor(micros / 1e6);
  if (second !== knownSecond) {
    knownText = new Date(second * 1_000).toISOString().slice(0, -4); // without milliseconds and zone
    knownSecond = second;
  }
  return `${knownText}${String(Math.floor(micros - second * 1e6)).padStart(6, "0")}Z`;
}

/** Printable ASCII that needs no escape: nearly every value there is. */
const PLAIN = /^[ !#-[\]-~]*$/;
const PLAIN_BARE = /^[!#-[\]-~]+$/;

/** JSON's escapes, and those for the control characters that JSON leaves alone. One line whatever the text holds. */
function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function textValue(value: Exclude<FieldValue, null | undefined>): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "object") {
    const text = value.bare;
    return PLAIN_BARE.test(text) || BARE_OK.test(text) ? text : quote(text);
  }
  return String(value);
}

function textFields(fields: Fields): string {
  let out = "";
  for (const key in fields) {
    const value = fields[key];
    if (value === null || value === undefined) continue;
    out += out === "" ? `${key}=${textValue(value)}` : ` ${key}=${textValue(value)}`;
  }
  return out;
}

/** Messages are ours, but may quote what a peer sent: no line or column breaks in the output. */
const oneLine = (text: string): string =>
  /\p{Cc}/u.test(text) ? text.replace(/\p{Cc}/gu, (c) => quote(c).slice(1, -1)) : text;

/**
 * `<time>\t<level>\t<scope>\t<message>\t<k=v k=v …>`, without line end; no trailing tab when there are no fields.
 * @see the access log section of the data-plane contract
 */
export function formatTextLine(e: LogEvent): string {
  let scope = e.scope;
  for (const s of e.spans) scope += `:${s.name}{${textFields(s.fields)}}`;
  const fields = textFields(e.fields);
  const head = `${formatTimestamp(e.atMicros)}\t${e.severity}\t${scope}\t${oneLine(e.message)}`;
  return fields === "" ? head : `${head}\t${fields}`;
}

type Json = string | number | boolean;

function jsonValue(value: Exclude<FieldValue, null | undefined>): Json {
  if (typeof value === "object") return value.bare;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "bigint" ? String(value) : value;
}

function jsonFields(fields: Fields, into: Record<string, unknown> = {}): Record<string, unknown> {
  for (const [key, value] of Object.entries(fields)) {
    if (value !== null && value !== undefined && !(key in into)) into[key] = jsonValue(value);
  }
  return into;
}

/** One flat object: `level`, `time`, `scope`, `message`, the fields, then one key per span. Without line end. */
export function formatJsonLine(e: LogEvent): string {
  const line: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  Object.assign(line, { level: e.severity, time: formatTimestamp(e.atMicros), scope: e.scope, message: e.message });
  jsonFields(e.fields, line);
  for (const s of e.spans) if (!(s.name in line)) line[s.name] = jsonFields(s.fields);
  return JSON.stringify(line);
}
