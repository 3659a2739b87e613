import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { run } from "./mesh.ts";

/** Newer versions do not resolve as a Go module. */
const FORTIO = "fortio.org/fortio@v1.63.0";
const CACHE = fileURLToPath(new URL("../.cache", import.meta.url));

function inPath(name: string): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** @throws MeshError UNAVAILABLE saying how to get a program that is missing */
export function requireProgram(name: string, how: string): string {
  const found = inPath(name);
  if (found !== null) return found;
  throw new MeshError(Code.Unavailable, `Cannot find ${name}: ${how}`);
}

/** fortio from the PATH, else built once from its Go module. */
export async function fortioProgram(): Promise<string> {
  const cached = join(CACHE, "fortio");
  const found = inPath("fortio") ?? (existsSync(cached) ? cached : null);
  if (found !== null) return found;
  const go = requireProgram("go", "install Go, or put fortio into the PATH");
  process.stderr.write(`building ${FORTIO} once\n`);
  mkdirSync(CACHE, { recursive: true });
  await run(go, ["install", FORTIO], { timeoutMs: 600_000, env: { GOBIN: CACHE } });
  return cached;
}
