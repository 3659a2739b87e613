import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblem, parseManifests } from "./index.ts";

const told = (text: string): string[] => parseManifests(text, "f.yaml").problems.map(formatProblem);
const names = (text: string): string[] =>
  parseManifests(text, "f.yaml").objects.map((o) => `${o.resource.kind} ${o.resource.metadata.name} at ${o.line}`);
const ns = (name: string): string => `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n`;

const policy = `# who may
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: allow
  namespace: shop
spec:
  rules:
    - from:
        - source:
            principals: [cluster.local/ns/shop/sa/web]
      to:
        - operation:
            ports: ["80", "abc"]
            prots: ["90"]
`;

describe("objects", () => {
  test("of several documents, of Lists and of JSON, with their lines", () => {
    expect(names(`${ns("a")}---\n---\n# nothing\n---\n${ns("b")}`)).toEqual(["Namespace a at 1", "Namespace b at 9"]);
    const list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: x}}\n";
    expect(names(list)).toEqual(["Namespace x at 4"]);
    const json = '{\n\t"apiVersion": "v1",\n\t"kind": "Namespace",\n\t"metadata": {"name": "j"}\n}';
    expect(names(json)).toEqual(["Namespace j at 1"]);
    expect(names(`\ufeff${ns("bom")}`.replaceAll("\n", "\r\n"))).toEqual(["Namespace bom at 1"]);
  });

  test("anchors stand for what they name", () => {
    const text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: &n a, labels: {x: *n}}\n";
    expect(parseManifests(text, "f").objects[0]?.resource.metadata.labels).toEqual({ x: "a" });
  });

  test("nothing at all is no problem", () => {
    for (const text of ["", "\n", "# x", "---\n---\n...\n"])
      expect(parseManifests(text, "f")).toEqual({
        objects: [],
        problems: [],
        invalid: [],
        standIns: [],
        incomplete: false,
      });
  });
});

describe("what a cluster's webhook would say", () => {
  const of = (kind: string, spec: string, group = "security.istio.io"): string =>
    `apiVersion: ${group}/v1\nkind: ${kind}\nmetadata: {name: a, namespace: n}\nspec:\n${spec}`;

  test("an object that it refuses is invalid, at the line of the field", () => {
    const parsed = parseManifests(of("AuthorizationPolicy", "  action: DENY\n"), "f.yaml");
    expect([parsed.objects, parsed.invalid]).toEqual([[], ["AuthorizationPolicy/n/a"]]);
    expect(parsed.problems.map(formatProblem)).toEqual([
      expect.stringMatching(/^f\.yaml:\d+: AuthorizationPolicy n\/a: spec\.rules: DENY without rules never applies/),
    ]);
  });

  test("one that it warns of is taken", () => {
    const parsed = parseManifests(of("AuthorizationPolicy", "  selector: {}\n"), "f.yaml");
    expect(parsed.objects.length).toBe(1);
    expect(parsed.problems).toMatchObject([{ severity: "warning", line: 5, path: "spec.selector" }]);
  });

  test("a kind that nothing here reads is told what is wrong with it, and harms nobody", () => {
    const text = of("VirtualService", "  hosts: [a]\n", "networking.istio.io");
    const { problems, incomplete } = parseManifests(text, "f.yaml");
    expect(problems.map((p) => `${p.severity} ${p.message}`)).toEqual([
      "warning nothing here reads VirtualService of networking.istio.io/v1",
      "warning needs routes: http, tls or tcp",
    ]);
    expect(incomplete).toBe(false);
    const asked = parseManifests(text, "f.yaml", { unread: "pass" }).problems;
    expect(asked.map((p) => `${p.severity} ${p.message}`)).toEqual(["error needs routes: http, tls or tcp"]);
  });
});

