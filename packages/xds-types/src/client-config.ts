import { type Node, writeNode } from "./generated/core.ts";
import { Writer } from "./wire/writer.ts";

/** `envoy.service.status.v3.ConfigStatus` */
export const CONFIG_STATUS = { UNKNOWN: 0, SYNCED: 1, NOT_SENT: 2, STALE: 3, ERROR: 4 } as const;

/** How far a client is with one type. */
export interface TypeStatus {
  readonly typeUrl: string;
  /** When it was last sent something, in milliseconds since the epoch; null: never. */
  readonly lastUpdatedMs: number | null;
  readonly status: (typeof CONFIG_STATUS)[keyof typeof CONFIG_STATUS];
}

const NODE = (1 << 3) | 2;
const CONFIGS = (3 << 3) | 2;
const TYPE_URL = (1 << 3) | 2;
const LAST_UPDATED = (5 << 3) | 2;
const STATUS = 6 << 3;
const SECONDS = 1 << 3;
const NANOS = 2 << 3;

/**
 * The bytes of an `envoy.service.status.v3.ClientConfig`, as far as `istioctl proxy-status` reads it. Only written, so it has no
 * generated codec.
 * @see cli-and-chart 1.6
 */
export function encodeClientConfig(node: Node, types: readonly TypeStatus[]): Uint8Array {
  const w = new Writer();
  const nodeAt = w.begin(NODE);
  writeNode(w, node);
  w.end(nodeAt);
  for (const { typeUrl, lastUpdatedMs, status } of types) {
    const at = w.begin(CONFIGS);
    w.string(TYPE_URL, typeUrl);
    if (lastUpdatedMs !== null) {
      const time = w.begin(LAST_UPDATED);
      w.int64(SECONDS, Math.floor(lastUpdatedMs / 1_000));
      w.int32(NANOS, (lastUpdatedMs % 1_000) * 1_000_000);
      w.end(time);
    }
    w.int32(STATUS, status);
    w.end(at);
  }
  return w.finish();
}
