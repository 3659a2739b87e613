import { expect, test } from "vitest";
import { decodeTrustBundle, encodeTrustBundle } from "./trust-bundle-resource.ts";

test("roots come back in their order", () => {
  const roots = ["one\n", "two\n", "one\n"];
  expect(decodeTrustBundle(encodeTrustBundle(roots))).toEqual({ ok: true, value: roots });
});

test("they stand in field 34, as Istio's proxies expect", () =>
  expect([...encodeTrustBundle(["a"])]).toEqual(
    [(34 << 3) | 2, (34 << 3) >> 7, 1, 97].map((b, i) => (i === 0 ? (b & 0x7f) | 0x80 : b)),
  ));

test("what else an Istio control plane says in it is passed over, and bytes that are none are refused", () => {
  expect(decodeTrustBundle(Uint8Array.of(0x0a, 1, 0x78, ...encodeTrustBundle(["a"])))).toEqual({
    ok: true,
    value: ["a"],
  });
  expect(decodeTrustBundle(Uint8Array.of(0x92, 2, 9, 97)).ok).toBe(false);
});
