import type { Buffer } from "node:buffer";

/** Bytes fetched at a time: a call for random bytes costs more than the bytes. */
const POOL_BYTES = 4096;

/**
 * Random bytes as lower-case hex, each used once.
 * @param more gives fresh random bytes
 */
export function randomHexSource(more: (bytes: number) => Buffer): (bytes: number) => string {
  let pool: Buffer | null = null;
  let at = 0;
  return (bytes) => {
    if (pool === null || at + bytes > pool.length) {
      pool = more(Math.max(POOL_BYTES, bytes));
      at = 0;
    }
    at += bytes;
    return pool.toString("hex", at - bytes, at);
  };
}
