import { Buffer } from "node:buffer";
import { join } from "node:path";
import { rmSync } from "node:fs";
import type { Caller } from "@lateen/ca";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADDRESS_TYPE, Rig, policyYaml } from "../control-plane.test.support.ts";
import { debugOverXds } from "./debug-over-xds.ts";
import { DEBUG_PAGES, type DebugSources } from "./debug-pages.ts";
import { debugPage } from "./debug-routes.ts";
import type { Visible } from "./debug-access.ts";

const ALL: Visible = { t: "all" };
const of = (namespace: string): Visible => ({ t: "namespace", namespace });

let rig: Rig;
let from: DebugSources;
beforeEach(async () => {
  rig = new Rig();
  rig.put("other.yaml", policyYaml("other", "front").replace("namespace: shop", "namespace: bank"));
  rig.put("useless.yaml", policyYaml("useless", "front").replace("app: web", "app: nobody"));
  await rig.start();
  from = rig.plane!.debug;
});
afterEach(() => rig[Symbol.asyncDispose]());

const page = (path: string, visible: Visible = ALL): { status: number; json: unknown } => {
  const { status, body } = debugPage(from, new URL(`http://x/debug/${path}`), visible);
  return { status, json: status === 200 ? (JSON.parse(body) as unknown) : body };
};

describe("debug pages", () => {
  test("are listed, each answers, and what is none is not found", async () => {
    const list = await rig.debug("list");
    expect(list).toEqual(Object.keys(DEBUG_PAGES).map((name) => `/debug/${name}`));
    for (const name of Object.keys(DEBUG_PAGES)) if (name !== "config_dump") expect(page(name).status, name).toBe(200);
    for (const name of ["nothing", "", "__proto__", "constructor"]) expect(page(name).status).toBe(404);
  });

  test("of the mesh are for the mesh's own alone", () => {
    for (const [name, { audience }] of Object.entries(DEBUG_PAGES))
      if (audience === "mesh") expect(page(name, of("shop")), name).toMatchObject({ status: 403 });
  });

  test("for a namespace show what is of that namespace", () => {
    expect(Object.keys(page("policies").json as object).sort()).toEqual(["bank/other", "shop/allow", "shop/useless"]);
    expect(page("policies", of("shop")).json).toMatchObject({ "shop/allow": { key: "shop/allow" } });
    expect(Object.keys(page("policies", of("bank")).json as object)).toEqual(["bank/other"]);
    expect(Object.keys(page("conditions", of("bank")).json as object)).toEqual(["AuthorizationPolicy/bank/other"]);
    expect(page("services", of("ban")).json).toEqual({});
  });

  test("tell of a proxy to its own namespace", async () => {
    using client = rig.client();
    client.subscribe(ADDRESS_TYPE);
    await client.next();
    await eventually(() => JSON.stringify(page("syncz").json).includes('"acked":"2'), { what: "the acknowledgement" });
    const dump = "config_dump?proxyID=ztunnel-a.istio-system";
    expect(page(dump).json).toMatchObject({ watches: { [ADDRESS_TYPE]: ["*"] } });
    expect(page(dump, of("istio-system")).status).toBe(200);
    expect(page(dump, of("shop")).status).toBe(404);
    expect(page("syncz").json).toMatchObject([{ proxy: "ztunnel-a.istio-system", proxy_type: "ztunnel" }]);
    const [synced] = page("syncz?namespace=istio-system").json as {
      resources: Record<string, Record<string, string>>;
    }[];
    expect(synced?.resources[ADDRESS_TYPE]?.["sent"]).toBe(synced?.resources[ADDRESS_TYPE]?.["acked"]);
    expect(page("syncz?namespace=shop").json).toEqual([]);
    expect(page("adsz").json).toMatchObject({ totalClients: 1, clients: [{ watches: { [ADDRESS_TYPE]: ["*"] } }] });
    expect(page("connections").json).toMatchObject({ totalClients: 1 });
  });

  test("show which inputs an entry comes from and what was read for it", () => {
    const key = "Kubernetes//Pod/shop/web";
    const sizes = page("collections").json as Record<string, number>;
    const [name] = Object.keys(sizes).filter((n) => page(`collections?collection=${n}&key=${key}`).status === 200);
    expect(page(`collections?collection=${name}&key=${key}`).json).toMatchObject({
      collection: name,
      key,
      input: "shop/web",
    });
    expect(page("collections?collection=nothing").status).toBe(404);
  });

  test("follow the objects", async () => {
    rmSync(join(rig.dir, "config/useless.yaml"));
    await eventually(() => Object.keys(page("policies").json as object).length === 2);
  });
});

