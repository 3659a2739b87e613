import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Authorization } from "./authorization.ts";
import { policyKey } from "./decide.ts";
import { PolicyStore } from "./policy-store.ts";
import { arbPolicy } from "./policies.test.support.ts";

const policy = (namespace: string, name: string, scope: Authorization["scope"]): Authorization => ({
  name,
  namespace,
  scope,
  action: "Deny",
  rules: [{ clauses: [] }],
  dryRun: false,
});
const keys = (
  store: PolicyStore,
  workload: { namespace: string; authorizationPolicies: readonly string[] },
): string[] => store.applicable(workload).deny.map(policyKey);

describe("the policies of a workload", () => {
  const workload = { namespace: "a", authorizationPolicies: ["b/picked", "b/missing", "b/picked"] };

  test("are those of its namespace, the global ones and those it names, each once", () => {
    const store = new PolicyStore();
    for (const p of [
      policy("b", "picked", "WorkloadSelector"),
      policy("b", "other", "WorkloadSelector"),
      policy("b", "theirs", "Namespace"),
      policy("root", "everybody", "Global"),
      policy("a", "ours", "Namespace"),
    ])
      store.upsert(p);
    expect(keys(store, workload)).toEqual(["a/ours", "root/everybody", "b/picked"]);
    expect(store.applicable(workload).unknown).toEqual(["b/missing"]);
  });

  test("follow a policy that changes its scope, and one that goes", () => {
    const store = new PolicyStore();
    store.upsert(policy("a", "p", "Namespace"));
    expect(keys(store, workload)).toEqual(["a/p"]);
    store.upsert(policy("a", "p", "WorkloadSelector"));
    expect(keys(store, workload)).toEqual([]);
    store.upsert(policy("a", "p", "Global"));
    expect(keys(store, { ...workload, namespace: "z" })).toEqual(["a/p"]);
    expect(store.remove("a/p")).toBe(true);
    expect(store.remove("a/p")).toBe(false);
    expect(keys(store, workload)).toEqual([]);
    expect(store.size).toBe(0);
  });

  test("are the same object until a policy changes, so that asking costs nothing", () => {
    const store = new PolicyStore();
    store.upsert(policy("a", "p", "Namespace"));
    const first = store.applicable(workload);
    expect(store.applicable(workload)).toBe(first);
    store.upsert(policy("a", "q", "Namespace"));
    expect(store.applicable(workload)).not.toBe(first);
  });

  test("do not depend on the order in which policies came and went", () => {
    const arbOps = fc.array(fc.tuple(arbPolicy, fc.boolean()), { maxLength: 20 });
    fc.assert(
      fc.property(arbOps, (ops) => {
        const store = new PolicyStore();
        const last = new Map<string, Authorization>();
        for (const [p, removes] of ops) {
          if (removes) store.remove(policyKey(p));
          else store.upsert(p);
          if (removes) last.delete(policyKey(p));
          else last.set(policyKey(p), p);
        }
        const fresh = new PolicyStore();
        for (const p of [...last.values()].reverse()) fresh.upsert(p);
        expect(store.all()).toEqual(fresh.all());
        for (const namespace of ["a", "b", "root", "z"]) {
          const target = { namespace, authorizationPolicies: ["a/p", "b/q", "root/r"] };
          expect(store.applicable(target)).toEqual(fresh.applicable(target));
        }
      }),
    );
  });
});
