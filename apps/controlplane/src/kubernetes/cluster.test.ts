import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiKinds } from "@lateen/resources";
import { type ApiServer, requireApiServer, serviceAccountToken, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, Rig, type TestClient } from "../control-plane.test.support.ts";
import {
  ClusterPlane,
  SYSTEM,
  accountObject,
  pathOf,
  podObject,
  policyObject,
  prepareCluster,
  put,
  remove,
  roots,
  rootsIn,
  ztunnel,
} from "./cluster.test.support.ts";

const FRESH = "Kubernetes//Pod/shop/fresh";
/** What a caller is told: nothing of why. */
const REFUSED = /request (impersonation )?authenticat(e|ion) failure/;

const conditionsOf = async (
  api: ApiServer,
  name: string,
): Promise<readonly { type: string; status: string; reason: string }[]> =>
  (
    await api.done<{ status?: { conditions?: { type: string; status: string; reason: string }[] } }>(
      "GET",
      pathOf(policyObject(name)),
    )
  ).status?.conditions ?? [];

async function everything(client: TestClient): Promise<ReadonlyMap<string, string>> {
  client.subscribe(AUTHORIZATION_TYPE);
  client.subscribe(ADDRESS_TYPE);
  const got = new Set<string>();
  while (got.size < 2) {
    const heard = await client.next();
    if (heard.t === "end") throw new Error(heard.status.details);
    got.add(heard.type);
  }
  return new Map([...client.bodies].sort());
}

