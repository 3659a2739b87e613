import { expect, test } from "vitest";
import { CONFIG_STATUS, encodeClientConfig } from "./client-config.ts";
import { createNode, readNode } from "./generated/core.ts";
import { Reader } from "./wire/reader.ts";

/** The fields of a message, by number. */
function fields(bytes: Uint8Array): ReadonlyMap<number, readonly (number | Uint8Array)[]> {
  const r = new Reader(bytes);
  const found = new Map<number, (number | Uint8Array)[]>();
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    const value = (tag & 7) === 2 ? r.bytes() : r.int64();
    found.set(tag >>> 3, [...(found.get(tag >>> 3) ?? []), value]);
  }
  expect(r.fault).toBeNull();
  return found;
}
const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);

test("how far a client is, field by field", () => {
  const bytes = encodeClientConfig(createNode({ id: "ztunnel~1" }), [
    { typeUrl: "type/A", lastUpdatedMs: 1_700_000_000_250, status: CONFIG_STATUS.SYNCED },
    { typeUrl: "type/B", lastUpdatedMs: null, status: CONFIG_STATUS.NOT_SENT },
  ]);
  const config = fields(bytes);
  expect([...config.keys()]).toEqual([1, 3]);
  expect(readNode(new Reader(config.get(1)?.[0] as Uint8Array)).id).toBe("ztunnel~1");
  const [a, b] = (config.get(3) ?? []).map((of) => fields(of as Uint8Array));
  expect([text(a?.get(1)?.[0]), a?.get(6), text(b?.get(1)?.[0]), b?.get(6), b?.get(5)]).toEqual([
    ...["type/A", [1], "type/B", [2]],
    undefined,
  ]);
  expect([...fields(a?.get(5)?.[0] as Uint8Array)]).toEqual([
    [1, [1_700_000_000]],
    [2, [250_000_000]],
  ]);
});
