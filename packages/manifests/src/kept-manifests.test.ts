import { expect, test } from "vitest";
import { formatKept, parseKept } from "./kept-manifests.ts";
import { parseManifests } from "./parse-manifests.ts";

const { objects } = parseManifests(
  `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
`,
  "mesh.yaml",
);

test("what is kept is read back", () => {
  expect(objects).toHaveLength(2);
  expect(parseKept(formatKept(objects))).toEqual({ ok: true, value: objects });
});

test.each([
  ["no JSON", "["],
  ["no list", "{}"],
  ["nothing", "[null]"],
  ["no resource", `[{"file":"a","line":1}]`],
  ["a line that is none", formatKept(objects).replace(`"line":1`, `"line":"x"`)],
  ["a resource that is no longer valid", formatKept(objects).replace("STRICT", "OLD")],
])("%s is refused", (_, text) => {
  const read = parseKept(text);
  expect(read.ok ? "read" : [read.error.code, read.error.message]).toEqual([
    "BAD_INPUT",
    expect.stringMatching(/^Cannot read kept manifests: /),
  ]);
});
