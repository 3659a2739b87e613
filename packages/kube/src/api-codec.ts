import { Buffer } from "node:buffer";
import { type ApiFailure, malformed, statusFailure } from "./api-failure.ts";
import type { RawItem, WatchEvent } from "./reflector-machine.ts";

export type ListPage =
  | { readonly t: "page"; readonly items: readonly RawItem[]; readonly version: string; readonly more: string }
  | { readonly t: "bad"; readonly why: string };

/** One page of a list, from its JSON. An item without a name is no object and is passed over. */
export function decodeListPage(text: string): ListPage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { t: "bad", why: `the list is not JSON: ${String(error)}` };
  }
  const { metadata, items, kind } = record(value);
  const { resourceVersion, continue: more } = record(metadata);
  if (typeof resourceVersion !== "string" || !(Array.isArray(items) || items === null || items === undefined))
    return { t: "bad", why: `a ${String(kind)} is no list` };
  const raws: readonly unknown[] = Array.isArray(items) ? items : [];
  return {
    t: "page",
    items: raws.flatMap((raw) => readItem(raw) ?? []),
    version: resourceVersion,
    more: typeof more === "string" ? more : "",
  };
}

/** One line of a watch. */
export function decodeWatchLine(line: string): WatchEvent | { readonly t: "bad"; readonly why: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { t: "bad", why: "a line of the watch is not JSON" };
  }
  const { type, object } = record(value);
  if (type === "ERROR") return { t: "error", failure: statusFailure(0, object) };
  const { metadata } = record(object);
  const { resourceVersion } = record(metadata);
  if (type === "BOOKMARK" && typeof resourceVersion === "string") return { t: "bookmark", version: resourceVersion };
  const item = readItem(object);
  if (item === null) return { t: "bad", why: "an event of the watch holds no object" };
  if (type === "ADDED" || type === "MODIFIED") return { t: "put", item };
  return type === "DELETED" ? { t: "remove", item } : { t: "bad", why: `${String(type)} is no event of a watch` };
}

function readItem(raw: unknown): RawItem | null {
  const { name, namespace, resourceVersion } = record(record(raw)["metadata"]);
  if (typeof name !== "string" || name === "") return null;
  const key = typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : name;
  return { key, version: typeof resourceVersion === "string" ? resourceVersion : "", raw };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

const LINE_END = 0x0a;
/** The largest object that a server stores is some 1.5 MiB; escaped and wrapped it stays below this. */
export const MAX_LINE_BYTES = 16 << 20;

/** Cuts a stream of bytes into lines and reads each as an event. Holds one line at most. */
export class WatchDecoder {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** @returns what came whole, in order; a failure ends the stream, after the events before it */
  push(chunk: Buffer): { readonly events: readonly WatchEvent[]; readonly failure: ApiFailure | null } {
    const events: WatchEvent[] = [];
    let at = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, at)) {
      const line = this.#take(chunk.subarray(at, end));
      at = end + 1;
      if (line.trim() === "") continue;
      const event = decodeWatchLine(line);
      if (event.t === "bad") return { events, failure: malformed(event.why) };
      events.push(event);
    }
    const rest = chunk.subarray(at);
    this.#bytes += rest.length;
    if (this.#bytes > this.#maxBytes)
      return { events, failure: malformed(`a line of the watch is larger than ${this.#maxBytes} bytes`) };
    if (rest.length > 0) this.#parts.push(rest);
    return { events, failure: null };
  }

  #take(tail: Buffer): string {
    if (this.#parts.length === 0) return tail.toString("utf8");
    const line = Buffer.concat([...this.#parts, tail]).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
