import { parseSocketAddress } from "@lateen/addresses";
import type { Result } from "@lateen/errors";
import { type Authorization, type Connection, PolicyStore, decide, matchHolds, policyMatches } from "@lateen/policy";
import { decodeAuthorization } from "@lateen/xds-types";
import { authorizationBytes } from "../proto-json.ts";
import { object, text, texts } from "../read-json.ts";
import { type Json, type JsonObject, type SuiteDriver, type Verdict, compare, unsupported } from "../suite-driver.ts";

function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw result.error;
}

const policyOf = (x: Json | undefined): Authorization => unwrap(decodeAuthorization(authorizationBytes(object(x))));

function connectionOf(x: Json | undefined): Connection {
  const c = object(x);
  const from = c["sourceIdentity"];
  return {
    identity:
      from === null || from === undefined
        ? null
        : {
            trustDomain: text(object(from)["trustDomain"]),
            namespace: text(object(from)["namespace"]),
            serviceAccount: text(object(from)["serviceAccount"]),
          },
    source: unwrap(parseSocketAddress(text(c["source"]))),
    destination: unwrap(parseSocketAddress(text(c["destination"]))),
  };
}

/** A matcher is asked through a match on the namespace, which any text may be. */
function matcherHolds(input: JsonObject): boolean {
  const rules = [{ clauses: [{ matches: [{ namespaces: [input["matcher"] ?? null] }] }] }];
  const policy = unwrap(decodeAuthorization(authorizationBytes({ name: "matcher", rules })));
  const match = policy.rules[0]?.clauses[0]?.matches[0];
  if (match === undefined) throw new TypeError("the matcher was lost in decoding");
  const somewhere = { ip: "127.0.0.1", port: 80 };
  const identity = { trustDomain: "td", namespace: text(input["value"]), serviceAccount: "sa" };
  return matchHolds(match, { identity, source: somewhere, destination: somewhere });
}

const REASON: Readonly<Record<string, string>> = {
  "allow policies exist, but none allowed": "NotAllowed",
};

/** The whole decision, for a workload whose policies arrived one by one. Only what the case states is compared. */
function decision(input: JsonObject, expected: JsonObject): Verdict {
  const store = new PolicyStore();
  for (const p of (input["policies"] ?? []) as readonly Json[]) store.upsert(policyOf(p));
  const workload = object(input["destinationWorkload"]);
  const target = {
    namespace: text(workload["namespace"]),
    authorizationPolicies: texts(workload["authorizationPolicies"]),
  };
  const d = decide(store.applicable(target), connectionOf(input["connection"]));
  const reason = d.allow ? undefined : (REASON[d.reason] ?? "ExplicitlyDenied");
  const got: Readonly<Record<string, unknown>> = {
    allow: d.allow,
    policy: d.policy,
    reason,
    dryRunLogged: d.dryRunMatches,
  };
  return compare(Object.fromEntries(Object.keys(expected).map((key) => [key, got[key]])), expected);
}

/** Policies against connections: one policy, one string matcher, or the whole decision. */
export const driver: SuiteDriver = {
  suite: "ztunnel-rbac",
  kindOf: (c) => ("policies" in c.input ? "decision" : "matcher" in c.input ? "matcher" : "policy"),
  judge(c) {
    const { input } = c;
    if ("policies" in input) return decision(input, object(c.expected));
    if ("matcher" in input) return compare({ matches: matcherHolds(input) }, c.expected);
    if ("policy" in input)
      return compare(
        { matches: policyMatches(policyOf(input["policy"]), connectionOf(input["connection"])) },
        c.expected,
      );
    return unsupported("a case without policy, matcher or policies");
  },
};
