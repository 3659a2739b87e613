import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonMap } from "./json.ts";
import { PatchError, strategicMerge } from "./strategic-merge.ts";

const rules = { keys: { "spec.ports": "port", "spec.pods": "name", "spec.pods.env": "name" }, replaced: ["selector"] };
const merge = (original: JsonMap, patch: JsonMap): JsonMap => strategicMerge(original, patch, rules);

const cases: readonly (readonly [name: string, original: JsonMap, patch: JsonMap, merged: JsonMap])[] = [
  ["maps are merged", { a: { b: 1, c: 2 } }, { a: { c: 3, d: 4 } }, { a: { b: 1, c: 3, d: 4 } }],
  ["null removes", { a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  ["null of what is not there leaves nothing behind", {}, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
  ["a list without a key is replaced", { args: ["a", "b"] }, { args: ["c"] }, { args: ["c"] }],
  [
    "a list with a key is merged entry by entry, new ones at the end",
    { spec: { ports: [{ port: 1, name: "a" }, { port: 2 }] } },
    { spec: { ports: [{ port: 3 }, { port: 1, nodePort: 9 }] } },
    { spec: { ports: [{ port: 1, name: "a", nodePort: 9 }, { port: 2 }, { port: 3 }] } },
  ],
  [
    "lists within entries are merged by their own key",
    { spec: { pods: [{ name: "p", env: [{ name: "X", value: "1" }] }] } },
    { spec: { pods: [{ name: "p", env: [{ name: "Y", value: "2" }] }] } },
    {
      spec: {
        pods: [
          {
            name: "p",
            env: [
              { name: "X", value: "1" },
              { name: "Y", value: "2" },
            ],
          },
        ],
      },
    },
  ],
  [
    "an entry is deleted by its key",
    { spec: { ports: [{ port: 1 }, { port: 2 }] } },
    { spec: { ports: [{ port: 1, $patch: "delete" }] } },
    { spec: { ports: [{ port: 2 }] } },
  ],
  [
    "a keyed list is replaced on demand",
    { spec: { ports: [{ port: 1 }, { port: 2 }] } },
    { spec: { ports: [{ $patch: "replace" }, { port: 3 }] } },
    { spec: { ports: [{ port: 3 }] } },
  ],
  ["a map is replaced on demand", { a: { b: 1 } }, { a: { $patch: "replace", c: 2 } }, { a: { c: 2 } }],
  ["some maps are always replaced", { selector: { b: 1 } }, { selector: { c: 2 } }, { selector: { c: 2 } }],
  ["only retained keys stay", { a: { b: 1, c: 2 } }, { a: { $retainKeys: ["c", "d"], d: 3 } }, { a: { c: 2, d: 3 } }],
  [
    "entries of plain lists are deleted by value",
    { finalizers: ["a", "b"] },
    { "$deleteFromPrimitiveList/finalizers": ["a"] },
    { finalizers: ["b"] },
  ],
  [
    "entries come in the order that the patch wants",
    { spec: { ports: [{ port: 1 }, { port: 2 }] } },
    { spec: { "$setElementOrder/ports": [{ port: 2 }, { port: 1 }], ports: [{ port: 1, name: "a" }] } },
    { spec: { ports: [{ port: 2 }, { port: 1, name: "a" }] } },
  ],
  ["another type takes the place", { a: { b: 1 } }, { a: "text" }, { a: "text" }],
];

describe("a strategic merge", () => {
  test.each(cases)("%s", (_, original, patch, merged) => expect(merge(original, patch)).toEqual(merged));

  test("an entry without the key of its list is refused, naming the list", () =>
    expect(() => merge({ spec: { ports: [{ port: 1 }] } }, { spec: { ports: [{ name: "a" }] } })).toThrow(
      new PatchError('spec.ports: an entry has no "port"'),
    ));

  test("an unknown directive is refused", () =>
    expect(() => merge({ a: { b: 1 } }, { a: { $patch: "mix" } })).toThrow(PatchError));

  test("any patch gives a result without directives or is refused, its originals unharmed", () => {
    const plain = ["spec", "ports", "port", "a"] as const;
    const maps = (...keys: readonly string[]): fc.Arbitrary<JsonMap> =>
      fc.letrec<{ map: JsonMap; value: unknown }>((tie) => ({
        value: fc.oneof(
          { maxDepth: 4, depthSize: "small", withCrossShrink: true },
          fc.constantFrom(null, 1, "replace", "delete"),
          fc.array(tie("map"), { maxLength: 3 }),
          tie("map"),
        ),
        map: fc.dictionary(fc.constantFrom(...keys), tie("value"), { maxKeys: 4 }) as fc.Arbitrary<JsonMap>,
      })).map;
    const directives = ["$patch", "$retainKeys", "$setElementOrder/ports", "$deleteFromPrimitiveList/a"];
    fc.assert(
      fc.property(maps(...plain), maps(...plain, ...directives), (original, patch) => {
        const before = JSON.stringify([original, patch]);
        try {
          expect(JSON.stringify(merge(original, patch))).not.toContain("$");
        } catch (error) {
          if (!(error instanceof PatchError)) throw error;
        }
        expect(JSON.stringify([original, patch])).toBe(before);
      }),
    );
  });
});
