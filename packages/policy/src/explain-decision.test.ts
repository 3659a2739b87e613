import { expect, test } from "vitest";
import type { Authorization, Connection, Match } from "./authorization.ts";
import { applicablePolicies } from "./decide.ts";
import { dumpAuthorization } from "./dump-authorization.ts";
import { explainDecision, formatExplanation } from "./explain-decision.ts";

const match: Match = {
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
const block = { network: Uint8Array.of(10, 1, 0, 0), length: 16 };
const strict: Authorization = {
  name: "strict",
  namespace: "istio-system",
  scope: "WorkloadSelector",
  action: "Deny",
  rules: [{ clauses: [{ matches: [{ ...match, notPrincipals: [{ t: "presence" }] }] }] }],
  dryRun: false,
};
const allow: Authorization = {
  name: "allow-web",
  namespace: "shop",
  scope: "Namespace",
  action: "Allow",
  rules: [
    { clauses: [{ matches: [{ ...match, destinationPorts: [80, 8080], sourceIps: [block] }] }] },
    {
      clauses: [
        {
          matches: [
            { ...match, notDestinationIps: [block] },
            { ...match, namespaces: [{ t: "prefix", value: "sh" }] },
          ],
        },
        { matches: [{ ...match, serviceAccounts: [{ namespace: "shop", serviceAccount: "web" }] }] },
      ],
    },
  ],
  dryRun: false,
};
const connection: Connection = {
  identity: { trustDomain: "cluster.local", namespace: "shop", serviceAccount: "cart" },
  source: { ip: "10.2.0.1", port: 4000 },
  destination: { ip: "10.1.0.9", port: 8080 },
};

test("an explanation says for each policy which rule failed at which attribute", () => {
  const explanation = explainDecision(applicablePolicies([strict, allow], ["shop/gone"]), connection);
  expect(formatExplanation(explanation, connection)).toEqual([
    "policy refuses the connection to 10.1.0.9:8080: allow policies exist, but none allowed",
    "  istio-system/strict (DENY) does not deny: no rule holds",
    '    rule 0, clause 0, match 0: principal "cluster.local/ns/shop/sa/cart" is excluded by any',
    "  shop/allow-web (ALLOW) does not allow: no rule holds",
    "    rule 0, clause 0, match 0: source 10.2.0.1 is not 10.1.0.0/16",
    "    rule 1, clause 0, match 0: destination 10.1.0.9 is excluded by 10.1.0.0/16",
    "    rule 1, clause 0, match 1: every attribute holds",
    "    rule 1, clause 1, match 0: service account shop/cart is not shop/web",
    "  shop/gone is named by the workload but unknown, so it is skipped",
  ]);
});

test("an explanation names the rule that denies plaintext", () => {
  const plaintext = { ...connection, identity: null };
  const explanation = explainDecision(applicablePolicies([strict]), plaintext);
  expect(explanation.decision).toMatchObject({ allow: false, policy: "istio-system/strict", rule: 0 });
  expect(formatExplanation(explanation, plaintext)).toEqual([
    "policy refuses the connection to 10.1.0.9:8080: explicitly denied by: istio-system/strict",
    "  istio-system/strict (DENY) denies: rule 0 holds",
    "    rule 0, clause 0, match 0: every attribute holds",
  ]);
});

test("a dumped policy has the keys and spellings of ztunnel", () => {
  expect(dumpAuthorization(strict)).toEqual({
    name: "strict",
    namespace: "istio-system",
    scope: "WorkloadSelector",
    action: "Deny",
    rules: [[[{ notPrincipals: [{ Presence: [] }] }]]],
    dryRun: false,
  });
  expect(dumpAuthorization(allow)["rules"]).toEqual([
    [[{ sourceIps: ["10.1.0.0/16"], destinationPorts: [80, 8080] }]],
    [
      [{ notDestinationIps: ["10.1.0.0/16"] }, { namespaces: [{ Prefix: "sh" }] }],
      [{ serviceAccounts: [{ namespace: "shop", serviceAccount: "web" }] }],
    ],
  ]);
});
