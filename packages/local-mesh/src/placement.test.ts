import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DesiredPod, podKey } from "./desired-pods.ts";
import { type PlacedPod, planPods } from "./placement.ts";
import { planTopology } from "./topology.ts";

const topology = planTopology({ nodes: 2 });
const nodes = topology.ok ? topology.value.nodes : [];

function want(
  name: string,
  o: { deployment?: string; hash?: string; node?: string; selector?: Record<string, string> } = {},
): DesiredPod {
  const { deployment, hash = "h1", node, selector } = o;
  return {
    name,
    namespace: "demo",
    labels: {},
    annotations: {},
    owner: deployment === undefined ? null : { deployment, replicaSet: `${deployment}-${hash}`, replicas: 2 },
    spec: {},
    template: {
      serviceAccount: "default",
      hostNetwork: false,
      nodeName: node ?? null,
      nodeSelector: selector ?? {},
      restartPolicy: "Always",
      gracePeriodMs: 0,
      containers: [],
    },
    hash,
    meshed: true,
  };
}
function placed(name: string, o: Partial<PlacedPod> = {}): PlacedPod {
  return {
    namespace: "demo",
    name,
    node: "node-1",
    hash: "h1",
    meshed: true,
    deployment: null,
    ready: true,
    stopping: false,
    ...o,
  };
}
const summary = (
  c: ReturnType<typeof planPods>,
): { start: string[]; stop: readonly string[]; pending: readonly unknown[] } => ({
  start: c.start.map((p) => `${p.pod.name}@${p.node}`),
  stop: c.stop,
  pending: c.pending,
});

describe("planning pods", () => {
  const rows: readonly [
    string,
    DesiredPod[],
    PlacedPod[],
    { start?: string[]; stop?: string[]; pending?: unknown[] },
  ][] = [
    ["nothing wanted, nothing there", [], [], {}],
    [
      "replicas go round the nodes",
      [want("a", { deployment: "d" }), want("b", { deployment: "d" })],
      [],
      { start: ["a@node-1", "b@node-2"] },
    ],
    ["a node may be named", [want("a", { node: "node-2" })], [], { start: ["a@node-2"] }],
    [
      "a node may be selected by label",
      [want("a", { selector: { "kubernetes.io/hostname": "node-2" } })],
      [],
      { start: ["a@node-2"] },
    ],
    [
      "an unknown node leaves the pod pending",
      [want("a", { node: "node-9" })],
      [],
      { pending: [{ key: "demo/a", why: 'no node fits spec.nodeName "node-9"' }] },
    ],
    ["what runs stays", [want("a")], [placed("a")], {}],
    ["what nobody wants stops", [], [placed("a")], { stop: ["demo/a"] }],
    ["what stops already is not stopped again", [], [placed("a", { stopping: true })], {}],
    ["a changed pod stops first", [want("a", { hash: "h2" })], [placed("a")], { stop: ["demo/a"] }],
    ["a pod that enters the mesh is made anew", [want("a")], [placed("a", { meshed: false })], { stop: ["demo/a"] }],
    ["the new one waits while the old one goes", [want("a", { hash: "h2" })], [placed("a", { stopping: true })], {}],
    [
      "an old replica serves until the new one is ready",
      [want("d-2", { deployment: "d", hash: "h2" })],
      [placed("d-1", { deployment: "d" })],
      { start: ["d-2@node-2"] },
    ],
    [
      "and goes when it is",
      [want("d-2", { deployment: "d", hash: "h2" })],
      [placed("d-1", { deployment: "d" }), placed("d-2", { deployment: "d", hash: "h2" })],
      { stop: ["demo/d-1"] },
    ],
    [
      "an old replica that does not serve goes at once",
      [want("d-2", { deployment: "d", hash: "h2" })],
      [placed("d-1", { deployment: "d", ready: false })],
      { start: ["d-2@node-2"], stop: ["demo/d-1"] },
    ],
    [
      "scaling down stops the surplus",
      [want("d-1", { deployment: "d" })],
      [placed("d-1", { deployment: "d" }), placed("d-2", { deployment: "d" })],
      { stop: ["demo/d-2"] },
    ],
  ];
  for (const [name, desired, running, expected] of rows)
    test(name, () =>
      expect(summary(planPods(desired, running, nodes))).toEqual({ start: [], stop: [], pending: [], ...expected }),
    );

  test("carrying the plan out leaves nothing to do", () => {
    const pods = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"));
    fc.assert(
      fc.property(pods, pods, (wanted, there) => {
        const desired = wanted.map((n) => want(n, { deployment: n < "c" ? "d" : "e" }));
        const running = there.map((n) =>
          placed(n, { hash: n === "a" ? "old" : "h1", deployment: n < "c" ? "d" : "e" }),
        );
        let state: PlacedPod[] = running;
        for (let round = 0; round < 4; round++) {
          const plan = planPods(desired, state, nodes);
          state = [
            ...state.filter((p) => !plan.stop.includes(podKey(p))),
            ...plan.start.map((s) => placed(s.pod.name, { node: s.node, deployment: s.pod.owner?.deployment ?? null })),
          ];
        }
        expect(state.map(podKey).sort()).toEqual(desired.map(podKey).sort());
        expect(summary(planPods(desired, state, nodes))).toEqual({ start: [], stop: [], pending: [] });
      }),
    );
  });
});
