import fc from "fast-check";
import { expect, test } from "vitest";
import { type Reader, readPlain } from "./reader.ts";

const point = (r: Reader) => ({
  name: r.at("name").text(5),
  kind: r.at("kind").one(["near", "far"]),
  places: r.at("places").list(3, (p) => ({ x: p.at("x").int(0, 10), y: p.at("y").number(-1, 1) })),
  tag: r.at("tag").nullable((t) => t.bytes(4)),
  open: r.at("open").flag(),
});
const fine = { name: "here", kind: "far", places: [{ x: 3, y: 0.5 }], tag: null, open: true };

test("what is right is read", () => {
  expect(readPlain(fine, "point", point)).toEqual({ ok: true, value: fine });
  const more = { ...fine, tag: Uint8Array.of(1), unknown: [1, 2, 3] };
  expect(readPlain(more, "point", point)).toEqual({ ok: true, value: { ...fine, tag: Uint8Array.of(1) } });
});

test("every problem is told, with its path", () => {
  const wrong = { name: "too long", kind: "off", places: [{ x: 11, y: 0 }, 7], tag: new Uint8Array(5) };
  const r = readPlain(wrong, "point", point);
  expect(r.ok ? "" : r.error.message).toBe(
    "Cannot read point: name is not a text of at most 5 characters; kind is not one of near, far; " +
      "places[0].x is not an integer from 0 to 10; places[1] is not a record; places[1] is not a record; " +
      "tag is not at most 4 bytes; open is not true or false",
  );
});

test("fields of the language's own are not read", () => {
  expect(readPlain({}, "it", (r) => r.at("constructor").nullable(() => 1))).toEqual({ ok: true, value: null });
});

test("anything is read or refused, never more", () =>
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const r = readPlain(value, "point", point);
      if (!r.ok) expect(r.error.code).toBe("BAD_INPUT");
    }),
  ));
