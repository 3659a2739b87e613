import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dumpService, dumpStagedServices, dumpWorkload } from "./dump.ts";
import { serviceKey } from "./keys.ts";
import { arbUpdate, members, service, storeOf, vip, workload } from "./mesh.test.support.ts";
import type { AddressUpdate, Service, Workload } from "./model.ts";
import { WorkloadStore } from "./workload-store.ts";

const NOTHING: AddressUpdate = { workloads: [], services: [], removed: [] };
const endpoints = (store: WorkloadStore, s: Service): string[] =>
  store
    .endpoints(s)
    .map((w) => w.name)
    .sort();

/** Everything that a store answers, in one comparable value. */
function answers(store: WorkloadStore): unknown {
  const ips = ["10.0.0.1", "10.0.0.2", "10.0.0.9", "2001:db8::1"];
  return {
    workloads: store.workloads().map(dumpWorkload),
    services: store.services().map((s) => [dumpService(store, s), endpoints(store, s)]),
    staged: Object.entries(dumpStagedServices(store)),
    found: ips.flatMap((ip) =>
      [null, "ns", "far"].map((client) => [
        store.findAddress("", ip, client),
        store.serviceByVip("", ip, client),
        store.workloadByIp("other", ip),
      ]),
    ),
    hosts: ["s.ns.svc", "t.far.svc"].map((h) => store.serviceByHostname(h, "ns")),
    host: store.findHostname("ns", "x.example"),
    local: ["a", "b", "c", "d"].map((name) => store.localWorkload({ name, namespace: "ns", serviceAccount: name })),
    identities: [...store.localIdentities()].sort(),
  };
}

test("answers depend on what was last said of each name, not on the order of arrival", () =>
  fc.assert(
    fc.property(fc.array(arbUpdate, { maxLength: 8 }), (updates) => {
      const store = new WorkloadStore("node-1");
      const workloads = new Map<string, Workload>();
      const services = new Map<string, Service>();
      for (const update of updates) {
        store.apply(update);
        for (const w of update.workloads) workloads.set(w.uid, w);
        for (const s of update.services) services.set(serviceKey(s), s);
        for (const name of update.removed) void (workloads.delete(name) || services.delete(name));
      }
      const rebuilt = new WorkloadStore("node-1");
      for (const s of [...services.values()].reverse()) rebuilt.apply({ ...NOTHING, services: [s] });
      for (const w of [...workloads.values()].reverse()) rebuilt.apply({ ...NOTHING, workloads: [w] });
      expect(answers(store)).toEqual(answers(rebuilt));
    }),
    { numRuns: 300 },
  ));

test("the identities that a batch adds and removes lead from one set of local identities to the next", () =>
  fc.assert(
    fc.property(fc.array(arbUpdate, { maxLength: 6 }), (updates) => {
      const store = new WorkloadStore("node-1");
      const held = new Set<string>();
      for (const update of updates) {
        const change = store.apply(update);
        for (const id of change.added) expect(held.has(id)).toBe(false);
        for (const id of change.removed) expect(held.delete(id)).toBe(true);
        for (const id of change.added) held.add(id);
        expect([...held].sort()).toEqual([...store.localIdentities()].sort());
      }
    }),
    { numRuns: 200 },
  ));

