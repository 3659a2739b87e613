import fs from "node:fs";
import { type Clock, systemClock } from "@lateen/lifecycle";

/** A log file of bounded size: when full it becomes `<path>.1`, and a new one begins. */
export interface BoundedLog extends Disposable {
  readonly path: string;
  /**
   * Never throws: a log that cannot be written (a full disk) must not stop what it reports on. Once it can be written again, a
   * line says that others are missing.
   */
  write(chunk: Uint8Array | string): void;
  /** Hears every later chunk until disposed. */
  follow(hear: (chunk: Uint8Array | string) => void): Disposable;
  /** Why lines are being lost, null when they are not. */
  readonly failure: string | null;
}

export const LOG_BYTES = 2 * 1024 * 1024;

const RETRY_MS = 1_000;

export function openBoundedLog(path: string, maxBytes = LOG_BYTES, clock: Clock = systemClock): BoundedLog {
  const followers = new Set<(chunk: Uint8Array | string) => void>();
  let fd = -1;
  let size = 0;
  let failure: string | null = null;
  let retry: Disposable | null = null;
  const open = (): void => {
    fd = fs.openSync(path, "a", 0o600);
    size = fs.fstatSync(fd).size;
  };
  const rotate = (): void => {
    fs.closeSync(fd);
    fd = -1;
    fs.renameSync(path, `${path}.1`);
    open();
  };
  const store = (chunk: Uint8Array | string): void => {
    if (fd < 0) open();
    if (size > 0 && size + chunk.length > maxBytes) rotate();
    size += typeof chunk === "string" ? fs.writeSync(fd, chunk) : fs.writeSync(fd, chunk);
  };
  const attempt = (chunk: Uint8Array | string): void => {
    try {
      if (failure !== null) store(`-- lines are missing here: ${failure}\n`);
      failure = null;
      store(chunk);
    } catch (e) {
      failure = e instanceof Error ? e.message : String(e);
      retry ??= clock.after(RETRY_MS, () => {
        retry = null;
        if (failure !== null) attempt("");
      });
    }
  };
  return {
    path,
    write(chunk) {
      attempt(chunk);
      for (const hear of followers) hear(chunk);
    },
    follow(hear) {
      followers.add(hear);
      return { [Symbol.dispose]: () => void followers.delete(hear) };
    },
    get failure() {
      return failure;
    },
    [Symbol.dispose]() {
      retry?.[Symbol.dispose]();
      if (fd >= 0) fs.closeSync(fd);
      fd = -1;
      followers.clear();
    },
  };
}

/** The last bytes of a log, whole lines, with what was rotated away in front when there is room. "" when there is none. */
export function logTail(path: string, maxBytes = 64 * 1024): string {
  const now = readEnd(path, maxBytes);
  const text = now.length < maxBytes ? readEnd(`${path}.1`, maxBytes - now.length) + now : now;
  return text.length < maxBytes ? text : text.slice(text.indexOf("\n") + 1);
}

/** The last `count` lines of a text; an unfinished one counts. */
export function lastLines(text: string, count: number): string {
  if (!(count > 0)) return "";
  let at = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let found = 0; found < count; found++) {
    at = at <= 0 ? -1 : text.lastIndexOf("\n", at - 1);
    if (at < 0) return text;
  }
  return text.slice(at + 1);
}

function readEnd(path: string, maxBytes: number): string {
  let fd: number;
  try {
    fd = fs.openSync(path, "r");
  } catch {
    return ""; // no such log yet
  }
  try {
    const { size } = fs.fstatSync(fd);
    const length = Math.min(size, maxBytes);
    const bytes = new Uint8Array(length);
    const read = fs.readSync(fd, bytes, 0, length, size - length);
    return new TextDecoder().decode(bytes.subarray(0, read));
  } finally {
    fs.closeSync(fd);
  }
}
