import { Buffer } from "node:buffer";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DiscoveryRequest,
  type DiscoveryResponse,
  type Node,
  WORKLOAD_TYPE,
  createDiscoveryRequest,
  createNode,
  decodeAddress,
  stateDiscoveryMethod,
  structFromJson,
} from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { podYaml } from "../control-plane.test.support.ts";
import { DiscoveryRig, NODE, type RawClient, until } from "./discovery.test.support.ts";

const pod = (name: string, o: Parameters<typeof podYaml>[1]): object => JSON.parse(podYaml(name, o)) as object;
const uid = (name: string): string => `Kubernetes//Pod/shop/${name}`;
const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop" },
  spec: { clusterIP: "10.96.0.7", selector: { app: "web" }, ports: [{ name: "http", port: 80 }] },
};
const HOST = "shop/web.shop.svc.cluster.local";
const policy = (name: string, annotations: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name, namespace: "shop", annotations },
  spec: { rules: [{}] },
});
const nodeWith = (metadata: Readonly<Record<string, string>>, id = NODE.id): Node =>
  createNode({ id, metadata: structFromJson(metadata) });

/** Names of the `number`th response, which is then acknowledged. */
async function names(client: RawClient, number: number): Promise<readonly [string[], string[]]> {
  const { resources, removedResources, nonce, typeUrl } = await client.response(number);
  client.send({ typeUrl, responseNonce: nonce });
  return [resources.map((r) => r.name).sort(), removedResources];
}

describe("a node proxy that asks on demand", () => {
  test("gets what it asks for by address, what is of its node, and no more", async () => {
    await using rig = await new DiscoveryRig().listen();
    rig.apply(SERVICE, pod("web", { ip: "10.0.0.2" }), pod("far", { ip: "10.0.0.3", node: "node-b" }));
    rig.apply(pod("other", { ip: "10.0.0.4", node: "node-c" }));
    using client = rig.client().read();
    client.send({
      node: nodeWith({ NODE_NAME: "node-b" }),
      resourceNamesSubscribe: ["*"],
      resourceNamesUnsubscribe: ["*"],
    });
    expect(await names(client, 1)).toEqual([[uid("far")], []]);
    client.send({ resourceNamesSubscribe: ["/10.96.0.7", "/10.9.9.9"] });
    expect(await names(client, 2)).toEqual([[uid("web"), HOST], ["/10.9.9.9"]]);
    const { resources } = await client.response(2);
    const aliases = Object.fromEntries(resources.map((r) => [r.name, r.aliases]));
    expect(aliases).toEqual({ [HOST]: ["/10.96.0.7"], [uid("web")]: ["/10.0.0.2"] });
    rig.apply(pod("other", { ip: "10.0.0.5", node: "node-c" }), pod("web", { ip: "10.0.0.2", sa: "new" }));
    expect(await names(client, 3)).toEqual([[uid("web")], []]);
  });
});

describe("a waypoint", () => {
  test("gets workloads and nothing that is for node proxies", async () => {
    await using rig = await new DiscoveryRig().listen();
    rig.apply(SERVICE, pod("web", { ip: "10.0.0.2" }), policy("all"));
    using client = rig.client().read();
    const node = createNode({ id: "waypoint~10.0.0.9~w.mesh~mesh.svc.cluster.local" });
    for (const typeUrl of [ADDRESS_TYPE, AUTHORIZATION_TYPE, "type.googleapis.com/istio.networking.nds.v1.NameTable"])
      client.send({ typeUrl, node });
    client.send({ typeUrl: WORKLOAD_TYPE });
    expect(await names(client, 1)).toEqual([[uid("web")], []]);
    expect(client.responses[0]?.typeUrl).toBe(WORKLOAD_TYPE);
    expect(rig.service.streams[0]?.names()).toEqual(new Map([[WORKLOAD_TYPE, ["*"]]]));
  });
});

describe("what a client cannot honour", () => {
  const DRY = { "istio.io/dry-run": "true" };
  test.each([
    ["says nothing", {}, ["shop/strict"]],
    ["is old", { ISTIO_VERSION: "1.28.4" }, ["shop/strict"]],
    ["is new enough", { ISTIO_VERSION: "1.29.0" }, ["shop/dry", "shop/strict"]],
    ["says that it can", { LATEEN_CAPABILITIES: "dry-run-policy" }, ["shop/dry", "shop/strict"]],
    ["says that it can something else", { LATEEN_CAPABILITIES: "else", ISTIO_VERSION: "1.31.0" }, ["shop/strict"]],
  ])("is not sent: a policy that is tried, to one that %s", async (_, metadata, expected) => {
    await using rig = await new DiscoveryRig({}, { dryRun: true }).listen();
    rig.apply(policy("strict"), policy("dry", DRY));
    using client = rig
      .client()
      .read()
      .send({ typeUrl: AUTHORIZATION_TYPE, node: nodeWith(metadata) });
    expect(await names(client, 1)).toEqual([expected, []]);
  });

  test("is gone for it once it needs more, and there once it does not", async () => {
    await using rig = await new DiscoveryRig({}, { dryRun: true }).listen();
    rig.apply(policy("a"));
    using client = rig.client().read().send({ typeUrl: AUTHORIZATION_TYPE, node: NODE });
    expect(await names(client, 1)).toEqual([["shop/a"], []]);
    await until(() => [...rig.service.streams[0]!.state().values()].every((s) => !s.awaiting));
    rig.apply(policy("a", DRY));
    expect(await names(client, 2)).toEqual([[], ["shop/a"]]);
    await until(() => [...rig.service.streams[0]!.state().values()].every((s) => !s.awaiting));
    rig.apply(policy("a"));
    expect(await names(client, 3)).toEqual([["shop/a"], []]);
  });
});

test("state of the world: everything, and everything again when something went", async () => {
  await using rig = await new DiscoveryRig().listen();
  rig.apply(pod("web", { ip: "10.0.0.2" }), pod("far", { ip: "10.0.0.3" }));
  const client = new Client(`127.0.0.1:${rig.listener.port}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = stateDiscoveryMethod;
  const serialize = (m: DiscoveryRequest): Buffer => Buffer.from(requestSerialize(m));
  const call = client.makeBidiStreamRequest(path, serialize, responseDeserialize, new Metadata());
  const heard: DiscoveryResponse[] = [];
  call.on("error", () => undefined); // it is cancelled below
  call.on("data", (response: DiscoveryResponse) => heard.push(response));
  call.write(createDiscoveryRequest({ typeUrl: ADDRESS_TYPE, node: NODE }));
  const read = async (number: number): Promise<unknown> => {
    const { resources, nonce, versionInfo } = await until(() => heard[number - 1]);
    call.write(createDiscoveryRequest({ typeUrl: ADDRESS_TYPE, responseNonce: nonce, versionInfo }));
    const found = resources.map(({ value }) => {
      const address = decodeAddress(value);
      return address.ok && address.value.t === "workload" ? address.value.workload.name : null;
    });
    return found.sort();
  };
  expect(await read(1)).toEqual(["far", "web"]);
  rig.store.put(ADDRESS_TYPE, [[uid("web"), null]]);
  rig.store.announce();
  expect(await read(2)).toEqual(["far"]);
  call.cancel();
  client.close();
});