describe("a workload", () => {
  test("of the pod kind is preferred on a shared address, then one in the mesh", () => {
    const entry = workload("entry", {
      uid: "Kubernetes/networking.istio.io/WorkloadEntry/ns/entry",
      addresses: ["10.0.0.1"],
    });
    const plain = workload("plain", { addresses: ["10.0.0.1"], tunnelProtocol: "NONE" });
    const meshed = workload("zz-meshed", { addresses: ["10.0.0.1"] });
    expect(storeOf([entry, plain]).workloadByIp("", "10.0.0.1")).toBe(plain);
    expect(storeOf([plain, meshed, entry]).workloadByIp("", "10.0.0.1")).toBe(meshed);
  });

  test("on the host network is not found by address", () => {
    const store = storeOf([workload("h", { addresses: ["10.0.0.1"], networkMode: "HOST_NETWORK" })]);
    expect(store.workloadByIp("", "10.0.0.1")).toBeNull();
  });

  test("is local by node, name, namespace and service account", () => {
    const [here, there] = [workload("here"), workload("there", { node: "node-2" })];
    const store = storeOf([here, there]);
    expect(store.localWorkload({ name: "here", namespace: "ns", serviceAccount: "here" })).toBe(here);
    expect(store.localWorkload({ name: "here", namespace: "ns", serviceAccount: "other" })).toBeNull();
    expect(store.localWorkload({ name: "there", namespace: "ns", serviceAccount: "there" })).toBeNull();
    expect(store.localIdentities()).toEqual(["spiffe://cluster.local/ns/ns/sa/here"]);
  });

  test("that leaves a service is no longer its endpoint", () => {
    const s = service("s");
    const store = storeOf([workload("a", { services: members("ns/s.ns.svc") })], [s]);
    expect(endpoints(store, s)).toEqual(["a"]);
    store.apply({ ...NOTHING, workloads: [workload("a")] });
    expect(endpoints(store, s)).toEqual([]);
  });
});

describe("a service", () => {
  const sick = workload("sick", { services: members("ns/s.ns.svc"), status: "UNHEALTHY" });
  const well = workload("well", { services: members("ns/s.ns.svc") });

  test("that comes after its endpoints has them", () => {
    const store = storeOf([well]);
    expect(Object.keys(dumpStagedServices(store))).toEqual(["ns/s.ns.svc"]);
    const s = service("s");
    store.apply({ ...NOTHING, services: [s] });
    expect(endpoints(store, s)).toEqual(["well"]);
    expect(dumpStagedServices(store)).toEqual({});
  });

  test("that begins to publish those not ready has them, and loses them again", () => {
    const everyone = service("s", {
      loadBalancing: { routingPreference: [], mode: "UNSPECIFIED_MODE", healthPolicy: "ALLOW_ALL" },
    });
    const store = storeOf([sick, well], [service("s")]);
    expect(endpoints(store, service("s"))).toEqual(["well"]);
    store.apply({ ...NOTHING, services: [everyone] });
    expect(endpoints(store, everyone)).toEqual(["sick", "well"]);
    store.apply({ ...NOTHING, services: [service("s")] });
    expect(endpoints(store, service("s"))).toEqual(["well"]);
  });

  test("is preferred by the client's namespace, then by being canonical", () => {
    const services = ["a", "b", "c"].map((namespace) =>
      service("s", { namespace, addresses: [vip("10.9.0.1")], canonical: namespace === "b" }),
    );
    const store = storeOf([], services);
    expect(store.serviceByVip("", "10.9.0.1", "c")?.namespace).toBe("c");
    expect(store.serviceByVip("", "10.9.0.1", "z")?.namespace).toBe("b");
    expect(store.serviceByVip("other", "10.9.0.1", "c")).toBeNull();
  });

  test("yields to a workload by address, and is found before it as an upstream", () => {
    const w = workload("w", { addresses: ["10.9.0.1"] });
    const store = storeOf([w], [service("s", { addresses: [vip("10.9.0.1")] })]);
    expect(store.findAddress("", "10.9.0.1", "ns")).toMatchObject({ t: "workload" });
    expect(store.serviceByVip("", "10.9.0.1", "ns")?.name).toBe("s");
  });

  test("is guessed from the port of a workload, or from what the client said", () => {
    const [s, t] = [service("s"), service("t", { ports: [{ servicePort: 80, targetPort: 8080 }] })];
    const w = workload("w", { services: members("ns/s.ns.svc", "ns/t.ns.svc") });
    const store = storeOf([w], [s, t]);
    expect(store.serviceOf(w, 8080)).toBe(s);
    expect(store.serviceOf(w, 8080, "t.ns.svc")).toBe(t);
    expect(store.serviceOf(w, 9999, "unknown.svc")).toBeNull();
  });
});
