import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Graph } from "@lateen/collections";
import { type Resource, parseResource } from "@lateen/resources";
import { golden } from "@lateen/testkit";
import { ResourceModel, modelOptions } from "@lateen/translation";
import { afterAll, describe, expect, test } from "vitest";
import { type Ran, ran } from "../terminal.test.support.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-describe-"));
afterAll(() => rmSync(home, { recursive: true }));

function read(raw: object): Resource {
  const parsed = parseResource(raw);
  if (parsed.t === "resource") return parsed.resource;
  throw new TypeError(JSON.stringify(parsed));
}
const policy = (name: string, spec: object): Resource =>
  read({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name, namespace: "shop" },
    spec,
  });
const METHOD = { to: [{ operation: { methods: ["GET"] } }] };
const FROM = { from: [{ source: { namespaces: ["front"] } }] };

/** The pages as a control plane shows them. */
function pages(): { readonly policies: string; readonly services: string } {
  const resources = new ResourceModel(new Graph(), modelOptions());
  const { model } = resources;
  resources.take([
    read({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } }),
    read({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "catalog", namespace: "shop" },
      spec: { clusterIP: "10.96.0.7", ports: [{ port: 80 }] },
    }),
    policy("mixed", { selector: { matchLabels: { app: "a" } }, rules: [FROM, METHOD] }),
    policy("deny-get", { action: "DENY", rules: [METHOD] }),
    policy("unbound", { targetRefs: [{ kind: "Service", group: "", name: "catalog" }], rules: [FROM] }),
  ]);
  return {
    policies: JSON.stringify(Object.fromEntries(model.policyReports.entries())),
    services: JSON.stringify(Object.fromEntries(model.serviceReports.entries())),
  };
}
const { policies, services } = pages();
const run = (line: string, stdin: string): Promise<Ran> => ran(line.split(" "), { home, stdin });

describe("describe", () => {
  test("policies and services: tables, one by name, each form of a name", async () => {
    const texts: string[] = [];
    for (const [line, page] of [
      ["describe policies -f -", policies],
      ["describe policy mixed -f -", policies],
      ["describe policy deny-get.shop -f -", policies],
      ["describe policy shop/unbound -f -", policies],
      ["describe services -f -", services],
      ["describe service catalog -f -", services],
    ] as const) {
      const { code, out, err } = await run(line, page);
      expect([code, err]).toEqual([0, ""]);
      texts.push(`$ lateenctl ${line}`, out);
    }
    golden("describe", texts.join("\n"));
  });

  test("from a file, as JSON and as YAML, of one namespace", async () => {
    writeFileSync(join(home, "services.json"), services);
    const asJson = await run("describe svc -f services.json -o json", "");
    expect(JSON.parse(asJson.out)).toMatchObject([{ key: "shop/catalog.shop.svc.cluster.local", waypoint: null }]);
    expect((await run("des p mixed -f - -o yaml", policies)).out).toMatch(/^- key: shop\/mixed\n/m);
    expect((await run("describe policies -n bank -f -", policies)).out).toBe("no policies\n");
  });

  test.each([
    [
      "describe policy nothing -f -",
      policies,
      /^Error: Cannot find policy "nothing": the mesh has none of that name\n$/,
    ],
    ["describe policies -f -", "{", /^Error: Cannot read the page: it is no JSON/],
    ["describe policies -f -", services, /^Error: Cannot read the page: it is no \/debug\/policies: /],
    ["describe services -f nowhere", "", /^Error: Cannot read "nowhere": there is no such file\n$/],
    ["describe policies", "", /^Error: Cannot reach mesh "default"/],
  ])("%s says what is wrong", async (line, page, message) => {
    expect(await run(line, page)).toEqual({ code: 1, out: "", err: expect.stringMatching(message) as unknown });
  });
});
