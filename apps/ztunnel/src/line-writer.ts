import type { Writable } from "node:stream";

/** Bytes of log that may wait for a reader of ours that is slow or asleep. */
export const MAX_WAITING_BYTES = 1024 * 1024;

/** @param text one or more lines, without the last one's end; `count` says how many (default 1) */
export type WriteLines = (text: string, count?: number) => void;

/**
 * Writes lines to a stream that may stall or go away: what does not fit is dropped and counted, and said once there is room
 * again. A log that nobody reads must neither stop the proxy nor grow its memory.
 */
export function lineWriter(stream: Writable): WriteLines {
  let dropped = 0;
  let broken = false;
  // EPIPE and its like: whoever read the log is gone, the proxy goes on without.
  stream.on("error", () => (broken = true));
  return (text, count = 1) => {
    if (broken || stream.writableLength > MAX_WAITING_BYTES) {
      dropped += count;
      return;
    }
    if (dropped > 0) {
      stream.write(`(${dropped} log lines dropped: the reader is too slow)\n`);
      dropped = 0;
    }
    stream.write(`${text}\n`);
  };
}
