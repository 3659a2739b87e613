import { describe, expect, test } from "vitest";
import type { Caller } from "./caller.ts";
import { type PodFacts, checkImpersonation } from "./impersonation.ts";

const ZTUNNEL: PodFacts = {
  name: "ztunnel-a",
  namespace: "istio-system",
  uid: "z1",
  serviceAccount: "ztunnel",
  node: "node-a",
  phase: "Running",
};
const APP: PodFacts = {
  name: "app",
  namespace: "ns",
  uid: "p1",
  serviceAccount: "sa",
  node: "node-a",
  phase: "Running",
};
const OWN = { trustDomain: "td", namespace: "istio-system", serviceAccount: "ztunnel" };
const CALLER: Caller = {
  name: "spiffe://td/ns/istio-system/sa/ztunnel",
  identity: OWN,
  pod: { name: "ztunnel-a", uid: "z1" },
  by: "token",
};
const WANTED = { trustDomain: "td", namespace: "ns", serviceAccount: "sa" };

interface Row {
  readonly caller?: Caller;
  readonly wanted?: typeof WANTED;
  readonly pods?: readonly PodFacts[];
  readonly trusted?: readonly string[];
  readonly trustDomains?: readonly string[];
}
const verdict = (row: Row): string => {
  const pods = row.pods ?? [ZTUNNEL, APP];
  const r = checkImpersonation(row.caller ?? CALLER, row.wanted ?? WANTED, {
    trustedNodeAccounts: row.trusted ?? ["istio-system/ztunnel"],
    trustDomains: row.trustDomains ?? ["td"],
    pods: {
      pod: (namespace, name) => pods.find((p) => p.namespace === namespace && p.name === name) ?? null,
      podsOnNode: (node) => pods.filter((p) => p.node === node),
    },
  });
  return r.ok ? "allowed" : `${r.error.code} ${r.error.message}`;
};

describe("allows", () => {
  for (const [name, row] of [
    ["an identity that runs on the caller's node", {}],
    ["an identity whose only pod is pending there", { pods: [ZTUNNEL, { ...APP, phase: "Pending" }] }],
    ["the caller's own identity", { wanted: OWN }],
    ["an alias of the trust domain", { wanted: { ...WANTED, trustDomain: "old" }, trustDomains: ["td", "old"] }],
  ] as const)
    test(name, () => expect(verdict(row)).toBe("allowed"));
});

describe("refuses", () => {
  for (const [name, row, why] of [
    ["everybody when no account is trusted", { trusted: [] }, "is not a trusted node account"],
    ["an account that is not trusted", { trusted: ["kube-system/ztunnel"] }, "is not a trusted node account"],
    ["a caller that is no workload of the mesh", { caller: { ...CALLER, identity: null } }, "no workload of this mesh"],
    ["a caller without a pod", { caller: { ...CALLER, pod: null } }, "is not bound to one"],
    [
      "a caller that came by certificate",
      { caller: { ...CALLER, pod: null, by: "certificate" } },
      "is not bound to one",
    ],
    ["a caller whose pod is gone", { pods: [APP] }, "pod istio-system/ztunnel-a not found"],
    ["a caller whose pod has failed", { pods: [{ ...ZTUNNEL, phase: "Failed" }, APP] }, "not found"],
    ["a caller of an earlier pod of that name", { pods: [{ ...ZTUNNEL, uid: "z2" }, APP] }, "UID does not match"],
    [
      "a caller of another account",
      { pods: [{ ...ZTUNNEL, serviceAccount: "x" }, APP] },
      "ServiceAccount does not match",
    ],
    [
      "a caller on no node",
      {
        pods: [
          { ...ZTUNNEL, node: "" },
          { ...APP, node: "" },
        ],
      },
      "is on no node",
    ],
    ["an identity that runs nowhere", { pods: [ZTUNNEL] }, "no instances of ns/sa on node node-a"],
    ["an identity of another node", { pods: [ZTUNNEL, { ...APP, node: "node-b" }] }, "no instances"],
    ["an identity whose only pod there has failed", { pods: [ZTUNNEL, { ...APP, phase: "Failed" }] }, "no instances"],
    ["another account of that namespace", { wanted: { ...WANTED, serviceAccount: "other" } }, "no instances"],
    ["a foreign trust domain", { wanted: { ...WANTED, trustDomain: "evil" } }, "trust domain evil is not of this mesh"],
  ] as const)
    test(name, () => expect(verdict(row)).toMatch(new RegExp(`^DENIED .*${why}`)));
});