describe("over xDS", () => {
  const SYNCZ = "istio.io/debug/syncz";

  test("a page is asked for by its path, and how far the proxies are by a type of its own", async () => {
    using client = rig.client();
    client.subscribe(ADDRESS_TYPE);
    await client.next();
    client.ask("istio.io/debug", ["policies"]);
    expect(await client.next()).toMatchObject({ type: "istio.io/debug", names: ["policies"] });
    const body = Buffer.from(client.bodies.get("istio.io/debug policies") ?? "", "hex").toString();
    expect(JSON.parse(body)).toMatchObject({ "shop/allow": { action: "ALLOW" } });
    client.ask(SYNCZ, []);
    expect(await client.next()).toMatchObject({ type: SYNCZ, names: ["ztunnel-a.istio-system"] });
    const config = client.bodies.get(`${SYNCZ} ztunnel-a.istio-system`) ?? "";
    expect(Buffer.from(config, "hex").toString()).toContain("ztunnel~10.0.0.1~ztunnel-a.istio-system");
    // Its last field is the status of the only type: SYNCED.
    expect(config.slice(-4)).toBe("3001");
  });

  test.each([
    ["istio.io/debug", ["nothing"], 5],
    ["istio.io/debug", [], 3],
    ["istio.io/debug", ["policies", "services"], 3],
    ["istio.io/debug/config_dump", ["x"], 3],
  ])("%s %j is refused", async (typeUrl, names, code) => {
    using client = rig.client();
    client.ask(typeUrl, names);
    expect(await client.next()).toMatchObject({ t: "end", status: { code } });
  });

  test("who is not of the mesh sees what is of its own namespace", () => {
    const ask = debugOverXds(from, ["istio-system"]);
    const identity = { trustDomain: "cluster.local", namespace: "bank", serviceAccount: "a" };
    const caller: Caller = { name: "", identity, pod: null, by: "token" };
    expect(ask(SYNCZ, [], caller)).toMatchObject({ t: "end", code: 7 });
    expect(ask("istio.io/debug", ["adsz"], caller)).toMatchObject({ t: "end", code: 7 });
    const answer = ask("istio.io/debug", ["policies"], caller);
    const text = answer.t === "resources" ? new TextDecoder().decode(answer.resources[0]?.body) : "";
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["bank/other"]);
    expect(ask("istio.io/debug", ["policies"], { ...caller, identity: null })).toMatchObject({ t: "end", code: 7 });
  });
});

test("metrics carry the names that dashboards use", async () => {
  using client = rig.client();
  client.subscribe(ADDRESS_TYPE);
  await client.next();
  const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${rig.plane!.debugPort}/metrics`)).text();
  const text = await eventually(async () => {
    const now = await scrape();
    return now.includes('pilot_xds_push_time_count{type="wds"} 1') ? now : undefined;
  });
  for (const line of [
    /^pilot_xds\{version="unknown"\} 1$/m,
    /^pilot_xds_pushes_total\{type="wds"\} 1$/m,
    /^pilot_xds_push_time_count\{type="wds"\} 1$/m,
    /^pilot_xds_config_size_bytes_count\{type="type.googleapis.com\/istio.workload.Address"\} 1$/m,
    /^pilot_push_triggers_total\{type="proxyrequest"\} 1$/m,
    /^pilot_services \d+$/m,
    /^pilot_info\{version=/m,
    /^istio_build\{component="pilot",tag=/m,
  ])
    expect(text).toMatch(line);
});
