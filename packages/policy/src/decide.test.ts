import { cidrContains, ipToBytes } from "@lateen/addresses";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Authorization, Clause, Connection, Match, Rule, StringMatch } from "./authorization.ts";
import { applicablePolicies, decide } from "./decide.ts";
import { explainDecision } from "./explain-decision.ts";
import { matchHolds, policyMatches } from "./judge-policy.ts";
import { arbConnection, arbPolicy } from "./policies.test.support.ts";

const NOTHING: Match = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  serviceAccounts: [],
  notServiceAccounts: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: [],
};
const one = (match: Partial<Match>): Rule => ({ clauses: [{ matches: [{ ...NOTHING, ...match }] }] });
const policy = (over: Partial<Authorization>): Authorization => ({
  name: "p",
  namespace: "ns",
  scope: "Namespace",
  action: "Allow",
  rules: [],
  dryRun: false,
  ...over,
});
const identity = { trustDomain: "td", namespace: "a", serviceAccount: "x" };
const meshed: Connection = {
  identity,
  source: { ip: "10.0.0.1", port: 40_000 },
  destination: { ip: "10.0.0.2", port: 8080 },
};
const plaintext: Connection = { ...meshed, identity: null };
const anything: Rule = { clauses: [] };
const present: StringMatch = { t: "presence" };

describe("a policy", () => {
  const table: readonly (readonly [string, readonly Rule[], Connection, boolean])[] = [
    ["without rules never matches", [], meshed, false],
    ["with a rule without clauses matches", [anything], meshed, true],
    ["with a clause without matches matches", [{ clauses: [{ matches: [] }] }], meshed, true],
    ["with a match that names nothing does not match", [one({})], meshed, false],
    ["excluding every principal matches plaintext", [one({ notPrincipals: [present] })], plaintext, true],
    ["excluding every principal does not match a meshed caller", [one({ notPrincipals: [present] })], meshed, false],
    ["asking for any namespace does not match plaintext", [one({ namespaces: [present] })], plaintext, false],
    [
      "excluding a namespace matches plaintext",
      [one({ notNamespaces: [{ t: "exact", value: "a" }] })],
      plaintext,
      true,
    ],
    [
      "with an empty prefix on principals does not match plaintext",
      [one({ principals: [{ t: "prefix", value: "" }] })],
      plaintext,
      false,
    ],
    [
      "with an empty prefix on namespaces matches plaintext",
      [one({ namespaces: [{ t: "prefix", value: "" }] })],
      plaintext,
      true,
    ],
    [
      "compares service accounts whatever the trust domain",
      [one({ serviceAccounts: [{ namespace: "a", serviceAccount: "x" }] })],
      { ...meshed, identity: { ...identity, trustDomain: "elsewhere" } },
      true,
    ],
    [
      "with two clauses needs both",
      [
        {
          clauses: [
            { matches: [{ ...NOTHING, destinationPorts: [8080] }] },
            { matches: [{ ...NOTHING, destinationPorts: [80] }] },
          ],
        },
      ],
      meshed,
      false,
    ],
    [
      "with a block of IPv4 never holds IPv6",
      [one({ sourceIps: [{ network: new Uint8Array(4), length: 0 }] })],
      { ...meshed, source: { ip: "2001:db8::1", port: 1 } },
      false,
    ],
  ];
  for (const [name, rules, connection, want] of table)
    test(name, () => expect(policyMatches(policy({ rules }), connection)).toBe(want));
});

describe("the decision", () => {
  const denyAll = policy({ name: "deny", action: "Deny", rules: [anything] });
  const allowAll = policy({ name: "allow", rules: [one({ destinationPorts: [80] }), anything] });
  const allowNone = policy({ name: "nobody" });
  const table: readonly (readonly [string, readonly Authorization[], Partial<ReturnType<typeof decide>>])[] = [
    ["allows when no policy applies", [], { allow: true, policy: null, rule: null }],
    [
      "names the policy and the rule that deny",
      [allowAll, denyAll],
      { allow: false, reason: "explicitly denied by: ns/deny", policy: "ns/deny", rule: 0 },
    ],
    ["names the policy and the rule that allow", [allowNone, allowAll], { allow: true, policy: "ns/allow", rule: 1 }],
    [
      "refuses when no allow policy matches",
      [allowNone],
      { allow: false, reason: "allow policies exist, but none allowed", policy: null, rule: null },
    ],
    ["allows when only deny policies apply and none matches", [{ ...allowNone, action: "Deny" }], { allow: true }],
    [
      "ignores dry-run policies and tells which matched",
      [{ ...denyAll, dryRun: true }],
      { allow: true, dryRunMatches: ["ns/deny"] },
    ],
    [
      "ignores a dry-run allow policy that matches nothing",
      [{ ...allowNone, dryRun: true }],
      { allow: true, dryRunMatches: [] },
    ],
  ];
  for (const [name, policies, want] of table)
    test(name, () => expect(decide(applicablePolicies(policies), meshed)).toMatchObject(want));
});

