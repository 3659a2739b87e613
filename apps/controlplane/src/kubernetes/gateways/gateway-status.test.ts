import { type ApiServer, defineKinds, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterPlane, HTTP_ROUTES, type Written, pathOf, prepareCluster, put } from "../cluster.test.support.ts";

const API = "gateway.networking.k8s.io/v1";
const NAME = "wp.shop.svc.cluster.local";

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}
interface Status {
  readonly conditions?: readonly Condition[];
  readonly addresses?: readonly { readonly type: string; readonly value: string }[];
  readonly listeners?: readonly { readonly name: string; readonly conditions: readonly Condition[] }[];
  readonly parents?: readonly { readonly controllerName: string; readonly conditions?: readonly Condition[] }[];
}

const object = (kind: string, name: string, spec: unknown, more: object = {}): Written => ({
  apiVersion: API,
  kind,
  metadata: { name, namespace: "shop" },
  spec,
  ...more,
});
const waypoint = (listeners: readonly object[] = [{ name: "mesh", port: 15008, protocol: "HBONE" }]): Written =>
  object("Gateway", "wp", { gatewayClassName: "istio-waypoint", listeners });
const service = (labels: Readonly<Record<string, string>> = {}): Written => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop", labels },
  spec: { ports: [{ port: 80, name: "http" }], selector: { app: "web" } },
});
/** Where the instances of the waypoint are. */
const slice = (ready: boolean): Written =>
  ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "wp-1", namespace: "shop", labels: { "kubernetes.io/service-name": "wp" } },
    addressType: "IPv4",
    ports: [{ name: "mesh", port: 15008, protocol: "TCP" }],
    endpoints: [{ addresses: ["10.0.0.9"], conditions: { ready } }],
  }) as unknown as Written;

describe.skipIf(requireApiServer())("statuses of the Gateway API on a real API server", () => {
  let api: ApiServer;
  let cluster: ClusterPlane;

  beforeAll(async () => {
    api = await startApiServer();
    await prepareCluster(api);
    await defineKinds(api, [HTTP_ROUTES]);
    cluster = await ClusterPlane.start(api);
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const statusOf = async (of: Written): Promise<Status> =>
    (await api.done<{ status?: Status }>("GET", pathOf(of))).status ?? {};
  const until = (of: Written, what: string, when: (s: Status) => boolean): Promise<Status> =>
    eventually(
      async () => {
        const status = await statusOf(of);
        return when(status) ? status : null;
      },
      { deadlineMs: 20_000, what: `${of.kind} to be ${what}` },
    );
  const brief = (conditions: readonly Condition[] = []): Readonly<Record<string, string>> =>
    Object.fromEntries(conditions.map((c) => [c.type, `${c.status} ${c.reason}`]));
  const says = (type: string, value: string) => (s: Status) => brief(s.conditions)[type] === value;

  test("a waypoint is programmed when an instance is ready and not before; its address, once told, stays", async () => {
    await put(api, waypoint());
    const first = await until(waypoint(), "judged", (s) => s.conditions?.length === 3);
    expect(brief(first.conditions)).toMatchObject({ Accepted: "True Accepted" });
    expect(brief(first.conditions)["Programmed"]).toMatch(/^False Address/);
    expect(first.conditions?.every((c) => c.observedGeneration === 1 && c.lastTransitionTime !== undefined)).toBe(true);
    expect(first.addresses).toBeUndefined();
    // Nothing of this release runs in its pods, and nothing pretends otherwise.
    const waiting = await until(waypoint(), "without an instance", says("Programmed", "False AddressNotAssigned"));
    expect(waiting.conditions?.find((c) => c.type === "Programmed")?.message).toContain(NAME);
    expect(brief(waiting.listeners?.[0]?.conditions)).toMatchObject({ Accepted: "True Accepted" });
    await put(api, service({ "istio.io/use-waypoint": "wp" }));
    await until(service(), "unbound", says("istio.io/WaypointBound", "False WaypointIsNotReady"));
    await put(api, slice(true));
    const { addresses } = await until(waypoint(), "programmed", says("Programmed", "True Programmed"));
    expect(addresses?.map((a) => a.type)).toContain("IPAddress");
    expect(addresses).toContainEqual({ type: "Hostname", value: NAME });
    // What is bound to it is bound now.
    await until(service(), "bound", says("istio.io/WaypointBound", "True WaypointAccepted"));
    await put(api, slice(false));
    const lost = await until(waypoint(), "lost", says("Programmed", "False AddressNotAssigned"));
    expect(lost.addresses).toEqual(addresses);
  });

  test("a waypoint with a listener that is none of a waypoint says so there", async () => {
    await put(api, waypoint([{ name: "web", port: 80, protocol: "HTTP" }]));
    const odd = (s: Status): boolean => brief(s.listeners?.[0]?.conditions)["Accepted"] === "False UnsupportedProtocol";
    await until(waypoint(), "odd", odd);
    await put(api, waypoint());
    await until(waypoint(), "well", (s) => brief(s.listeners?.[0]?.conditions)["Accepted"] === "True Accepted");
  });

  test("classes of ours are accepted", async () => {
    const ours: Written = { apiVersion: API, kind: "GatewayClass", metadata: { name: "istio-waypoint" } };
    await until(ours, "accepted", says("Accepted", "True Accepted"));
  });

  test("a route of a service is told what becomes of it, beside what others say", async () => {
    const parentRef = { group: "", kind: "Service", name: "web" };
    const spec = (port?: number) => ({ parentRefs: [parentRef], rules: [{ backendRefs: [{ name: "web", port }] }] });
    const theirs = { parentRef, controllerName: "other.example/c", conditions: [{ type: "Seen", status: "True" }] };
    const route = (port?: number): Written => object("HTTPRoute", "web", spec(port));
    await put(api, service());
    await put(api, { ...route(80), status: { parents: [theirs] } });
    const two = await until(route(), "judged", (s) => s.parents?.length === 2);
    expect(two.parents?.[0]).toEqual(theirs);
    expect(brief(two.parents?.[1]?.conditions)).toEqual({
      Accepted: "True Accepted",
      ResolvedRefs: "True ResolvedRefs",
      ResolvedWaypoints: "True ResolvedWaypoints",
    });
    await put(api, route());
    await until(
      route(),
      "wrong",
      (s) => brief(s.parents?.[1]?.conditions)["ResolvedRefs"] === "False InvalidDestination",
    );
    expect(cluster.lines.filter((line) => line.includes("cannot write the status"))).toEqual([]);
  });

  test("another revision's Gateways are that one's to judge", async () => {
    const theirs = object("Gateway", "canary", waypoint().spec);
    const labels = { "istio.io/rev": "canary" };
    await put(api, { ...theirs, metadata: { ...theirs.metadata, labels } });
    const marker = object("Gateway", "marker", waypoint().spec);
    await put(api, marker);
    await until(marker, "judged", (s) => s.conditions?.length === 3);
    expect(await statusOf(theirs)).toEqual({});
  });
});
