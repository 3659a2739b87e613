import { copyOf } from "./copy.ts";
import type { HashName, Suite } from "./suites.ts";

/** HMAC of `data`, given by whoever has a hash at hand. */
export type Hmac = (hash: HashName, key: Uint8Array, data: Uint8Array) => Uint8Array;

export const IV_BYTES = 12;
const PREFIX = "tls13 ";

/**
 * HKDF-Expand-Label with an empty context, for outputs no longer than the hash: one HMAC.
 * @param length bytes wanted, at most those of the suite's hash
 * @see RFC 8446 section 7.1, RFC 5869 section 2.3
 */
export function expandLabel(
  hmac: Hmac,
  from: { readonly suite: Suite; readonly secret: Uint8Array },
  label: string,
  length: number,
): Uint8Array {
  const full = PREFIX + label;
  const info = new Uint8Array(2 + 1 + full.length + 1 + 1);
  info[1] = length; // below 256: no hash here is longer than 48 bytes
  info[2] = full.length;
  for (let i = 0; i < full.length; i++) info[3 + i] = full.charCodeAt(i);
  info[info.length - 1] = 1; // the counter of the first and only block; the empty context before it is a zero byte
  return copyOf(hmac(from.suite.hash, from.secret, info), 0, length);
}

/** What one direction is sealed with. */
export interface TrafficKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** @see RFC 8446 section 7.3 */
export function trafficKeys(hmac: Hmac, suite: Suite, secret: Uint8Array): TrafficKeys {
  const from = { suite, secret };
  return {
    key: expandLabel(hmac, from, "key", suite.keyBytes),
    iv: expandLabel(hmac, from, "iv", IV_BYTES),
  };
}

/** The secret after a key update. @see RFC 8446 section 7.2 */
export function nextSecret(hmac: Hmac, suite: Suite, secret: Uint8Array): Uint8Array {
  return expandLabel(hmac, { suite, secret }, "traffic upd", suite.hashBytes);
}