describe.skipIf(requireApiServer())("a control plane over a real API server", () => {
  let api: ApiServer;

  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
    for (const name of ["web", "api", "far"]) await put(api, accountObject(name));
    await put(api, podObject("web", { ip: "10.0.0.2" }));
    await put(api, podObject("api", { ip: "10.0.0.3" }));
    await put(api, podObject("far", { ip: "10.0.1.2", node: "n2" }));
  });
  afterAll(() => api[Symbol.asyncDispose]());

  test("a folder with the same objects gives the same bytes", async () => {
    await put(api, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "shop" },
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http", name: "http" }] },
    });
    const rules = [{ from: [{ source: { namespaces: ["shop"] } }], to: [{ operation: { ports: ["8080"] } }] }];
    await put(api, policyObject("allow", { selector: { matchLabels: { app: "web" } }, rules }));
    await put(api, {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: { name: "strict", namespace: "shop" },
      spec: { mtls: { mode: "STRICT" } },
    });
    await put(api, {
      apiVersion: "networking.istio.io/v1",
      kind: "ServiceEntry",
      metadata: { name: "outside", namespace: "shop" },
      spec: {
        hosts: ["a.example"],
        addresses: ["240.240.0.9"],
        resolution: "STATIC",
        ports: [{ number: 443, name: "tls", protocol: "TLS" }],
        endpoints: [{ address: "192.0.2.9" }],
      },
    });
    const { token } = await ztunnel(api);
    await using cluster = await ClusterPlane.start(api);
    using fromCluster = cluster.subscriber(await roots(api), token);
    const ofCluster = await everything(fromCluster);
    const dir = mkdtempSync(join(tmpdir(), "same-objects-"));
    mkdirSync(join(dir, "config"));
    for (const [kind, { group, versions, plural }] of Object.entries(apiKinds)) {
      const root = group === "" ? `/api/${versions[0]}` : `/apis/${group}/${versions[0]}`;
      const listed = await api.call("GET", `${root}/${plural}`);
      if (listed.status === 404) continue;
      const { items } = listed.body as { readonly items: readonly object[] };
      const apiVersion = group === "" ? versions[0] : `${group}/${versions[0]}`;
      const list = { apiVersion: "v1", kind: "List", items: items.map((item) => ({ apiVersion, kind, ...item })) };
      writeFileSync(join(dir, "config", `${plural}.json`), JSON.stringify(list));
    }
    await using folder = new Rig();
    await folder.start({ CONFIG_DIRS: join(dir, "config") });
    using fromFolder = folder.client();
    const ofFolder = await everything(fromFolder);
    expect(ofCluster.size).toBeGreaterThanOrEqual(8);
    expect(ofFolder).toEqual(ofCluster);
    expect(await folder.debug("problems")).toEqual(await cluster.debug("problems"));
    rmSync(dir, { recursive: true });
  });

  test("what changes in the cluster reaches a proxy, and nothing else does", async () => {
    const { token } = await ztunnel(api);
    await using cluster = await ClusterPlane.start(api);
    using client = cluster.subscriber(await roots(api), token);
    await everything(client);
    await put(api, podObject("fresh", { ip: "10.0.0.77" }));
    expect(await client.next()).toMatchObject({ names: [FRESH], removed: [] });
    await remove(api, podObject("fresh", { ip: "" }));
    for (;;) {
      const heard = await client.next();
      if (heard.t === "end") throw new Error(heard.status.details);
      if (heard.removed.includes(FRESH)) break;
      expect(heard.names).toEqual([FRESH]); // on its way out
    }
  });

  test("an API server that was away and comes back with other state is believed", async () => {
    await using other = await startApiServer();
    await prepareCluster(other);
    await put(other, accountObject("web"));
    await put(other, podObject("web", { ip: "10.0.0.2" }));
    const { token } = await ztunnel(other);
    const backup = await other.backup();
    await put(other, podObject("lost", { ip: "10.0.0.5", sa: "web" }));
    await using cluster = await ClusterPlane.start(other);
    using client = cluster.subscriber(await roots(other), token);
    const before = await everything(client);
    expect([...before.keys()].join()).toContain("shop/lost");
    await other.restore(backup);
    for (let removed: readonly string[] = []; !removed.includes("Kubernetes//Pod/shop/lost");) {
      const heard = await client.next();
      removed = heard.t === "response" ? heard.removed : [];
    }
    // The proxies were never told that everything is gone, nor was anybody cut off.
    expect([...client.bodies.keys()].join()).toContain("shop/web");
  });

  describe("certificates", () => {
    let cluster: ClusterPlane;
    let rootPem: string;

    beforeAll(async () => {
      cluster = await ClusterPlane.start(api);
      rootPem = await roots(api);
    });
    afterAll(() => cluster[Symbol.asyncDispose]());
    const ask = async (token: string, wanted: string): Promise<string> => {
      using client = cluster.ca(rootPem, token);
      const answer = await client.fetch(`spiffe://cluster.local/ns/${wanted.replace("/", "/sa/")}`);
      return answer.ok ? "issued" : answer.error.message;
    };

    test("go to a node proxy for the pods of its node, by its bound token", async () => {
      const { token } = await ztunnel(api);
      expect(await ask(token, "shop/web")).toBe("issued");
    });

    test("are refused for pods of another node", async () =>
      expect(await ask((await ztunnel(api)).token, "shop/far")).toMatch(REFUSED));

    test("are refused to an account that is no node proxy", async () => {
      const { metadata } = await put(api, podObject("web", { ip: "10.0.0.2" }));
      const token = await serviceAccountToken(
        api,
        { namespace: "shop", name: "web" },
        { pod: { name: "web", uid: metadata.uid } },
      );
      expect(await ask(token, "shop/api")).toMatch(REFUSED);
    });

    test("are refused for a token that is bound to no pod", async () =>
      expect(await ask(await serviceAccountToken(api, { namespace: SYSTEM, name: "ztunnel" }), "shop/web")).toMatch(
        REFUSED,
      ));

    test("are refused for a token of another audience", async () =>
      expect(
        await ask(
          await serviceAccountToken(api, { namespace: SYSTEM, name: "ztunnel" }, { audiences: ["vault"] }),
          "shop/web",
        ),
      ).toMatch(REFUSED));

    test("are refused to a pod that is gone, though its token is still remembered as good", async () => {
      const name = "ztunnel-gone";
      const pod = podObject(name, { ns: SYSTEM, sa: "ztunnel", ip: "10.9.9.8" });
      const { metadata } = await put(api, pod);
      const token = await serviceAccountToken(
        api,
        { namespace: SYSTEM, name: "ztunnel" },
        { pod: { name, uid: metadata.uid } },
      );
      await eventually(async () => (await ask(token, "shop/web")) === "issued");
      await remove(api, pod);
      await eventually(async () => (await ask(token, "shop/web")) !== "issued");
    });
  });

  describe("what is written", () => {
    let cluster: ClusterPlane;

    beforeAll(async () => {
      cluster = await ClusterPlane.start(api);
    });
    afterAll(() => cluster[Symbol.asyncDispose]());

    test("the roots stand in every namespace, are put right, and come to new ones", async () => {
      const pem = await roots(api, "shop");
      expect(pem).toContain("BEGIN CERTIFICATE");
      const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "istio-ca-root-cert", namespace: "shop" } };
      await remove(api, map);
      expect(await roots(api, "shop")).toBe(pem);
      await put(api, { ...map, data: { "root-cert.pem": "forged", more: "x" } });
      await eventually(async () => (await rootsIn(api, "shop")) === pem);
      await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: "late" } });
      expect(await roots(api, "late")).toBe(pem);
      expect(await rootsIn(api, "kube-public")).toBeNull();
    });

    test("a policy says what of it is in force, and whether it can be read at all", async () => {
      await put(api, policyObject("http", { action: "ALLOW", rules: [{ to: [{ operation: { methods: ["GET"] } }] }] }));
      await put(api, policyObject("broken", { acton: "DENY" }));
      const shows = (name: string, want: object) =>
        eventually(
          async () => {
            const [condition] = await conditionsOf(api, name);
            return Object.entries(want).every(([k, v]) => condition?.[k as "type"] === v);
          },
          { what: `${name} to say ${JSON.stringify(want)}` },
        );
      await shows("http", { type: "ZtunnelAccepted", status: "True", reason: "UnsupportedValue" });
      await shows("broken", { type: "ZtunnelAccepted", status: "False", reason: "Invalid" });
      await put(api, policyObject("http", { action: "ALLOW", rules: [] }));
      await shows("http", { status: "True", reason: "Accepted" });
      await put(api, policyObject("broken", { action: "DENY" }));
      await shows("broken", { status: "True", reason: "Accepted" });
      // Refused once, and told once.
      expect(cluster.lines.filter((l) => l.includes("AuthorizationPolicy shop/broken")).length).toBe(2);
    });

    test("an object of another kind says that it cannot be read, and only it", async () => {
      const entry = (name: string, spec: object) => ({
        apiVersion: "networking.istio.io/v1",
        kind: "ServiceEntry",
        metadata: { name, namespace: "shop" },
        spec,
      });
      const peers = (mode: string) => ({
        apiVersion: "security.istio.io/v1",
        kind: "PeerAuthentication",
        metadata: { name: "odd", namespace: "shop" },
        spec: { mtls: { mode } },
      });
      const says = async (object: Parameters<typeof pathOf>[0]): Promise<string> =>
        JSON.stringify((await api.done<{ status?: unknown }>("GET", pathOf(object))).status ?? null);
      const odd = {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "Gateway",
        metadata: { name: "odd", namespace: "shop" },
        spec: { gatewayClassName: "istio-waypoint", listeners: [{ name: "x", port: 0, protocol: "HBONE" }] },
      };
      const good = entry("good", { hosts: ["good.example"], resolution: "NONE" });
      await put(api, odd);
      await put(api, entry("odd", { hosts: [] }));
      await put(api, good);
      await put(api, peers("SOMETIMES"));
      for (const object of [entry("odd", {}), peers(""), odd])
        await eventually(async () => (await says(object)).includes('"lateen.dev/Unreadable"'), {
          deadlineMs: 20_000,
          what: `${object.kind} to say that it cannot be read`,
        });
      expect(await says(good)).toBe("null");
      expect(await says(peers(""))).toContain("lets no plaintext in");
      await put(api, entry("odd", { hosts: ["odd.example"], resolution: "NONE" }));
      await put(api, peers("STRICT"));
      for (const object of [entry("odd", {}), peers("")])
        await eventually(async () => !(await says(object)).includes("Unreadable"));
      expect(cluster.lines.filter((l) => l.includes("ServiceEntry shop/odd") && l.includes("\terror\t"))).toHaveLength(
        1,
      );
    });

    test("a new policy that cannot be read lets nobody in, says so, and is in force as soon as it is mended", async () => {
      const { token } = await ztunnel(api);
      using client = cluster.subscriber(await roots(api), token);
      await everything(client);
      const selector = { matchLabels: { app: "web" } };
      const body = (name: string): string | undefined => client.bodies.get(`${AUTHORIZATION_TYPE} ${name}`);
      const inForce = (): string | undefined => body("shop/closed");
      await put(api, policyObject("closed", { selector, rules: [{ to: [{ operation: { ports: ["http"] } }] }] }));
      for (; inForce() === undefined;) await client.next();
      const closed = inForce();
      await eventually(async () => {
        const [condition] = await conditionsOf(api, "closed");
        return condition?.reason === "Invalid" && JSON.stringify(condition).includes("lets nobody in");
      });
      expect(JSON.stringify(await cluster.debug("problems"))).toContain("lets nobody in");
      await put(api, policyObject("closed", { selector, rules: [{ to: [{ operation: { ports: ["80"] } }] }] }));
      for (; inForce() === closed;) await client.next();
      await put(api, policyObject("unheard", { rules: "none" }));
      for (; body("shop/unheard") === undefined;) await client.next();
      await remove(api, policyObject("unheard"));
      for (; body("shop/unheard") !== undefined;) await client.next();
    });

    test("a service says which waypoint it is bound to, or why to none, and says nothing when it asks for none", async () => {
      const service = (labels: Readonly<Record<string, string>>) => ({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "bound", namespace: "shop", labels },
        spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
      });
      const says = async (): Promise<readonly string[]> =>
        (
          (await api.done<{ status?: { conditions?: { type: string; reason: string }[] } }>("GET", pathOf(service({}))))
            .status?.conditions ?? []
        ).map((c) => `${c.type} ${c.reason}`);
      await put(api, service({ "istio.io/use-waypoint": "nowhere" }));
      await eventually(async () => (await says()).join().startsWith("istio.io/WaypointBound"));
      await put(api, service({ "istio.io/use-waypoint": "none" }));
      await eventually(async () => (await says()).length === 0);
    });

    test("webhooks that call us trust us; those of others are left alone", async () => {
      const webhook = (name: string, service: string) => ({
        name,
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        failurePolicy: "Ignore",
        clientConfig: { service: { name: service, namespace: SYSTEM, path: "/validate" } },
      });
      const object = {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingWebhookConfiguration",
        metadata: { name: "istio-validator-istio-system", labels: { "istio.io/rev": "default" } },
        webhooks: [webhook("rev.validation.istio.io", "istiod"), webhook("hook.other.example", "other")],
      };
      await put(api, object);
      const bundles = async (): Promise<readonly (string | undefined)[]> =>
        (await api.done<{ webhooks: { clientConfig: { caBundle?: string } }[] }>("GET", pathOf(object))).webhooks.map(
          (w) => w.clientConfig.caBundle,
        );
      const pem = await roots(api);
      await eventually(async () => (await bundles())[0] === Buffer.from(pem).toString("base64"));
      expect((await bundles())[1]).toBeUndefined();
      // Whoever applies the chart again takes nothing away.
      await put(api, object);
      expect((await bundles())[0]).toBe(Buffer.from(pem).toString("base64"));
    });
  });

  describe("whom the mesh is about", () => {
    const settings = (mesh: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "istio", namespace: SYSTEM },
      data: { mesh },
    });
    const FAR = "Kubernetes//Pod/shop/far";
    afterAll(() => remove(api, settings("")));

    test("a namespace that is selected no more leaves with all that is in it, and comes back whole", async () => {
      const { token } = await ztunnel(api);
      await using cluster = await ClusterPlane.start(api);
      using client = cluster.subscriber(await roots(api), token);
      await everything(client);
      const has = (): boolean => client.versions.get(ADDRESS_TYPE)!.has(FAR);
      const until = async (done: () => boolean): Promise<void> => {
        while (!done()) {
          const heard = await client.next();
          if (heard.t === "end") throw new Error(heard.status.details);
        }
      };
      expect(has()).toBe(true);
      await put(api, settings("discoverySelectors: [{ matchLabels: { mesh: in } }]"));
      await until(() => !has());
      expect([...client.versions.get(ADDRESS_TYPE)!.keys()].every((name) => name.includes(SYSTEM))).toBe(true);
      await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { mesh: "in" } } });
      await until(has);
      // What cannot be used changes nothing, and is told once.
      await put(api, settings("discoverySelectors: [{ matchLabels: 3 }]"));
      await eventually(() => cluster.lines.some((l) => l.includes("cannot read an object") && l.includes("ConfigMap")));
      expect(has()).toBe(true);
      await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: {} } });
      await until(() => !has());
      await put(api, settings("{}"));
      await until(has);
    });

    test("another revision's policy is not in force, and nothing is said of it", async () => {
      const { token } = await ztunnel(api);
      await using cluster = await ClusterPlane.start(api);
      using client = cluster.subscriber(await roots(api), token);
      await everything(client);
      const theirs = policyObject("theirs");
      await put(api, { ...theirs, metadata: { ...theirs.metadata, labels: { "istio.io/rev": "canary" } } });
      await put(api, policyObject("ours"));
      await eventually(async () => (await conditionsOf(api, "ours")).length === 1);
      expect(await conditionsOf(api, "theirs")).toEqual([]);
      const inForce = (): boolean => client.versions.get(AUTHORIZATION_TYPE)!.has("shop/theirs");
      expect(inForce()).toBe(false);
      // A tag that points to us makes it ours, until it points elsewhere.
      const tag = (revision: string) => ({
        apiVersion: "v1",
        kind: "Service",
        metadata: {
          name: "istiod-revision-tag-canary",
          namespace: SYSTEM,
          labels: { "istio.io/tag": "canary", "istio.io/rev": revision },
        },
        spec: { ports: [{ port: 15012 }] },
      });
      await put(api, tag("default"));
      await eventually(async () => (await conditionsOf(api, "theirs")).length === 1);
      for (; !inForce();) await client.next();
      await put(api, tag("other"));
      for (; inForce();) await client.next();
    });
  });

  test("two replicas have one root, one leader, and the same bytes; when the leader goes the other takes over at once", async () => {
    const own = await startApiServer();
    try {
      await prepareCluster(own);
      await put(own, podObject("web", { ip: "10.0.0.2" }));
      const [a, b] = await Promise.all([ClusterPlane.start(own), ClusterPlane.start(own)]);
      const [first, second] = await eventually(
        async () => ((await a.leads) ? [a, b] : (await b.leads) ? [b, a] : null),
        { deadlineMs: 20_000 },
      );
      expect(await second.leads).toBe(false);
      const rootPem = await roots(own);
      const { token } = await ztunnel(own);
      const { token: again } = await ztunnel(own);
      let versions: ReadonlyMap<string, ReadonlyMap<string, string>>;
      {
        using client = first.subscriber(rootPem, token);
        await everything(client);
        await eventually(() => client.versions.get(ADDRESS_TYPE)!.size >= 3);
        versions = client.versions;
      }
      await first[Symbol.asyncDispose]();
      await eventually(() => second.leads, { deadlineMs: 20_000 });
      using moved = second.subscriber(rootPem, again);
      moved.subscribe(ADDRESS_TYPE, versions.get(ADDRESS_TYPE));
      expect(await moved.next()).toMatchObject({ names: [], removed: [] });
      await put(own, { apiVersion: "v1", kind: "Namespace", metadata: { name: "after" } });
      expect(await roots(own, "after")).toBe(rootPem);
      await second[Symbol.asyncDispose]();
    } finally {
      await own[Symbol.asyncDispose]();
    }
  });
});
