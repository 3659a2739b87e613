import { MeshError } from "@lateen/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_NODES, nextHost, nodeRoutes, planTopology, podAddresses, type TopologyPlan } from "./topology.ts";

function plan(nodes: number): TopologyPlan {
  const result = planTopology({ nodes });
  if (!result.ok) throw result.error;
  return result.value;
}

describe("the address plan", () => {
  test("an address tells its node", () => {
    const [, second] = plan(2).nodes;
    expect(second).toEqual({
      name: "node-2",
      index: 2,
      fabric: { v4: "10.89.0.12", v6: "fd00:89::12" },
      podCidr: { v4: "10.244.2.0/24", v6: "fd00:244:2::/64" },
      gateway: { v4: "10.244.2.1", v6: "fd00:244:2::1" },
    });
    expect(podAddresses(second!, 26)).toEqual({ v4: "10.244.2.26", v6: "fd00:244:2::1a" });
  });

  test("a node routes to the pods of the others, and nowhere else", () => {
    const p = plan(3);
    expect(nodeRoutes(p, p.nodes[0]!).map((r) => `${r.to} via ${r.via}`)).toEqual([
      "10.244.2.0/24 via 10.89.0.12",
      "fd00:244:2::/64 via fd00:89::12",
      "10.244.3.0/24 via 10.89.0.13",
      "fd00:244:3::/64 via fd00:89::13",
    ]);
  });

  test("no two nodes share an address", () => {
    const p = plan(MAX_NODES);
    const all = p.nodes.flatMap((n) => [
      n.fabric.v4,
      n.fabric.v6,
      n.gateway.v4,
      n.gateway.v6,
      n.podCidr.v4,
      n.podCidr.v6,
    ]);
    expect(new Set([...all, p.control.v4, p.control.v6]).size).toBe(all.length + 2);
  });

  for (const nodes of [0, -1, 1.5, MAX_NODES + 1, Number.NaN])
    test(`${nodes} nodes are refused`, () => {
      const result = planTopology({ nodes });
      expect(result.ok).toBe(false);
      if (!result.ok) expect(MeshError.is(result.error, "BAD_INPUT")).toBe(true);
    });
});

describe("pod numbers", () => {
  test("start at 2 and go on from the last", () => {
    expect(nextHost(new Set(), 1)).toBe(2);
    expect(nextHost(new Set([2]), 2)).toBe(3);
    expect(nextHost(new Set(), 254)).toBe(2);
  });

  test("a number given back is the last to come again", () => {
    const given: number[] = [];
    let last = 1;
    for (let i = 0; i < 253; i++) {
      const host = nextHost(new Set(), last);
      if (host === null) throw new Error("none free");
      given.push((last = host));
    }
    expect(new Set(given).size).toBe(253);
  });

  test("none is given twice, and none when all are taken", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 254 })), fc.integer({ min: 0, max: 254 }), (used, last) => {
        const host = nextHost(new Set(used), last);
        if (used.length === 253) expect(host).toBeNull();
        else expect(host !== null && host >= 2 && host <= 254 && !used.includes(host)).toBe(true);
      }),
    );
    expect(nextHost(new Set(Array.from({ length: 253 }, (_, i) => i + 2)), 7)).toBeNull();
  });
});
