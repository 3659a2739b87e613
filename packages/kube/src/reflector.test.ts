import { type ApiServer, type FaultProxy, crdOf, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { createLogging } from "@lateen/telemetry";
import { eventually } from "@lateen/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ApiClient, createApiClient } from "./api-client.ts";
import type { ApiResource } from "./api-resource.ts";
import { kubeconfigAccess } from "./credentials.ts";
import { type Reflector, type ReflectorChange, type ReflectorOptions, startReflector } from "./reflector.ts";

const CONFIG_MAPS: ApiResource = {
  group: "",
  versions: ["v1"],
  plural: "configmaps",
  kind: "ConfigMap",
  scope: "namespaced",
};

/** The text under `data.text`; one that says `bad` cannot be read. */
function decode(raw: unknown): ReturnType<ReflectorOptions<string>["decode"]> {
  const text = (raw as { readonly data?: { readonly text?: string } }).data?.text ?? "";
  return text === "bad" ? { t: "bad", why: "it says bad" } : { t: "good", value: text };
}

describe.skipIf(requireApiServer())("following a real API server", () => {
  let api: ApiServer;
  let proxy: FaultProxy;
  let client: ApiClient;
  let lines: string[];
  let number = 0;
  let namespace = "";

  beforeAll(async () => {
    // Continued lists come from etcd, so that compaction shows in them as it does at other servers.
    api = await startApiServer({ flags: ["--feature-gates=ListFromCacheSnapshot=false"] });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  beforeEach(async () => {
    number += 1;
    namespace = `test-${number}`;
    lines = [];
    await api.done("POST", "/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });
    proxy = await api.proxy();
    client = createApiClient(await kubeconfigAccess(api.kubeconfig({ url: proxy.url })), { userAgent: "test" });
  });
  afterEach(async () => {
    client[Symbol.dispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const path = (name = ""): string => `/api/v1/namespaces/${namespace}/configmaps${name === "" ? "" : `/${name}`}`;
  const put = async (name: string, text: string): Promise<void> => {
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { text } };
    const made = await api.call("PUT", path(name), body);
    if (made.status === 404) await api.done("POST", path(), body);
  };
  const remove = (name: string): Promise<unknown> => api.done("DELETE", path(name));

  /** Changes in the order in which they were told, as `name: before -> after`. */
  function follow(o: Partial<ReflectorOptions<string>> = {}): Reflector<string> & { readonly told: string[] } {
    const told: string[] = [];
    const log = createLogging({ write: (line) => lines.push(line), nowMicros: () => 0 }).logger("kube");
    const onChange = (changes: readonly ReflectorChange<string>[]): void => {
      for (const { key, before, after } of changes)
        told.push(`${key.split("/")[1]}: ${before ?? "-"} > ${after ?? "-"}`);
    };
    const timing = { backoff: { baseMs: 20, maxMs: 200 }, ...o.timing };
    const made = startReflector({ client, resource: CONFIG_MAPS, namespace, decode, log, onChange, ...o, timing });
    return Object.assign(made, { told });
  }
  const sees = (r: Reflector<string>, want: Readonly<Record<string, string>>): Promise<unknown> =>
    eventually(
      () =>
        JSON.stringify(Object.fromEntries([...r.entries()].map(([k, v]) => [k.split("/")[1], v]).sort())) ===
        JSON.stringify(want),
      {
        deadlineMs: 20_000,
        what: `${JSON.stringify(want)}, have ${JSON.stringify([...r.entries()])}\n${lines.join("\n")}`,
      },
    );

  test("what is there, then what changes, each once and in order", async () => {
    await put("a", "1");
    using r = follow();
    await r.synced();
    await put("a", "2");
    await put("b", "1");
    await remove("a");
    await sees(r, { b: "1" });
    expect(r.told).toEqual(["a: - > 1", "a: 1 > 2", "b: - > 1", "a: 2 > -"]);
  });

  test("a list of many pages is one state", async () => {
    for (let i = 0; i < 25; i++) await put(`m${String(i).padStart(2, "0")}`, String(i));
    using r = follow({ timing: { pageSize: 10 } });
    await r.synced();
    expect(r.size).toBe(25);
    expect(proxy.seen.filter((p) => p.query.has("limit")).length).toBe(3);
  });

  test("pages too large to hold are asked for in smaller ones", async () => {
    const text = "x".repeat(300_000);
    for (let i = 0; i < 8; i++) await put(`large-${i}`, text);
    const small: ApiClient = { ...bound(client), text: (request) => client.text({ ...request, maxBytes: 700_000 }) };
    using r = follow({ client: small });
    await r.synced();
    expect(r.size).toBe(8);
    expect(lines.join("\n")).toMatch(/page size.*125/);
  });

  test("410 in the middle of a list, by compaction", async () => {
    for (let i = 0; i < 6; i++) await put(`c${i}`, "1");
    let pages = 0;
    proxy.intercept = ({ query }) => {
      if (!query.has("limit")) return null;
      pages += 1;
      return pages === 2 ? "hang" : null;
    };
    using r = follow({ timing: { pageSize: 2 } });
    await eventually(() => pages === 2);
    await put("c0", "2");
    await api.compact();
    proxy.cut();
    await sees(r, { c0: "2", c1: "1", c2: "1", c3: "1", c4: "1", c5: "1" });
    expect(r.told.length).toBe(6);
    expect(lines.join("\n")).toContain("expired");
  });

  test("410 in a watch, by compaction while nobody could listen", async () => {
    await put("a", "1");
    await put("gone", "1");
    using r = follow();
    await r.synced();
    {
      await using _away = await proxy.partition();
      await put("a", "2");
      await remove("gone");
      await api.compact();
      await api.restart("SIGKILL");
    }
    await sees(r, { a: "2" });
    expect(r.told.slice(2).sort()).toEqual(["a: 1 > 2", "gone: 1 > -"]);
    expect(lines.join("\n")).toContain("expired");
  });

  test("a watch that stalls silently is noticed, and nothing of it is lost", async () => {
    await put("a", "1");
    using r = follow({ timing: { stallMs: 400 } });
    await r.synced();
    await eventually(() => r.describe().phase === "watching");
    // Answers to watches never come any more; everything else works.
    proxy.intercept = ({ query }) => (query.has("watch") ? "hang" : null);
    proxy.cut();
    await put("a", "2");
    await eventually(() => lines.some((l) => l.includes("stalled")), { deadlineMs: 20_000 });
    proxy.intercept = () => null;
    await sees(r, { a: "2" });
    expect(r.told).toEqual(["a: - > 1", "a: 1 > 2"]);
  });

  test("a stalled network is left behind", async () => {
    await put("a", "1");
    using r = follow({ timing: { stallMs: 400 } });
    await r.synced();
    {
      using _stalled = proxy.stall();
      await put("a", "2");
      await eventually(() => lines.some((l) => l.includes("stalled")), { deadlineMs: 20_000 });
    }
    await sees(r, { a: "2" });
    expect(r.told).toEqual(["a: - > 1", "a: 1 > 2"]);
  });

  test("throttling is waited out and told", async () => {
    await put("a", "1");
    let calls = 0;
    proxy.intercept = () => (++calls <= 2 ? { status: 429, headers: { "retry-after": "1" } } : null);
    using r = follow();
    const begun = r.describe();
    await r.synced();
    expect(begun.phase).toBe("listing");
    expect(lines.filter((l) => l.includes("throttled")).length).toBe(2);
  });

  test("a slow server is waited for", async () => {
    await put("a", "1");
    proxy.delayMs = 150;
    using r = follow();
    await put("b", "1");
    await sees(r, { a: "1", b: "1" });
  });

  test("restarts, kills and cut connections lose and repeat nothing", async () => {
    await put("a", "0");
    using r = follow();
    await r.synced();
    await put("a", "1");
    await api.restart("SIGTERM");
    await put("a", "2");
    await sees(r, { a: "2" });
    await api.restart("SIGKILL");
    await put("a", "3");
    proxy.cut();
    await put("a", "4");
    await sees(r, { a: "4" });
    // A state may be passed over while nobody could listen; none is told twice or out of order.
    const states = r.told.map((t) => t.replace("a: ", "").split(" > ") as [string, string]);
    expect(states.at(-1)?.[1]).toBe("4");
    for (const [i, [before]] of states.entries()) expect(before).toBe(i === 0 ? "-" : states[i - 1]![1]);
    for (const [before, after] of states) expect(Number(after)).toBeGreaterThan(before === "-" ? -1 : Number(before));
  });

  test("a server that comes back from a backup is believed", async () => {
    await put("kept", "1");
    await put("changed", "1");
    const backup = await api.backup();
    await put("changed", "2");
    await put("new", "1");
    using r = follow();
    await sees(r, { changed: "2", kept: "1", new: "1" });
    await api.restore(backup);
    await sees(r, { changed: "1", kept: "1" });
    await put("after", "1");
    await sees(r, { after: "1", changed: "1", kept: "1" });
    expect(lines.join("\n")).toContain("rewound");
  });

  test("away for longer than history is trusted, then back with other state", async () => {
    await put("a", "1");
    using r = follow({ timing: { resumeWithinMs: 100 } });
    await r.synced();
    const backup = await api.backup();
    await put("lost", "1");
    await sees(r, { a: "1", lost: "1" });
    {
      await using _away = await proxy.partition();
      await api.restore(backup);
      // The other past goes further than ours did, so versions alone would not tell.
      for (let i = 0; i < 20; i++) await put("b", String(i));
      await eventually(() => lines.filter((l) => l.includes("failed")).length >= 4, { deadlineMs: 20_000 });
    }
    await sees(r, { a: "1", b: "19" });
  });

  test("one object that cannot be read keeps its last good state and harms no other", async () => {
    await put("a", "1");
    await put("never", "bad");
    using r = follow();
    await r.synced();
    await put("a", "bad");
    await put("b", "1");
    await sees(r, { a: "1", b: "1" });
    expect([...r.bad.keys()].sort()).toEqual([`${namespace}/a`, `${namespace}/never`]);
    await put("a", "2");
    await remove("never");
    await sees(r, { a: "2", b: "1" });
    await eventually(() => r.bad.size === 0);
    expect(lines.filter((l) => l.includes("cannot read an object")).length).toBe(2);
  });

  test("a kind that comes later is found, in whichever version it is served, and goes again", async () => {
    const resource: ApiResource = {
      group: "lateen.test",
      versions: ["v2", "v1"],
      plural: `things${number}`,
      kind: `Thing${number}`,
      scope: "namespaced",
    };
    using r = follow({ resource, timing: { absentMs: 100 } });
    await r.synced();
    const kind = { ...resource, versions: ["v1"] };
    await api.done("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crdOf(kind));
    const things = `/apis/lateen.test/v1/namespaces/${namespace}/${resource.plural}`;
    const thing = { apiVersion: "lateen.test/v1", kind: kind.kind, metadata: { name: "t" }, spec: {} };
    await eventually(async () => (await api.call("POST", things, thing)).status === 201);
    await eventually(() => r.size === 1);
    await api.done("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${resource.plural}.lateen.test`);
    await eventually(() => r.size === 0 && r.describe().phase === "absent", { deadlineMs: 20_000 });
  });

  test("a refusal for want of rights is told, and mended by granting them", async () => {
    let forbidden = true;
    const body = { kind: "Status", code: 403, reason: "Forbidden", message: "may not list" };
    proxy.intercept = () => (forbidden ? { status: 403, body } : null);
    await put("a", "1");
    using r = follow();
    await eventually(() => lines.some((l) => l.includes("may not list")));
    forbidden = false;
    await sees(r, { a: "1" });
  });
});

const bound = (client: ApiClient): ApiClient => ({
  server: client.server,
  text: client.text.bind(client),
  json: client.json.bind(client),
  stream: client.stream.bind(client),
  [Symbol.dispose]: () => client[Symbol.dispose](),
});
