import { compareHosts, hostCovers, hostsForNamespace, hostsOverlap, intersectHosts } from "@lateen/hostnames";
import {
  expandPrincipals,
  expandTrustDomains,
  makeIdentity,
  parseIdentityParts,
  principalNamesTrustDomain,
  replaceTrustDomain,
} from "@lateen/identity";
import { checkCondition, checkTrustDomainValues, checkWildcardValues, valueMatches } from "@lateen/policy";
import { parseJwksUri } from "@lateen/resources";
import { isPathLiteral, isPathTemplate, pathTemplateProblem } from "@lateen/validation";
import { canonicalService, parseProtocol, portProtocol } from "@lateen/translation";
import { type Json, type JsonObject, type SuiteDriver, type Verdict, compare, unsupported } from "../suite-driver.ts";
import { object, text, texts } from "../read-json.ts";

/** Two label keys stand in the suite under the names that its source gives them. */
const LABELS: Readonly<Record<string, string>> = {
  "model.IstioCanonicalServiceLabelName": "service.istio.io/canonical-name",
  "model.IstioCanonicalServiceRevisionLabelName": "service.istio.io/canonical-revision",
};
const labels = (x: Json | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(object(x ?? {})).map(([key, value]) => [LABELS[key] ?? key, text(value)]));
const optionalText = (x: Json | undefined): string | undefined => (x === undefined || x === null ? undefined : text(x));

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
  hostMatches: (i) => ({ result: hostsOverlap(text(i["a"]), text(i["b"])) }),
  hostSubsetOf: (i) => ({ result: hostCovers(text(i["b"]), text(i["a"])) }),
  // The source's order is strict but for two empty texts.
  hostMoreSpecific: (i) => {
    const order = compareHosts(text(i["a"]), text(i["b"]));
    return { result: order < 0 || (order === 0 && i["a"] === "") };
  },
  hostsSort: (i) => ({ result: [...texts(i["hosts"])].sort(compareHosts) }),
  hostsIntersection: (i) => ({ result: intersectHosts(texts(i["a"]), texts(i["b"])) }),
  hostsForNamespace: (i) => ({ result: hostsForNamespace(texts(i["hosts"]), text(i["namespace"])) }),
  parseProtocol: (i) => ({ protocol: parseProtocol(text(i["text"])) }),
  kubePortProtocol: (i) => ({
    protocol: portProtocol({
      port: Number(i["port"]),
      name: optionalText(i["name"]),
      protocol: optionalText(i["protocol"]),
      appProtocol: optionalText(i["appProtocol"]),
    }),
  }),
  canonicalService: (i) => canonicalService(labels(i["labels"]), text(i["workloadName"])),
  pathTemplatesValid: (i) => ({ valid: texts(i["paths"]).every((path) => pathTemplateProblem(path) === null) }),
  pathLiteralValid: (i) => ({ valid: isPathLiteral(text(i["segment"])) }),
  isPathTemplate: (i) => ({ result: isPathTemplate(text(i["path"])) }),
  parseJwksUri: (i) => {
    const uri = parseJwksUri(text(i["uri"]));
    return uri.ok ? { result: uri.value } : { error: true };
  },
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
