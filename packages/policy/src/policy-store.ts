import type { Authorization } from "./authorization.ts";
import { type ApplicablePolicies, applicablePolicies, policyKey } from "./decide.ts";

/** What of a workload decides which policies apply to it. */
export interface PolicyTarget {
  readonly namespace: string;
  readonly authorizationPolicies: readonly string[];
}

const byKey = (a: Authorization, b: Authorization): number => {
  const [x, y] = [policyKey(a), policyKey(b)];
  return x < y ? -1 : x > y ? 1 : 0;
};

/** All policies of the mesh, by key and by scope. Answers do not depend on the order in which policies arrived. */
export class PolicyStore {
  readonly #byKey = new Map<string, Authorization>();
  readonly #global = new Map<string, Authorization>();
  readonly #byNamespace = new Map<string, Map<string, Authorization>>();
  /** Answers by workload object; one belongs to a version of the store and dies with its workload. */
  #answers = new WeakMap<PolicyTarget, ApplicablePolicies>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Authorization | null {
    return this.#byKey.get(key) ?? null;
  }

  /** Every policy, by key. */
  all(): readonly Authorization[] {
    return [...this.#byKey.values()].sort(byKey);
  }

  /** Adds or replaces a policy; one that changed scope leaves its old index first. */
  upsert(policy: Authorization): void {
    const key = policyKey(policy);
    this.remove(key);
    this.#byKey.set(key, policy);
    if (policy.scope === "Global") this.#global.set(key, policy);
    if (policy.scope !== "Namespace") return;
    const there = this.#byNamespace.get(policy.namespace);
    if (there) there.set(key, policy);
    else this.#byNamespace.set(policy.namespace, new Map([[key, policy]]));
  }

  /** @returns whether there was such a policy */
  remove(key: string): boolean {
    this.#answers = new WeakMap();
    const old = this.#byKey.get(key);
    if (!old) return false;
    this.#byKey.delete(key);
    this.#global.delete(key);
    const there = this.#byNamespace.get(old.namespace);
    there?.delete(key);
    if (there?.size === 0) this.#byNamespace.delete(old.namespace);
    return true;
  }

  /**
   * The policies that apply to a workload: those of its namespace, the global ones, and those it names. A name that
   * nobody delivered is skipped and reported. Kept per workload object until a policy changes.
   * @see dataplane 7.2
   */
  applicable(workload: PolicyTarget): ApplicablePolicies {
    const kept = this.#answers.get(workload);
    if (kept) return kept;
    const named = [...new Set(workload.authorizationPolicies)];
    const found = new Set<Authorization>([
      ...[...(this.#byNamespace.get(workload.namespace)?.values() ?? [])].sort(byKey),
      ...[...this.#global.values()].sort(byKey),
      ...named.flatMap((key) => this.#byKey.get(key) ?? []),
    ]);
    const answer = applicablePolicies(
      [...found],
      named.filter((key) => !this.#byKey.has(key)),
    );
    this.#answers.set(workload, answer);
    return answer;
  }
}
