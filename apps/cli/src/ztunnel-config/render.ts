import { stringify } from "yaml";
import type { ConfigDump } from "./config-dump.ts";
import {
  type Section,
  type SectionFilter,
  certificateSection,
  connectionSection,
  policySection,
  serviceSection,
  workloadSection,
} from "./sections.ts";

export type OutputFormat = "short" | "json" | "yaml";
export type SectionName = "workload" | "service" | "policy" | "certificate" | "connections";

/** The names by which each listing may be called. */
export const sectionAliases: Readonly<Record<SectionName, readonly string[]>> = {
  workload: ["workload", "workloads", "w"],
  service: ["service", "services", "svc", "s"],
  policy: ["policy", "policies", "pol", "p"],
  certificate: ["certificate", "certificates", "certs", "cert"],
  connections: ["connections", "cons"],
};

/** One listing of a config dump as `lateenctl ztunnel-config` prints it. */
export function renderSection(
  dump: ConfigDump,
  o: {
    readonly section: SectionName;
    readonly format: OutputFormat;
    readonly nowMs: number;
    readonly filter?: SectionFilter;
  },
): string {
  const section = makeSection(dump, o);
  return o.format === "short" ? section.table : renderValue(section.value, o.format);
}

function makeSection(
  dump: ConfigDump,
  o: { readonly section: SectionName; readonly nowMs: number; readonly filter?: SectionFilter },
): Section {
  switch (o.section) {
    case "workload":
      return workloadSection(dump, o.filter);
    case "service":
      return serviceSection(dump, o.filter);
    case "policy":
      return policySection(dump, o.filter);
    case "certificate":
      return certificateSection(dump, o.nowMs);
    case "connections":
      return connectionSection(dump, o.filter);
  }
}

/** JSON with four spaces, as Istio's tools print it, or YAML. */
export function renderValue(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, null, 4)}\n` : stringify(value);
}

const TITLES: readonly (readonly [SectionName, string])[] = [
  ["workload", "WORKLOAD INFO"],
  ["service", "SERVICE INFO"],
  ["policy", "POLICY INFO"],
  ["certificate", "SECRET INFO"],
  ["connections", "CONNECTIONS INFO"],
];

/** All tables of a config dump, one after the other. */
export function renderAll(dump: ConfigDump, o: { readonly headers: boolean; readonly nowMs: number }): string {
  return TITLES.map(([section, title]) => {
    const table = renderSection(dump, { section, format: "short", nowMs: o.nowMs });
    return o.headers ? `\n------ ${title} ------\n\n${table}` : `\n${table}`;
  }).join("");
}
