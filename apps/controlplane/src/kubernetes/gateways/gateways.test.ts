import { type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually as wait } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterPlane, SYSTEM, type Written, pathOf, prepareCluster, put, remove } from "../cluster.test.support.ts";

/** Also on a machine that has much else to do. */
const eventually = <T>(condition: () => T | Promise<T>, o: { readonly what?: string } = {}): Promise<NonNullable<T>> =>
  wait(condition, { deadlineMs: 25_000, ...o });

const MANAGED = "gateway.istio.io/managed";
const VERSION = "gateway.istio.io/controller-version";

interface Seen {
  readonly metadata: {
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
  };
  // The kinds differ; each test says which field it means.
  readonly spec: Readonly<Record<string, unknown>>;
}

const VERSIONS: Readonly<Record<string, string>> = {
  Deployment: "apps/v1",
  HorizontalPodAutoscaler: "autoscaling/v2",
  PodDisruptionBudget: "policy/v1",
};
const objectOf = (kind: string, name: string, more: Partial<Written> = {}): Written => ({
  apiVersion: VERSIONS[kind] ?? "v1",
  kind,
  ...more,
  metadata: { name, namespace: "shop", ...more.metadata },
});

const gatewayObject = (name: string, o: { labels?: object; annotations?: object; spec?: object } = {}): Written => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: {
    name,
    namespace: "shop",
    labels: (o.labels ?? {}) as Readonly<Record<string, string>>,
    annotations: (o.annotations ?? {}) as Readonly<Record<string, string>>,
  },
  spec: {
    gatewayClassName: "istio-waypoint",
    listeners: [{ name: "mesh", port: 15008, protocol: "HBONE" }],
    ...o.spec,
  },
});
const classObject = (name: string, controllerName: string): Written => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "GatewayClass",
  metadata: { name },
  spec: { controllerName },
});