// The contract, word for word, with none of the engine's shortcuts.
const text = (m: StringMatch, v: string): boolean => {
  const says = {
    exact: (x: string) => v === x,
    prefix: (x: string) => v.startsWith(x),
    suffix: (x: string) => v.endsWith(x),
  };
  return m.t === "presence" ? v.length > 0 : says[m.t](m.value);
};
const group = <T>(yes: readonly T[], no: readonly T[], hits: (x: T) => boolean): boolean =>
  (yes.length === 0 || yes.some(hits)) && !no.some(hits);

function naiveMatch(m: Match, c: Connection): boolean {
  if (Object.values(m).every((list: readonly unknown[]) => list.length === 0)) return false;
  const id = c.identity;
  const principal = id && `${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
  return [
    group(m.namespaces, m.notNamespaces, (x) => text(x, id?.namespace ?? "")),
    group(m.principals, m.notPrincipals, (x) => principal !== null && text(x, principal)),
    group(
      m.serviceAccounts,
      m.notServiceAccounts,
      (x) => id?.namespace === x.namespace && id.serviceAccount === x.serviceAccount,
    ),
    group(m.sourceIps, m.notSourceIps, (x) => cidrContains(x, ipToBytes(c.source.ip))),
    group(m.destinationIps, m.notDestinationIps, (x) => cidrContains(x, ipToBytes(c.destination.ip))),
    group(m.destinationPorts, m.notDestinationPorts, (x) => x === c.destination.port),
  ].every(Boolean);
}
const naiveClause = (k: Clause, c: Connection): boolean =>
  k.matches.length === 0 || k.matches.some((m) => naiveMatch(m, c));
const naivePolicy = (p: Authorization, c: Connection): boolean =>
  p.rules.some((r) => r.clauses.every((k) => naiveClause(k, c)));
function naiveAllows(all: readonly Authorization[], c: Connection): boolean {
  const enforced = all.filter((p) => !p.dryRun);
  if (enforced.some((p) => p.action === "Deny" && naivePolicy(p, c))) return false;
  const allows = enforced.filter((p) => p.action === "Allow");
  return allows.length === 0 || allows.some((p) => naivePolicy(p, c));
}

describe("against the contract read literally", () => {
  const arbPolicies = fc.array(arbPolicy, { maxLength: 5 });

  test("decisions agree, and the deciding policy and rule are true", () =>
    fc.assert(
      fc.property(arbPolicies, arbConnection, (policies, c) => {
        const d = decide(applicablePolicies(policies), c);
        expect(d.allow).toBe(naiveAllows(policies, c));
        const deciders = policies.filter((p) => !p.dryRun && `${p.namespace}/${p.name}` === d.policy);
        if (d.policy === null) expect(d.rule).toBeNull();
        else
          expect(
            deciders.some((p) =>
              naivePolicy({ ...p, rules: [p.rules[d.rule ?? -1] ?? { clauses: [{ matches: [NOTHING] }] }] }, c),
            ),
          ).toBe(true);
      }),
      { numRuns: 2_000 },
    ));

  test("an explanation says what the decision says, and every finding is true", () =>
    fc.assert(
      fc.property(arbPolicies, arbConnection, (policies, c) => {
        const applicable = applicablePolicies(policies);
        const explained = explainDecision(applicable, c);
        const order = [...applicable.deny, ...applicable.allow, ...applicable.dryRun];
        expect(explained.decision).toEqual(decide(applicable, c));
        expect(explained.policies.map((p) => p.matched)).toEqual(order.map((p) => naivePolicy(p, c)));
        for (const [i, p] of explained.policies.entries())
          for (const f of p.findings) {
            const match = order[i]?.rules[f.rule]?.clauses[f.clause]?.matches[f.match];
            expect(match && matchHolds(match, c)).toBe(f.held);
          }
      }),
      { numRuns: 1_000 },
    ));
});
