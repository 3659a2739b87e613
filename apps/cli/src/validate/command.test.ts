import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Ran, ran } from "../terminal.test.support.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-validate-"));
afterAll(() => rmSync(home, { recursive: true }));

const policy = (spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: a, namespace: shop }\nspec: ${spec}\n`;
const of = (stdin: string): Promise<Ran> => ran(["validate", "-f", "-"], { home, stdin });

describe("lateenctl validate", () => {
  test("a good object", async () => {
    expect(await of(policy("{}"))).toEqual({ code: 0, out: "", err: '"standard input" is valid\n' });
  });

  test("one with something to think about", async () => {
    const { code, err } = await of(policy("{ selector: {} }"));
    expect([code, err.split("\n")]).toEqual([
      0,
      [
        "Warning: standard input:4: AuthorizationPolicy shop/a: spec.selector: selects every workload: it names no labels",
        '"standard input" is valid, with warnings',
        "",
      ],
    ]);
  });

  test("bad ones, of kinds that the mesh reads and of others", async () => {
    const route = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: v }\nspec: { hosts: [a] }\n`;
    const { code, err } = await of(`${policy("{ action: DENY }")}---\n${route}`);
    expect([code, err.split("\n").map((line) => line.slice(0, 90))]).toEqual([
      1,
      [
        "Error: standard input:4: AuthorizationPolicy shop/a: spec.rules: DENY without rules never a",
        "Error: standard input:9: VirtualService v: spec: needs routes: http, tls or tcp",
        '"standard input" is not valid: 2 errors',
        "",
      ].map((line) => line.slice(0, 90)),
    ]);
  });

  test("files of a folder, each for itself; Services and Deployments with advice", async () => {
    const dir = join(home, "folder");
    mkdirSync(dir);
    writeFileSync(join(dir, "a.yaml"), "a: [");
    const named =
      "[{ port: 80, name: web }, { port: 5432, name: tcp-db }, { port: 53, name: dns }, { port: 9, name: x, protocol: UDP }]";
    const service = (name: string, of: string): string =>
      `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: ${of} }\n`;
    const template = "{ metadata: { labels: { app: a } }, spec: { containers: [{ name: c }] } }";
    const deployment = `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\nspec: { selector: {}, template: ${template} }\n`;
    writeFileSync(
      join(dir, "b.yaml"),
      `${service("s", named)}---\n${deployment}---\n${service("t", "[{ port: 80 }]")}`,
    );
    const { code, err } = await ran(["validate", "-f", dir], { home });
    expect(code).toBe(1);
    expect(err).toMatch(/^Error: .*a\.yaml:1: .*\n".*a\.yaml" is not valid: 1 error\n/);
    const rest = err.slice(err.indexOf("Warning"));
    expect(rest.split("\n").map((line) => line.replace(/^.*b\.yaml/, "b.yaml"))).toEqual([
      expect.stringMatching(/^b\.yaml:1: Service default\/s: spec\.ports\[0\]: is called "web", which does not say/),
      expect.stringMatching(/^b\.yaml:6: Deployment default\/d: .*without version/),
      expect.stringMatching(/^b\.yaml:11: Service default\/t: spec\.ports\[0\]: has no name/),
      'b.yaml" is valid, with warnings',
      "",
    ]);
  });

  test("nothing to validate makes no sense", async () => {
    const { code, err } = await ran(["v"], { home });
    expect([code, err]).toEqual([64, expect.stringContaining("required flag --filename (-f) not set")]);
  });
});
