export { type ConfigDump, parseConfigDump } from "./ztunnel-config/config-dump.ts";
export {
  type OutputFormat,
  type SectionName,
  renderAll,
  renderSection,
  renderValue,
  sectionAliases,
} from "./ztunnel-config/render.ts";
export type { SectionFilter } from "./ztunnel-config/sections.ts";
export { renderTable } from "./table.ts";
export { runCli } from "./run-cli.ts";
export type { Terminal } from "./command.ts";
