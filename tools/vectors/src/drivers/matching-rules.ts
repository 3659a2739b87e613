import {
  expandPrincipals,
  expandTrustDomains,
  makeIdentity,
  parseIdentityParts,
  principalNamesTrustDomain,
  replaceTrustDomain,
} from "@lateen/identity";
import { checkCondition, checkTrustDomainValues, checkWildcardValues, valueMatches } from "@lateen/policy";
import { type JsonObject, type SuiteDriver, type Verdict, compare, unsupported } from "../suite-driver.ts";
import { text, texts } from "../read-json.ts";

/** What the product answers, in the words of the suite. */
type Answer = (input: JsonObject) => unknown;

const OPS: Readonly<Record<string, Answer>> = {
  makeSpiffeId: (i) => {
    const id = makeIdentity({
      trustDomain: text(i["trustDomain"]),
      namespace: text(i["namespace"]),
      serviceAccount: text(i["serviceAccount"]),
    });
    return id.ok ? { id: id.value } : { error: true };
  },
  parseSpiffeId: (i) => {
    const id = parseIdentityParts(text(i["id"]));
    return id.ok ? { identity: id.value } : { error: true };
  },
  expandTrustDomains: (i) => ({ set: [...expandTrustDomains(texts(i["ids"]), texts(i["trustDomains"]))].sort() }),
  trustDomainAliases: (i) => ({
    principals: expandPrincipals(texts(i["principals"]), [text(i["trustDomain"]), ...texts(i["aliases"])]),
  }),
  replaceTrustDomain: (i) => {
    // Where it refuses, the source answers with an empty text.
    return { principal: replaceTrustDomain(text(i["principal"]), text(i["trustDomain"] ?? "")) ?? "" };
  },
  principalNamesTrustDomain: (i) => ({ result: principalNamesTrustDomain(text(i["principal"])) }),
  principalMatch: (i) => ({ result: valueMatches(text(i["pattern"]), text(i["value"]), text(i["prefix"] ?? "")) }),
  authzValuesValid: (i) => ({ valid: checkWildcardValues("values", texts(i["values"])) === null }),
  trustDomainValuesValid: (i) => ({ valid: checkTrustDomainValues("values", texts(i["values"])) === null }),
  authzConditionValid: (i) => ({ valid: checkCondition(text(i["key"]), texts(i["values"])) === null }),
};

export const driver: SuiteDriver = {
  suite: "matching-rules",
  judge(c): Verdict {
    const op = text(c.input["op"]);
    const answer = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
    if (answer === undefined) return unsupported(`no operation ${op}`);
    const got = answer(c.input);
    return compare(got, asCompared(op, c.expected));
  },
};

/** The order of a set says nothing; a refusal may be written as an error. */
function asCompared(op: string, expected: unknown): unknown {
  if (op === "replaceTrustDomain" && typeof expected === "object" && expected !== null && "error" in expected)
    return { principal: "" };
  if (op !== "expandTrustDomains" || typeof expected !== "object" || expected === null) return expected;
  const set = (expected as JsonObject)["set"];
  return Array.isArray(set) ? { ...expected, set: [...(set as readonly unknown[])].sort() } : expected;
}
