import { formatExplanation } from "@lateen/policy";
import type { ExplainedConnection, ExplainedEnd } from "./explain-connection.ts";

function who(end: ExplainedEnd): string {
  if (end.workload === null) return "nobody that the mesh knows";
  const place = end.node === null ? "" : ` on ${end.node}`;
  return end.identity === null
    ? `${end.workload}${place}, not in the mesh`
    : `${end.workload}${place}, ${end.identity}`;
}

/** An explanation for people; every line stands on what the proxies decide. */
export function renderExplanation(e: ExplainedConnection): string {
  const policy =
    e.judged === null
      ? [
          e.to.captured || e.to.workload === null
            ? "no policy was asked"
            : "no policy applies: no proxy receives for it",
        ]
      : formatExplanation(e.judged.explanation, e.judged.connection);
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
    `result   ${e.verdict.allowed ? "allowed" : "refused"}: ${e.verdict.why}`,
  ];
  return `${lines.join("\n")}\n`;
}
