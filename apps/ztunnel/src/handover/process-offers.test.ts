import { encodeCbor } from "@lateen/cbor";
import { type Family, createRegistry } from "@lateen/telemetry";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CHANNEL, decodeProcessOffer, encodeTotals } from "./process-offers.ts";

function counted(): readonly Family[] {
  const registry = createRegistry();
  const bytes = registry.counter({ name: "bytes", help: "Bytes", labels: ["from", "to"] });
  bytes.with({ from: "a", to: "b" }).inc(2 ** 40);
  bytes.with({ from: "a", to: "ü" }).inc(0.5);
  registry
    .gauge({ name: "build", help: "Build", labels: ["tag"] })
    .with({ tag: "1" })
    .set(1);
  return registry.families();
}

test("what grows goes along, what is the process's own does not", () => {
  const families = counted();
  const read = decodeProcessOffer(encodeCbor(encodeTotals(families)));
  expect(read).toEqual({ ok: true, value: { t: "totals", families: families.filter((f) => f.type === "counter") } });
});

test("a channel is only that", () => {
  expect(decodeProcessOffer(encodeCbor(CHANNEL))).toEqual({ ok: true, value: { t: "channel" } });
});

test.each([
  ["another offer", { t: "keys" }, "t is not one of channel, totals"],
  ["no families", { t: "totals" }, "families is not a list"],
  ["labels without a name", family({ series: [{ labels: ["x"], value: 1 }] }), "has another number of labels"],
  ["what shrinks", family({ series: [{ labels: [], value: -1 }] }), "value is not a number"],
])("%s is refused", (_, value, why) => {
  const read = decodeProcessOffer(encodeCbor(value));
  expect(read.ok ? "" : read.error.message).toContain(why);
});

test("anything is read or refused, never more", () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const read = decodeProcessOffer(bytes);
      if (!read.ok) expect(read.error.code).toBe("BAD_INPUT");
    }),
  ));

function family(over: object): object {
  return { t: "totals", families: [{ name: "n", help: "h", labelNames: [], series: [], ...over }] };
}
