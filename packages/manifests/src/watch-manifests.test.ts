import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Manifest, type ManifestWatch, type Snapshot, formatProblem, watchManifests } from "./index.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "manifests-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const namespace = (name: string, mode = "none"): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { mode: ${mode} } }\n`;
const put = (name: string, text: string): void => {
  writeFileSync(join(dir, `.${name.replaceAll("/", "-")}.tmp`), text);
  renameSync(join(dir, `.${name.replaceAll("/", "-")}.tmp`), join(dir, name));
};
const brief = ({ resource: { metadata }, file }: Manifest): string =>
  `${metadata.name}=${metadata.labels?.["mode"]} in ${file.slice(dir.length + 1)}`;
const objects = (s: Snapshot): string[] => [...s.resources.values()].map(brief).sort();
const problems = (s: Snapshot): string[] => s.problems.map((p) => formatProblem(p).replaceAll(`${dir}/`, ""));

interface Rig extends AsyncDisposable {
  readonly watch: ManifestWatch;
  readonly heard: Snapshot[];
  until(what: (s: Snapshot) => unknown): Promise<Snapshot>;
}
async function rig(dirs: readonly string[] = [dir]): Promise<Rig> {
  const heard: Snapshot[] = [];
  const watch = await watchManifests({ dirs, onChange: (s) => heard.push(s) });
  return {
    watch,
    heard,
    until: async (what) => {
      await eventually(() => what(watch.snapshot));
      return watch.snapshot;
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

describe("watched folders", () => {
  test("the first snapshot is there at once, with folders in folders", async () => {
    mkdirSync(join(dir, "deep/er"), { recursive: true });
    put("a.yaml", namespace("a"));
    put("deep/er/b.yml", namespace("b"));
    put("c.json", '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c","labels":{"mode":"j"}}}');
    put("notes.txt", "not: [yaml");
    await using r = await rig();
    expect(objects(r.watch.snapshot)).toEqual(["a=none in a.yaml", "b=none in deep/er/b.yml", "c=j in c.json"]);
    expect(r.heard).toEqual([r.watch.snapshot]);
  });

  test("a new, changed, renamed and deleted file is heard of, and nothing else is", async () => {
    await using r = await rig();
    put("a.yaml", namespace("a"));
    await r.until((s) => objects(s).includes("a=none in a.yaml"));
    put("a.yaml", namespace("a", "ambient"));
    await r.until((s) => objects(s).includes("a=ambient in a.yaml"));
    renameSync(join(dir, "a.yaml"), join(dir, "b.yaml"));
    await r.until((s) => objects(s).includes("a=ambient in b.yaml"));
    unlinkSync(join(dir, "b.yaml"));
    await r.until((s) => s.resources.size === 0);
    expect(r.heard.map(objects)).toEqual([
      [],
      ["a=none in a.yaml"],
      ["a=ambient in a.yaml"],
      ["a=ambient in b.yaml"],
      [],
    ]);
    expect(r.heard.flatMap(problems)).toEqual([]);
  });

  test("a file written anew with the same content is no change", async () => {
    put("a.yaml", namespace("a"));
    await using r = await rig();
    put("a.yaml", namespace("a"));
    put("b.yaml", namespace("b"));
    await r.until((s) => s.resources.has("Namespace/b"));
    expect(r.heard.length).toBe(2);
    expect(r.heard[1]?.resources.get("Namespace/a")).toEqual(r.heard[0]?.resources.get("Namespace/a"));
  });

  test("files in a folder made later are watched", async () => {
    await using r = await rig();
    mkdirSync(join(dir, "later"));
    put("later/a.yaml", namespace("a"));
    await r.until((s) => s.resources.has("Namespace/a"));
    put("later/a.yaml", namespace("a", "x"));
    await r.until((s) => objects(s).includes("a=x in later/a.yaml"));
    rmSync(join(dir, "later"), { recursive: true });
    await r.until((s) => s.resources.size === 0);
  });

  test("an invalid object keeps its last good value and is reported until it is mended", async () => {
    put("a.yaml", `${namespace("a")}---\n${namespace("b")}`);
    await using r = await rig();
    put("a.yaml", `${namespace("a", "'not a label'")}---\n${namespace("b", "new")}`);
    const s = await r.until((x) => x.problems.length > 0);
    expect(objects(s)).toEqual(["a=none in a.yaml", "b=new in a.yaml"]);
    expect(problems(s)).toEqual(["a.yaml:3: Namespace a: metadata.labels.mode: is not a label value"]);
    put("a.yaml", namespace("a", "mended"));
    expect(objects(await r.until((x) => x.problems.length === 0))).toEqual(["a=mended in a.yaml"]);
  });

  test("a policy that was never readable is stood in for, until it is mended, gone, or an earlier folder has it well", async () => {
    const policy = (rules: string): string =>
      `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: shop }\nspec: { ${rules} }\n`;
    const key = "AuthorizationPolicy/shop/p";
    const inForce = (s: Snapshot): unknown => (s.resources.get(key)?.resource as { spec: unknown } | undefined)?.spec;
    const other = mkdtempSync(join(tmpdir(), "manifests-"));
    writeFileSync(join(other, "p.yaml"), policy("rulse: []"));
    await using r = await rig([dir, other]);
    expect(inForce(r.watch.snapshot)).toEqual({ action: "DENY", rules: [{}] });
    expect(r.watch.snapshot.problems).toHaveLength(1);
    put("p.yaml", policy("rules: [{}]"));
    await r.until((s) => JSON.stringify(inForce(s)) === '{"action":"ALLOW","rules":[{}]}');
    unlinkSync(join(dir, "p.yaml"));
    await r.until((s) => JSON.stringify(inForce(s)) === '{"action":"DENY","rules":[{}]}');
    writeFileSync(join(other, "p.yaml"), policy("rules: [{ to: [{ operation: { ports: [http] } }] }]"));
    await r.until((s) => JSON.stringify(inForce(s)) === '{"action":"ALLOW","rules":[]}');
    unlinkSync(join(other, "p.yaml"));
    await r.until((s) => !s.resources.has(key));
    rmSync(other, { recursive: true });
  });

  test("text that is no YAML keeps every object of the file; what is readable in it counts", async () => {
    put("a.yaml", `${namespace("a")}---\n${namespace("b")}`);
    await using r = await rig();
    put("a.yaml", `${namespace("a", "new")}---\nkind: [`);
    const s = await r.until((x) => x.problems.length > 0);
    expect(objects(s)).toEqual(["a=new in a.yaml", "b=none in a.yaml"]);
    expect(problems(s)[0]).toMatch(/^a\.yaml:5: is not YAML: /);
    unlinkSync(join(dir, "a.yaml"));
    await r.until((x) => x.resources.size === 0 && x.problems.length === 0);
  });

  test("a new watch takes over the last good objects of files that are broken, and of no others", async () => {
    for (const name of ["a", "b", "c"]) put(`${name}.yaml`, namespace(name));
    let lastGood: readonly Manifest[] = [];
    {
      await using r = await rig();
      lastGood = [...r.watch.snapshot.resources.values()];
    }
    put("a.yaml", "kind: [");
    put("b.yaml", namespace("b", "new"));
    unlinkSync(join(dir, "c.yaml"));
    const heard: Snapshot[] = [];
    await using _ = await watchManifests({ dirs: [dir], lastGood, onChange: (s) => heard.push(s) });
    expect(heard.map(objects)).toEqual([["a=none in a.yaml", "b=new in b.yaml"]]);
    expect(heard.flatMap(problems)[0]).toMatch(/^a\.yaml:\d: is not YAML/);
  });

  test("a file seen half written, or empty, is not reported when it is whole soon after", async () => {
    put("a.yaml", namespace("a"));
    await using r = await rig();
    writeFileSync(join(dir, "a.yaml"), "");
    writeFileSync(join(dir, "b.yaml"), "apiVersion: v1\nkind: Namesp");
    put("c.yaml", namespace("c"));
    await r.until((s) => s.resources.has("Namespace/c"));
    writeFileSync(join(dir, "a.yaml"), namespace("a", "whole"));
    writeFileSync(join(dir, "b.yaml"), namespace("b"));
    await r.until((s) => s.resources.has("Namespace/b") && objects(s).includes("a=whole in a.yaml"));
    expect(r.heard.every((s) => s.resources.has("Namespace/a"))).toBe(true);
  });

  test("a later folder overrides an earlier one; a duplicate within one is reported", async () => {
    for (const name of ["one", "two"]) mkdirSync(join(dir, name));
    put("one/b.yaml", namespace("x", "b"));
    put("one/a.yaml", namespace("x", "a"));
    await using r = await rig([join(dir, "one"), join(dir, "two")]);
    expect(objects(r.watch.snapshot)).toEqual(["x=a in one/a.yaml"]);
    expect(problems(r.watch.snapshot)).toEqual([
      "one/b.yaml:1: Namespace x: is already defined at one/a.yaml:1, which stays in force",
    ]);
    put("two/z.yaml", namespace("x", "z"));
    await r.until((s) => objects(s).includes("x=z in two/z.yaml"));
    rmSync(join(dir, "two/z.yaml"));
    rmSync(join(dir, "one/a.yaml"));
    const s = await r.until((x) => objects(x).includes("x=b in one/b.yaml"));
    expect(s.problems).toEqual([]);
  });

  test("links: files are followed, circles and dead ends are reported or passed over", async () => {
    mkdirSync(join(dir, "real"));
    put("real/a.yaml", namespace("a"));
    symlinkSync(dir, join(dir, "real/up"));
    symlinkSync(join(dir, "real/a.yaml"), join(dir, "link.yaml"));
    symlinkSync("nowhere", join(dir, "dead.yaml"));
    symlinkSync("self.yaml", join(dir, "self.yaml"));
    await using r = await rig();
    expect(objects(r.watch.snapshot)).toEqual(["a=none in link.yaml"]);
    expect(problems(r.watch.snapshot).sort()).toEqual([
      "real/a.yaml:1: Namespace a: is already defined at link.yaml:1, which stays in force",
      "real/up: leads back into a folder above it",
      "self.yaml: is a symbolic link that leads in a circle",
    ]);
  });

  test("a volume of a ConfigMap is replaced as a whole", async () => {
    for (const [version, mode] of [
      ["..v1", "old"],
      ["..v2", "new"],
    ] as const) {
      // prettier-ignore
      mkdirSync(join(dir, version));
      writeFileSync(join(dir, version, "a.yaml"), namespace("a", mode));
    }
    symlinkSync("..v1", join(dir, "..data"));
    symlinkSync("..data/a.yaml", join(dir, "a.yaml"));
    await using r = await rig();
    symlinkSync("..v2", join(dir, "..next"));
    renameSync(join(dir, "..next"), join(dir, "..data"));
    await r.until((s) => objects(s).includes("a=new in a.yaml"));
    expect(r.heard.map(objects)).toEqual([["a=old in a.yaml"], ["a=new in a.yaml"]]);
  });

  test("too large, not text, not a file", async () => {
    put("large.yaml", `#${"x".repeat(1_048_576)}`);
    writeFileSync(join(dir, "latin.yaml"), Buffer.from("kind: \xe9", "latin1"));
    await using r = await rig();
    expect(problems(r.watch.snapshot)).toEqual([
      "large.yaml: is larger than 1048576 bytes",
      "latin.yaml: is not UTF-8 text",
    ]);
  });

  test("a folder that is not there is a problem, and then it is watched; when it goes its objects stay", async () => {
    const later = join(dir, "later");
    await using r = await rig([later]);
    expect(problems(r.watch.snapshot)).toEqual(["later: does not exist"]);
    mkdirSync(later);
    put("later/a.yaml", namespace("a"));
    await r.until((s) => s.resources.has("Namespace/a") && s.problems.length === 0);
    renameSync(later, join(dir, "away"));
    const s = await r.until((x) => x.problems.length > 0);
    expect(objects(s)).toEqual(["a=none in later/a.yaml"]);
  });

  test("ends with its signal", async () => {
    const stop = new AbortController();
    let heard = 0;
    const watch = await watchManifests({ dirs: [dir], signal: stop.signal, onChange: () => heard++ });
    stop.abort();
    await watch[Symbol.asyncDispose]();
    await expect(watchManifests({ dirs: [dir], signal: stop.signal, onChange: () => heard++ })).rejects.toThrow();
    expect(heard).toBe(1);
  });
});
