import { formatExplanation } from "@lateen/policy";
import type { ExplainedConnection, ExplainedEnd } from "./explain-connection.ts";

function who(end: ExplainedEnd): string {
  if (end.workload === null) return "nobody that the mesh knows";
  const place = end.node === null ? "" : ` on ${end.node}`;
  return end.identity === null
    ? `${end.workload}${place}, not in the mesh`
    : `${end.workload}${place}, ${end.identity}`;
}

function whyNotJudged(e: ExplainedConnection): string {
  if (e.refused !== null) return "not asked: the receiving proxy refuses first";
  if (e.to.captured) return "not asked";
  return e.to.workload === null
    ? "not asked: the connection reaches nobody of the mesh"
    : "none: no proxy receives for it";
}

const STRICT = ": mutual TLS is STRICT here, and the connection is plaintext";
/** Policies that PeerAuthentications are turned into: their names are not the user's. */
const isMtls = (policy: string): boolean =>
  /\/(istio_converted_static_strict|converted_peer_authentication_.*)$/.test(policy);

/** What decided, where the reason does not say it. */
function decidedBy(e: ExplainedConnection): string {
  if (e.judged === null) return "";
  const { decision, policies } = e.judged.explanation;
  const strict = decision.policy !== null && !decision.allow && isMtls(decision.policy) ? STRICT : "";
  if (decision.rule !== null) return ` (rule ${decision.rule})${strict}`;
  const missed = decision.allow ? [] : policies.filter((p) => p.action === "Allow" && !p.dryRun).map((p) => p.policy);
  return missed.length === 0 ? "" : ` (${missed.join(", ")})`;
}

/** An explanation for people; every line stands on what the proxies decide. */
export function renderExplanation(e: ExplainedConnection): string {
  const policy = e.judged === null ? [whyNotJudged(e)] : formatExplanation(e.judged.explanation, e.judged.connection);
  const lines = [
    `from     ${who(e.from)}`,
    `dials    ${e.dialled}`,
    `to       ${who(e.to)}`,
    "",
    `path     ${e.path.reason}`,
    ...(e.path.expected.length === 0 ? [] : [`         the peer must be ${e.path.expected.join(" or ")}`]),
    ...e.path.steps.slice(0, -1).map((step) => `         - ${step}`),
    "",
    ...policy.map((line, i) => `${i === 0 ? "policy   " : "         "}${line.replace(/^policy /, "")}`),
    "",
    `result   ${e.verdict.allowed ? "allowed" : "refused"}: ${e.verdict.why}${decidedBy(e)}`,
  ];
  return `${lines.join("\n")}\n`;
}