describe.skipIf(requireApiServer())("Gateways on a real API server", () => {
  let api: ApiServer;
  let cluster: ClusterPlane;

  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
    await put(api, classObject("istio", "other.example/controller"));
    cluster = await ClusterPlane.start(api);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const read = async (object: Written): Promise<Seen | null> => {
    const answer = await api.call("GET", pathOf(object));
    return answer.status === 200 ? (answer.body as Seen) : null;
  };
  const there = (kind: string, name: string, when: (o: Seen) => boolean = () => true): Promise<Seen> =>
    eventually(
      async () => {
        const seen = await read(objectOf(kind, name));
        return seen !== null && when(seen) ? seen : null;
      },
      { what: `${kind} shop/${name}` },
    );
  const linesWith = (...texts: readonly string[]): readonly string[] =>
    cluster.lines.filter((line) => texts.every((text) => line.includes(text)));

  test("the classes of the mesh are made where they are missing; another's of the name stays", async () => {
    const waypoint = classObject("istio-waypoint", "");
    await eventually(async () => (await read(waypoint))?.spec["controllerName"] === "istio.io/mesh-controller");
    await eventually(() => read(classObject("istio-remote", "")));
    expect(await read(classObject("istio-east-west", ""))).toBeNull();
    await remove(api, waypoint);
    await eventually(() => read(waypoint));
    expect((await read(classObject("istio", "")))?.spec["controllerName"]).toBe("other.example/controller");
  });

  test("a waypoint gets an account, a Deployment and a Service that are its property, and is marked", async () => {
    const { metadata } = await put(api, gatewayObject("wp"));
    const owner = { kind: "Gateway", name: "wp", uid: metadata.uid };
    for (const kind of ["ServiceAccount", "Deployment", "Service"]) {
      const made = await there(kind, "wp");
      expect(made.metadata.ownerReferences).toMatchObject([owner]);
      expect(made.metadata.labels).toMatchObject({ [MANAGED]: "istio.io-mesh-controller" });
    }
    expect((await read(gatewayObject("wp")))?.metadata.annotations).toMatchObject({ [VERSION]: "5" });
    expect(await read(objectOf("HorizontalPodAutoscaler", "wp"))).toBeNull();
  });

  test("what somebody changes or removes is put right; how many replicas is theirs to say", async () => {
    await put(api, gatewayObject("drift"));
    const { metadata } = await there("Service", "drift");
    const before = await there("Deployment", "drift");
    const path = pathOf(objectOf("Deployment", "drift"));
    const changed = {
      spec: {
        replicas: 3,
        template: { spec: { serviceAccountName: "root", containers: [{ name: "istio-proxy", image: "evil" }] } },
      },
    };
    await api.done("PATCH", path, changed, "application/strategic-merge-patch+json");
    const text = (o: Seen): string => JSON.stringify(o.spec["template"]);
    const after = await there("Deployment", "drift", (o) => text(o) === text(before));
    expect(after.spec["replicas"]).toBe(3);
    await remove(api, objectOf("Service", "drift"));
    await there("Service", "drift", (o) => o.metadata.uid !== metadata.uid);
  });

  test("an object of the same name that is not marked as a Gateway's is left alone, and that is said", async () => {
    const theirs = { ports: [{ port: 80, name: "http" }], selector: { app: "theirs" } };
    await put(api, objectOf("Service", "taken", { spec: theirs }));
    await put(api, gatewayObject("taken"));
    await there("Deployment", "taken");
    await eventually(() => linesWith("shop/taken", "is not taken over").length > 0);
    expect((await read(objectOf("Service", "taken")))?.spec).toMatchObject(theirs);
    // As soon as it is given up, it is taken.
    await remove(api, objectOf("Service", "taken"));
    await put(api, gatewayObject("taken", { labels: { nudge: "1" } }));
    await there("Service", "taken", (o) => o.metadata.labels?.[MANAGED] !== undefined);
  });

  test("two Gateways whose objects would have one name do not fight", async () => {
    await put(api, gatewayObject("same"));
    await there("Deployment", "same");
    await put(api, gatewayObject("other", { annotations: { "gateway.istio.io/name-override": "same" } }));
    await there("ServiceAccount", "other");
    await eventually(() => linesWith("shop/other", "Deployment shop/same belongs to Gateway shop/same").length > 0);
  });

  test("an account that the Gateway names serves as it is", async () => {
    await put(api, objectOf("ServiceAccount", "mine"));
    await put(api, gatewayObject("named", { annotations: { "gateway.istio.io/service-account": "mine" } }));
    await there("Deployment", "named");
    await there("Service", "named");
    expect((await read(objectOf("ServiceAccount", "mine")))?.metadata.labels).toBeUndefined();
    expect(linesWith("shop/named", "cannot")).toEqual([]);
  });

  describe("what users lay over it", () => {
    const parametersRef = { group: "", kind: "ConfigMap", name: "options" };
    const options = (data: Readonly<Record<string, string>>): Written => objectOf("ConfigMap", "options", { data });
    const type = (is: string) => (o: Seen) => o.spec["type"] === is;

    test("counts as soon as it is there, is kept up with, and changes nothing when it is wrong", async () => {
      const gateway = gatewayObject("custom", { spec: { infrastructure: { parametersRef } } });
      await put(api, gateway);
      await eventually(() => linesWith("shop/custom", "ConfigMap shop/options of its parametersRef does not exist")[0]);
      expect(await read(objectOf("Deployment", "custom"))).toBeNull();
      await put(api, options({ service: "spec: {type: NodePort}", podDisruptionBudget: "spec: {minAvailable: 1}" }));
      await there("Service", "custom", type("NodePort"));
      expect((await there("PodDisruptionBudget", "custom")).spec["minAvailable"]).toBe(1);
      await put(api, options({ service: "kind: Ingress" }));
      await eventually(() => linesWith("shop/custom", "must not change kind")[0]);
      expect((await read(objectOf("Service", "custom")))?.spec["type"]).toBe("NodePort");
      await put(api, options({ service: "spec: {type: LoadBalancer}" }));
      await there("Service", "custom", type("LoadBalancer"));
      expect(linesWith("shop/custom", "must not change kind")).toHaveLength(1);
    });

    test("can be said of a whole class, by the control plane's namespace only", async () => {
      const labels = { "gateway.istio.io/defaults-for-class": "istio-waypoint" };
      const data = { horizontalPodAutoscaler: "spec: {minReplicas: 2, maxReplicas: 4}" };
      await put(
        api,
        objectOf("ConfigMap", "defaults", { metadata: { name: "defaults", labels }, data: { service: "x" } }),
      );
      const defaults: Written = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "defaults", namespace: SYSTEM, labels },
        data,
      };
      await put(api, defaults);
      await put(api, gatewayObject("classy"));
      expect((await there("HorizontalPodAutoscaler", "classy")).spec).toMatchObject({ minReplicas: 2, maxReplicas: 4 });
      await remove(api, defaults);
    });

    test("and the installation's values reach every Gateway", async () => {
      const map = (values: string): Written => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "istio-sidecar-injector", namespace: SYSTEM },
        data: { values },
      });
      await put(api, gatewayObject("valued"));
      await there("Deployment", "valued", (o) => JSON.stringify(o.spec).includes('"lateen-waypoint"'));
      await put(api, map(JSON.stringify({ global: { hub: "registry.example", tag: "1" } })));
      await there("Deployment", "valued", (o) => JSON.stringify(o.spec).includes('"registry.example/proxyv2:1"'));
      await put(api, map("{"));
      await eventually(() => linesWith("its values are no JSON")[0]);
      await remove(api, map(""));
      await there("Deployment", "valued", (o) => JSON.stringify(o.spec).includes('"lateen-waypoint"'));
    });
  });

  test("nothing is made for a Gateway of another revision, controller or of none, until it is ours", async () => {
    await put(api, gatewayObject("canary", { labels: { "istio.io/rev": "canary" } }));
    await put(api, gatewayObject("newer", { annotations: { [VERSION]: "6" } }));
    await put(api, gatewayObject("foreign", { spec: { gatewayClassName: "istio" } }));
    await put(api, gatewayObject("marker"));
    await there("Deployment", "marker"); // they were looked at before
    for (const name of ["canary", "newer", "foreign-istio"])
      expect(await read(objectOf("Deployment", name))).toBeNull();
    await put(api, gatewayObject("canary"));
    await there("Deployment", "canary");
  });
});
