// Where the program of the test cluster is kept: by what it is built from, so that an old one is never taken for a new one.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import process from "node:process";

export const sources = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "go");

export function programPath() {
  const hash = createHash("sha256");
  for (const name of ["go.mod", "go.sum", "main.go"]) hash.update(readFileSync(path.join(sources, name)));
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache");
  return path.join(cache, "lateen", "test-cluster", hash.digest("hex").slice(0, 16), "test-cluster");
}
