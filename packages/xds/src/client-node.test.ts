import { createNode, structFromJson, type JsonObject } from "@lateen/xds-types";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Capability, honours, parseClientNode } from "./client-node.ts";

const ID = "ztunnel~10.0.0.1~zt-a.mesh~mesh.svc.cluster.local";
const parse = (id: string, metadata: JsonObject = {}): ReturnType<typeof parseClientNode> =>
  parseClientNode(createNode({ id, metadata: structFromJson(metadata) }));

describe("a client's node", () => {
  test("says by its id and its metadata who it is", () => {
    expect(parse(ID)).toMatchObject({
      ok: true,
      value: { type: "ztunnel", addresses: ["10.0.0.1"], pod: "zt-a.mesh", namespace: "mesh", capabilities: null },
    });
    const metadata = { NAMESPACE: "other", SERVICE_ACCOUNT: "sa", NODE_NAME: "n", INSTANCE_IPS: "fd00::1,x,10.0.0.2" };
    expect(parse(ID, { ...metadata, LATEEN_CAPABILITIES: "a, b" })).toMatchObject({
      ok: true,
      value: {
        ...{ namespace: "other", serviceAccount: "sa", nodeName: "n", addresses: ["fd00::1", "10.0.0.2"] },
        capabilities: new Set(["a", "b"]),
      },
    });
  });

  test.each([
    ["ztunnel~10.0.0.1~zt", /missing parts/],
    ["ztunnel~10.0.0.1~zt~d~e", /missing parts/],
    ["proxy~10.0.0.1~zt~d", /invalid node type/],
    ["ztunnel~nowhere~zt~d", /no valid IP address/],
  ])("%s is refused", (id, why) => {
    const parsed = parse(id);
    expect(parsed.ok ? "" : parsed.error.message).toMatch(why);
  });

  test("may hold anything", () =>
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (text, value) => {
        const metadata = { NAMESPACE: value, LATEEN_CAPABILITIES: value, INSTANCE_IPS: value } as JsonObject;
        const parsed = parse(`ztunnel~10.0.0.1~${text}~d`, metadata);
        expect(typeof (parsed.ok ? parsed.value.namespace : parsed.error.message)).toBe("string");
      }),
    ));
});

describe("what a client can honour", () => {
  const says = (istioVersion: string, list: readonly string[] | null = null): readonly boolean[] => {
    const capabilities = list === null ? null : new Set(list);
    return Object.values(Capability).map((need) => honours({ istioVersion, capabilities }, need));
  };
  test("is what its list says, else what its release could, else what does no harm", () => {
    expect(says("1.20.1", ["dry-run-policy"])).toEqual([true, false, false]);
    expect([says("1.31.0"), says("1.28.3"), says("1.27.9"), says("")]).toEqual([
      [true, true, false],
      [false, true, false],
      [false, false, false],
      [false, true, false],
    ]);
  });
  test("is never what nobody knows", () =>
    expect(honours({ istioVersion: "1.31", capabilities: null }, "x")).toBe(false));
});