describe("problems", () => {
  test("say file, line, object and field, all at once", () =>
    expect(told(policy)).toEqual([
      'f.yaml:14: AuthorizationPolicy shop/allow: spec.rules[0].to[0].operation.ports[1]: "abc" is not a port',
      "f.yaml:15: AuthorizationPolicy shop/allow: spec.rules[0].to[0].operation.prots: is not a known field",
    ]));

  test("of a field that is missing stand where it should be", () => {
    const text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n";
    expect(told(text)).toEqual(["f.yaml:1: Service web: spec: is missing"]);
    expect(told("apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: {}\n")).toEqual([
      "f.yaml:3: Namespace: metadata.name: is missing",
    ]);
  });

  test("of one object leave the others", () => {
    const parsed = parseManifests(`${ns("a")}---\n${ns("'B'")}---\n${ns("c")}`, "f.yaml");
    expect(parsed.objects.map((o) => o.resource.metadata.name)).toEqual(["a", "c"]);
    expect([parsed.invalid, parsed.incomplete]).toEqual([["Namespace/B"], false]);
  });

  test("of an item of a List stand at the item", () => {
    const text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: X}\n";
    expect(told(text)).toEqual([
      "f.yaml:6: Namespace X: items[0].metadata.name: must be lower-case letters, digits or '-', at most 63",
    ]);
  });

  test("a kind that nothing reads is a warning", () => {
    const { problems } = parseManifests("apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\n", "f.yaml");
    expect(problems.map((p) => [p.severity, formatProblem(p)])).toEqual([
      ["warning", "f.yaml:1: Thing t: nothing here reads Thing of example.com/v1"],
    ]);
  });

  test.each([
    ["a key twice", `${ns("a")}  name: b\n`, 'f.yaml:5: metadata: has the key "name" twice'],
    ["a key that is a list", "? [a]\n: 1\n", "f.yaml:1: has a key that is not text"],
    ["a merge key", "a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3: c: has a merge key (<<), which is not supported"],
    ["no object", "- 1\n", "f.yaml:1: must be an object, not a list"],
    ["an open bracket", "a: [1\n", /^f\.yaml:\d: is not YAML: /],
    ["an unknown alias", "a: *nobody\n", /^f\.yaml:1: cannot be read: .*nobody/],
  ])("%s", (_, text, want) => expect(told(text)[0]).toMatch(want));

  test("hold no control characters of whoever wrote the file", () => {
    const [line] = told('apiVersion: v1\nkind: "Pod\\n2026 ERROR \\e[2J"\nmetadata: {name: "\\u202ex\\n"}\n');
    expect(line).toBe(
      "f.yaml:1: Pod\\u000a2026 ERROR \\u001b[2J \\u202ex\\u000a: nothing here reads Pod\\u000a2026 ERROR \\u001b[2J of v1",
    );
  });
});

describe("hostile text ends in a bounded number of problems", () => {
  const laughs = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`).join("\n");
  test.each([
    ["too large", "#".repeat(1_048_577), /is larger than 1048576 bytes/],
    ["too many documents", "---\n".repeat(1_100), /has more than 1000 documents/],
    ["deep flow", "[".repeat(50_000), /nested too deep|is not YAML/],
    ["deep blocks", "- ".repeat(50_000), /nested too deep/],
    ["rather deep", `${"[".repeat(100)}${"]".repeat(100)}`, /is nested deeper than 64 levels/],
    ["a billion laughs", `l0: &l0 [ha]\n${laughs}`, /alias/],
    ["many aliases", `a: &a 1\nb: [${"*a,".repeat(200)}]`, /has more than 100 aliases/],
    ["a circle", "apiVersion: v1\nkind: Namespace\nmetadata: &m {name: a, x: *m}\n", /leads back to itself/],
    ["many keys", Array.from({ length: 60_000 }, (_, i) => `k${i}: 1\n`).join(""), /apiVersion/],
    ["many problems", `apiVersion: v1\nkind: List\nitems: [${"{},".repeat(1_000)}]`, /apiVersion/],
  ])("%s", (_, text, want) => {
    const { problems, objects } = parseManifests(text, "f.yaml");
    expect(problems.length).toBeLessThanOrEqual(200);
    expect(objects).toEqual([]);
    expect(problems.map(formatProblem).join("\n")).toMatch(want);
  });

  test("any text, and any valid text that was cut or changed, gives objects and problems and never throws", () => {
    const whole = `${policy}---\n${ns("a")}---\n{"apiVersion": "v1", "kind": "List", "items": []}\n`;
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void told(text)));
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(20), fc.string({ maxLength: 5 }), (at, gone, text) => {
        const { problems } = parseManifests(whole.slice(0, at) + text + whole.slice(at + gone), "f.yaml");
        for (const p of problems) expect(p.line).toBeGreaterThan(0);
      }),
    );
  });
});
