import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterPlane, type Written, pathOf, prepareCluster, put, remove } from "./cluster.test.support.ts";

interface Address {
  readonly value: string;
  readonly host: string;
}

const entry = (name: string, o: { spec?: object; labels?: Readonly<Record<string, string>> } = {}): Written => ({
  apiVersion: "networking.istio.io/v1",
  kind: "ServiceEntry",
  metadata: { name, namespace: "shop", labels: o.labels ?? {} },
  spec: { hosts: [`${name}.example`], resolution: "DNS", ports: [{ number: 80, name: "http" }], ...o.spec },
});

describe.skipIf(requireApiServer())("addresses of ServiceEntries on a real API server", () => {
  let api: ApiServer;

  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const addressesOf = async (name: string): Promise<readonly Address[] | undefined> =>
    (await api.done<{ status?: { addresses?: Address[] } }>("GET", pathOf(entry(name)))).status?.addresses;
  const given = (name: string, when: (a: readonly Address[]) => boolean = (a) => a.length > 0) =>
    eventually(
      async () => {
        const found = await addressesOf(name);
        return found !== undefined && when(found) ? found : null;
      },
      { deadlineMs: 20_000, what: `addresses of ${name}` },
    );
  const claim = (name: string, addresses: readonly Address[]): Promise<unknown> =>
    api.done("PATCH", `${pathOf(entry(name))}/status`, { status: { addresses } }, "application/merge-patch+json");

  test("each host gets one of each family, keeps it over restarts, and a wish of the user's own takes it away", async () => {
    await put(api, entry("two", { spec: { hosts: ["a.example", "b.example"] } }));
    let first: readonly Address[];
    {
      await using _plane = await ClusterPlane.start(api);
      first = await given("two");
      expect(first.map((a) => a.host)).toEqual(["a.example", "a.example", "b.example", "b.example"]);
      expect(first.filter((a) => a.value.startsWith("240.240."))).toHaveLength(2);
      expect(first.filter((a) => a.value.startsWith("2001:2:"))).toHaveLength(2);
      expect(new Set(first.map((a) => a.value)).size).toBe(4);
    }
    await using plane = await ClusterPlane.start(api);
    await put(api, entry("later"));
    await given("later");
    expect(await addressesOf("two")).toEqual(first);
    await put(api, entry("two", { spec: { hosts: ["a.example", "b.example"], addresses: ["192.0.2.1"] } }));
    await given("two", (a) => a.length === 0);
    // What was given up is not given to others.
    await put(api, entry("next"));
    const next = (await given("next")).map((a) => a.value);
    expect(next.filter((value) => first.some((a) => a.value === value))).toEqual([]);
    expect(plane.lines.filter((line) => line.includes("cannot write addresses"))).toEqual([]);
  });

  test("who must have none gets none", async () => {
    await using _plane = await ClusterPlane.start(api);
    await put(
      api,
      entry("off", { labels: { "istio.io/x": "", "networking.istio.io/enable-autoallocate-ip": "false" } }),
    );
    await put(api, entry("static", { spec: { addresses: ["192.0.2.2"] } }));
    await put(api, entry("wild", { spec: { hosts: ["*.wild.example"] } }));
    await put(api, entry("theirs", { labels: { "istio.io/rev": "canary" } }));
    await put(api, entry("marker"));
    await given("marker");
    for (const name of ["off", "static", "wild", "theirs"]) expect(await addressesOf(name)).toBeUndefined();
    await put(api, entry("off"));
    await given("off");
  });

  test("of two that claim one address the older keeps it; one that somebody writes into a spec is given up by all", async () => {
    await put(api, entry("older"));
    const shared = [{ value: "240.240.9.9", host: "older.example" }];
    await claim("older", shared);
    // Creation has the resolution of seconds: names decide between those of one second, and these are in order too.
    await put(api, entry("younger"));
    await claim("younger", [{ value: "240.240.9.9", host: "younger.example" }]);
    await using _plane = await ClusterPlane.start(api);
    const holds = (a: readonly Address[]): boolean => a.some(({ value }) => value === "240.240.9.9");
    await given("younger", (a) => a.length === 2 && !holds(a));
    expect(holds(await given("older", (a) => a.length === 2))).toBe(true);
    await put(api, entry("writer", { spec: { addresses: ["240.240.9.9"] } }));
    await given("older", (a) => a.length === 2 && !holds(a));
  });

  test("a status that somebody else writes meanwhile is not lost", async () => {
    await using _plane = await ClusterPlane.start(api);
    const conditions = [{ type: "example.dev/Seen", status: "True", reason: "Seen", message: "" }];
    await put(api, { ...entry("shared"), status: { conditions } });
    await given("shared");
    const { status } = await api.done<{ status: { conditions: { type: string }[] } }>("GET", pathOf(entry("shared")));
    expect(status.conditions.map((c) => c.type)).toContain("example.dev/Seen");
    await remove(api, entry("shared"));
  });
});
