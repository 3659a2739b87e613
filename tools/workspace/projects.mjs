// The projects of the repository, read from their own package.json files.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

export const root = path.resolve(import.meta.dirname, "../..");

/**
 * @typedef {{ dir: string, name: string, layer: string, manifest: Record<string, any> }} Project
 * @returns {Project[]} in the order of their folders; `dir` is relative to the root
 */
export function projects() {
  const groups = ["packages", "apps", "tools"].filter((group) => existsSync(path.join(root, group)));
  const dirs = groups.flatMap((group) => readdirSync(path.join(root, group)).map((name) => `${group}/${name}`));
  return [...dirs, "e2e"]
    .filter((dir) => existsSync(path.join(root, dir, "package.json")))
    .map((dir) => {
      const manifest = JSON.parse(readFileSync(path.join(root, dir, "package.json"), "utf8"));
      const layer = manifest.nx?.tags?.find((tag) => tag.startsWith("layer:"))?.slice("layer:".length) ?? "";
      return { dir, name: manifest.name, layer, manifest };
    });
}

/** All files below a folder of the root, relative to the root. */
export function filesBelow(dir) {
  const at = path.join(root, dir);
  if (!existsSync(at)) return [];
  return readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => path.relative(root, path.join(e.parentPath, e.name)))
    .filter((f) => !/(^|\/)(node_modules|dist|bundle)\//.test(f));
}
