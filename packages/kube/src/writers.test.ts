import { createHash } from "node:crypto";
import { type ApiServer, crdOf, requireApiServer, serviceAccountToken, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiClient } from "./api-client.ts";
import { clientOf, logTo, makeNamespace } from "./kube.test.support.ts";
import { type WantedCondition, readConditions } from "./conditions.ts";
import { joinElection } from "./leader-election.ts";
import { CONFIG_MAPS, objectAccess, writtenAs } from "./objects.ts";
import { apiResourceOf, followResources } from "./resource-follower.ts";
import { createStatusWriter } from "./status-writer.ts";
import { createTokenReviewer } from "./token-review.ts";

const digest = (token: string): string => createHash("sha256").update(token).digest("base64");

describe.skipIf(requireApiServer())("writing to a real API server", () => {
  let api: ApiServer;
  let client: ApiClient;

  beforeAll(async () => {
    api = await startApiServer();
    client = await clientOf(api);
    await makeNamespace(api, "shop");
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await api[Symbol.asyncDispose]();
  });

  test("apply owns what it says and leaves the rest to others", async () => {
    const maps = objectAccess(client, CONFIG_MAPS);
    const object = (data: Record<string, string>) => ({
      ...writtenAs(CONFIG_MAPS),
      metadata: { name: "applied", namespace: "shop" },
      data,
    });
    const path = "/api/v1/namespaces/shop/configmaps/applied";
    expect((await maps.apply(object({ a: "1", b: "1" }), { owner: "lateen-test" })).ok).toBe(true);
    await api.done("PATCH", path, { data: { theirs: "x", a: "changed" } }, "application/merge-patch+json");
    expect((await maps.apply(object({ a: "2" }), { owner: "lateen-test" })).ok).toBe(true);
    const { data } = await api.done<{ data: unknown }>("GET", path);
    expect(data).toEqual({ a: "2", theirs: "x" });
  });

  describe("conditions", () => {
    const policies = apiResourceOf("AuthorizationPolicy");
    const base = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies";
    const make = async (name: string): Promise<void> => {
      const object = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata: { name }, spec: {} };
      await eventually(async () => (await api.call("POST", base, object)).status === 201);
    };
    const conditionsOf = async (name: string): Promise<ReturnType<typeof readConditions>> =>
      readConditions((await api.done<{ status?: unknown }>("GET", `${base}/${name}`)).status);

    beforeAll(async () => {
      const kind = { group: "security.istio.io", kind: policies.kind, plural: policies.plural, versions: ["v1"] };
      await api.done("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crdOf(kind));
    });

    test("are written when they differ, taken away when they do not apply, and else nothing is said", async () => {
      await make("one");
      let wanted: readonly WantedCondition[] = [
        { type: "ZtunnelAccepted", status: "True", reason: "Accepted", message: "ok" },
      ];
      const outcomes: string[] = [];
      const lines: string[] = [];
      const metrics = {
        objects() {},
        changed() {},
        noted() {},
        leading() {},
        wrote: (_: string, o: string) => void outcomes.push(o),
      };
      using follower = followResources({
        client,
        kinds: ["AuthorizationPolicy"],
        onChange: (_kind, changes) => changes.forEach((c) => writer.add(c.key)),
        log: logTo(lines),
      });
      const writer = createStatusWriter({
        client,
        owner: "lateen-status",
        owned: new Set(["ZtunnelAccepted", "WaypointAccepted"]),
        target(key) {
          const found = follower.of("AuthorizationPolicy").get(key);
          if (found === undefined) return null;
          const { namespace = "", name, generation } = found.metadata;
          const conditions = readConditions(found.status);
          return { resource: policies, version: "v1", at: { namespace, name }, generation, conditions };
        },
        wanted: () => wanted,
        log: logTo(lines),
        metrics,
      });
      const stop = new AbortController();
      const run = writer.run(stop.signal);
      await eventually(async () => (await conditionsOf("one")).length === 1);
      expect(await conditionsOf("one")).toMatchObject([
        { type: "ZtunnelAccepted", status: "True", observedGeneration: 1 },
      ]);
      // Its own write comes back as a change, and leads to no other.
      await eventually(() => outcomes.includes("unchanged"));
      expect(outcomes.filter((o) => o === "ok").length).toBe(1);
      const foreign = { status: { conditions: [{ type: "Foreign", status: "True" }] } };
      const body = { apiVersion: "security.istio.io/v1", kind: policies.kind, metadata: { name: "one" }, ...foreign };
      await api.done("PATCH", `${base}/one/status?fieldManager=other`, body, "application/apply-patch+yaml");
      wanted = [];
      writer.add("shop/one");
      await eventually(async () => (await conditionsOf("one")).every((c) => c.type === "Foreign"));
      expect((await conditionsOf("one")).map((c) => c.type)).toEqual(["Foreign"]);
      await api.done("DELETE", `${base}/one`);
      await eventually(() => follower.of("AuthorizationPolicy").size === 0);
      await writer.idle();
      stop.abort();
      await run;
      expect(lines.filter((l) => l.includes("cannot"))).toEqual([]);
    });
  });

  describe("elections", () => {
    const timing = { leaseMs: 2_000, renewDeadlineMs: 1_200, retryMs: 100 };
    const candidate = (name: string, identity: string, o: { client?: ApiClient; wallMs?: () => number } = {}) => {
      const terms: AbortSignal[] = [];
      const election = joinElection({
        client,
        namespace: "shop",
        name,
        identity,
        timing,
        log: logTo([]),
        onLead: (signal) => terms.push(signal),
        ...o,
      });
      return Object.assign(election, { terms });
    };

    test("one leads; when it leaves, another does at once", async () => {
      await using b = await (async () => {
        await using a = candidate("leave", "a");
        await eventually(() => a.leads);
        const next = candidate("leave", "b");
        await eventually(() => next.holder === "a");
        expect([a.leads, next.leads]).toEqual([true, false]);
        return next;
      })();
      await eventually(() => b.leads, { deadlineMs: 1_500 });
      const lease = await api.done<{ spec: { leaseTransitions: number; holderIdentity: string } }>(
        "GET",
        "/apis/coordination.k8s.io/v1/namespaces/shop/leases/leave",
      );
      expect(lease.spec).toMatchObject({ holderIdentity: "b" });
    });

    test("a leader that is cut off lets go before another takes over, whatever its clock says", async () => {
      const proxy = await api.proxy();
      using cutOff = await clientOf(api, { url: proxy.url });
      await using a = candidate("cut", "a", { client: cutOff, wallMs: () => Date.now() + 86_400_000 });
      await eventually(() => a.leads);
      await using b = candidate("cut", "b", { wallMs: () => Date.now() - 86_400_000 });
      await eventually(() => b.holder === "a");
      using _stalled = proxy.stall();
      let both = false;
      await eventually(
        () => {
          both ||= a.leads && b.leads;
          return b.leads;
        },
        { deadlineMs: 10_000 },
      );
      expect([both, a.leads, a.terms[0]?.aborted]).toEqual([false, false, true]);
    });

    test("a leader outlives a restart of the API server that is shorter than its lease", async () => {
      const long = { leaseMs: 30_000, renewDeadlineMs: 15_000, retryMs: 100 };
      await using a = joinElection({
        client,
        namespace: "shop",
        name: "restart",
        identity: "a",
        timing: long,
        log: logTo([]),
        onLead: () => undefined,
      });
      await eventually(() => a.leads);
      await api.restart();
      await eventually(() => a.leads);
    });
  });

  describe("tokens", () => {
    const account = { namespace: "shop", name: "web" };
    let uid: string;

    beforeAll(async () => {
      const meta = { name: "web", namespace: "shop" };
      await api.done("POST", "/api/v1/namespaces/shop/serviceaccounts", {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: meta,
      });
      const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: meta,
        spec: { serviceAccountName: "web", nodeName: "n1", containers: [{ name: "c", image: "i" }] },
      };
      uid = (await api.done<{ metadata: { uid: string } }>("POST", "/api/v1/namespaces/shop/pods", pod)).metadata.uid;
    });
    const reviewer = (c = client, nowMs = Date.now) =>
      createTokenReviewer({ client: c, audiences: ["istio-ca"], nowMs, digest });

    test("a bound token says whose it is, and which pod's", async () => {
      const token = await serviceAccountToken(api, account, { pod: { name: "web", uid } });
      expect(await reviewer()(token)).toEqual({
        ok: true,
        value: { namespace: "shop", serviceAccount: "web", pod: { name: "web", uid }, node: "n1" },
      });
    });

    test("a token that is bound to no pod says so", async () =>
      expect(await reviewer()(await serviceAccountToken(api, account))).toMatchObject({
        ok: true,
        value: { pod: null },
      }));

    test("a token for another audience is refused", async () =>
      expect(await reviewer()(await serviceAccountToken(api, account, { audiences: ["other"] }))).toMatchObject({
        ok: false,
        error: { code: "DENIED" },
      }));

    test("a token for the API server itself is refused: it does not say that it is for us", async () =>
      expect(
        await reviewer()(await serviceAccountToken(api, account, { audiences: ["https://kubernetes.default.svc"] })),
      ).toMatchObject({ ok: false, error: { code: "DENIED" } }));

    test("a token of a user, or nonsense, is refused without a question", async () => {
      const proxy = await api.proxy();
      using through = await clientOf(api, { url: proxy.url });
      const review = reviewer(through);
      for (const token of [api.adminToken, "", "a.b", "x".repeat(20_000), "a.b.c", "\u0000.\u0000.\u0000"])
        expect(await review(token)).toMatchObject({ ok: false, error: { code: "DENIED" } });
      expect(proxy.seen).toEqual([]);
    });

    test("a token that ended long ago is refused without a question; a clock that is some minutes off refuses none", async () => {
      const token = await serviceAccountToken(api, account);
      const later = (ms: number) => reviewer(client, () => Date.now() + 3_600_000 + ms)(token);
      expect((await later(300_000)).ok).toBe(true);
      expect(await later(4_000_000)).toMatchObject({
        ok: false,
        error: { message: "Cannot accept token: it has expired" },
      });
    });

    test("a changed token is refused, and asked about once however many bring it", async () => {
      const proxy = await api.proxy();
      using through = await clientOf(api, { url: proxy.url });
      const review = reviewer(through);
      const good = await serviceAccountToken(api, account);
      const [head, body] = good.split(".");
      const forged = `${head}.${body}.${"A".repeat(86)}`;
      const results = await Promise.all(Array.from({ length: 200 }, (_, i) => review(i % 2 === 0 ? good : forged)));
      expect(results.map((r) => r.ok)).toEqual(results.map((_, i) => i % 2 === 0));
      expect(proxy.seen.length).toBe(2);
    });

    test("what was remembered runs out, so that the token of a pod that is gone is not taken for long", async () => {
      const proxy = await api.proxy();
      using through = await clientOf(api, { url: proxy.url });
      const token = await serviceAccountToken(api, account, { pod: { name: "web", uid } });
      let later = 0;
      const review = reviewer(through, () => Date.now() + later);
      for (const [ms, questions] of [
        [0, 1],
        [9_000, 1],
        [11_000, 2],
      ] as const) {
        later = ms;
        expect((await review(token)).ok).toBe(true);
        expect(proxy.seen.length).toBe(questions);
      }
    });

    test("strangers with made-up tokens load the API server no more than so much", async () => {
      const proxy = await api.proxy();
      using through = await clientOf(api, { url: proxy.url });
      let hang = true;
      proxy.intercept = () => (hang ? "hang" : null);
      const review = reviewer(through);
      const madeUp = (i: number): string => `${btoa("{}")}.${btoa("{}")}.${i}`.replaceAll("=", "");
      const open = Array.from({ length: 100 }, (_, i) => review(madeUp(i)));
      await eventually(() => proxy.seen.length === 100);
      expect(await review(madeUp(101))).toMatchObject({ ok: false, error: { code: "UNAVAILABLE" } });
      expect(proxy.seen.length).toBe(100);
      hang = false;
      proxy.cut();
      for (const result of await Promise.all(open)) expect(result).toMatchObject({ ok: false });
      expect(await review(madeUp(101))).toMatchObject({ ok: false, error: { code: "DENIED" } });
    });

    test("while nobody answers, a token is neither good nor bad, and nothing is remembered", async () => {
      const proxy = await api.proxy();
      using through = await clientOf(api, { url: proxy.url });
      const review = reviewer(through);
      const token = await serviceAccountToken(api, account);
      proxy.intercept = () => ({ status: 503 });
      expect(await review(token)).toMatchObject({ ok: false, error: { code: "UNAVAILABLE" } });
      proxy.intercept = () => null;
      expect((await review(token)).ok).toBe(true);
    });
  });
});
