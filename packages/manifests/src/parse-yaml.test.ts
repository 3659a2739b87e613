import { expect, test } from "vitest";
import { parseYaml } from "./parse-yaml.ts";

test.each([
  ["a: [1, two]", { a: [1, "two"] }],
  ['{"a": {"b": true}}', { a: { b: true } }],
  ["", null],
])("reads %j", (text, value) => expect(parseYaml(text)).toEqual({ ok: true, value }));

test.each([
  ["a: 1\na: 2", /line 2: .*twice/],
  ["a: [", /not YAML/],
  ["a: 1\n---\nb: 2", /more than one document/],
])("refuses %j", (text, why) => {
  const r = parseYaml(text);
  expect(r.ok ? "" : r.error.message).toMatch(why);
});
