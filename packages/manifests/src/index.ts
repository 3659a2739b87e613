export type { Snapshot } from "./folder-state.ts";
export { formatKept, parseKept } from "./kept-manifests.ts";
export { type Manifest, type ParsedManifests, MAX_FILE_BYTES, parseManifests } from "./parse-manifests.ts";
export { parseYaml } from "./parse-yaml.ts";
export { type Problem, formatProblem } from "./problem.ts";
export { type ManifestWatch, type WatchOptions, watchManifests } from "./watch-manifests.ts";
