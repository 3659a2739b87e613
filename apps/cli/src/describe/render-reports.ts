import { renderTable } from "../table.ts";
import type { ShownPolicy, ShownService } from "./reports.ts";

const list = (names: readonly string[]): string => (names.length === 0 ? "-" : names.join(", "));

export function policyTable(policies: readonly ShownPolicy[]): string {
  if (policies.length === 0) return "no policies\n";
  const rows = sorted(policies).map(({ key, action, reach, summary }) => [key, action, reach, summary]);
  return renderTable(["POLICY", "ACTION", "REACH", "EFFECT"], rows);
}

export function serviceTable(services: readonly ShownService[]): string {
  if (services.length === 0) return "no services\n";
  const rows = sorted(services).map((s) => [
    s.key,
    s.waypoint ?? "-",
    list(s.enforced),
    String(s.unenforced.length),
    String(s.bypasses.length),
  ]);
  return renderTable(["SERVICE", "WAYPOINT", "ENFORCED", "UNENFORCED", "BYPASSES"], rows);
}

/** Which rule is enforced by whom, and which is not and why. */
export function describePolicy(p: ShownPolicy): string {
  const rules = p.rules.map(({ index, enforcedBy, extent, dropped, why }) => {
    const how = enforcedBy === "nobody" ? "enforced by nobody" : `enforced by ${enforcedBy}, ${extent}`;
    const without = dropped.length === 0 ? "" : ` (${dropped.join(", ")})`;
    return [`rule ${index}`, `${how}${why === "" ? "" : `: ${why}`}${without}`];
  });
  const targets = p.targets.map(({ target, bound, message }) => [
    "target",
    `${target}: ${bound ? "" : "not "}bound, ${message}`,
  ]);
  return lines([
    ["policy", p.key],
    ["action", p.action],
    ["reach", p.reach],
    ["effect", p.summary],
    ...rules,
    ...targets,
  ]);
}

/** What stands between clients and a service, and what does not. */
export function describeService(s: ShownService): string {
  return lines([
    ["service", s.key],
    ["object", s.object],
    ["visible", s.visibility === "PUBLIC" ? "to every namespace" : "to its own namespace"],
    ["waypoint", s.waypoint ?? (s.waypointProblem === null ? "none" : `none: ${s.waypointProblem}`)],
    ...s.enforced.map((policy) => ["enforced", policy]),
    ...s.unenforced.map((policy) => ["unenforced", policy]),
    ...s.bypasses.map((way) => ["bypass", way]),
  ]);
}

const WIDTH = 12;
const lines = (pairs: readonly (readonly string[])[]): string =>
  pairs.map(([name = "", text = ""]) => `${name.padEnd(WIDTH)}${text}\n`).join("");

const sorted = <T extends { readonly key: string }>(all: readonly T[]): readonly T[] =>
  [...all].sort((a, b) => (a.key < b.key ? -1 : 1));
