// Packs every publishable package once, and judges the tarballs as a user would get them: publint, attw (ESM only), and what is inside.
// Needs `dist` to be built.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { projects, root } from "./projects.mjs";

/** Ways to resolve that an ESM-only package does not serve. */
const NOT_SERVED = new Set(["node10", "node16-cjs"]);
const UNWANTED = /(\.test\.[a-z.]+|\.tsbuildinfo|\.golden|\.tgz)$|(^|\/)(testdata|bench|node_modules)\//;

/** Packs workspaces of ours, or the package in `cwd`. @returns what npm says about each tarball */
export function pack(folder, some, cwd = root) {
  const args = ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder];
  const text = execFileSync("npm", [...args, ...some.flatMap((p) => ["-w", p.name])], {
    cwd,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const packed = JSON.parse(text);
  return Array.isArray(packed) ? packed : Object.values(packed); // npm 12 answers with an object
}

/** Conditions under which a TypeScript file is named. Only ours may: no runtime strips types below node_modules. */
function sourceConditions(value, condition = "") {
  if (typeof value === "string") return /(?<!\.d)\.ts$/.test(value) && condition !== "lateen:source" ? [condition] : [];
  return typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([k, v]) => sourceConditions(v, k))
    : [];
}

/** Every path that `exports`, `bin`, `types` name. */
function targetsOf(value) {
  if (typeof value === "string") return value.startsWith(".") ? [value] : [];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(targetsOf) : [];
}

function contentProblems(p, files) {
  const inside = new Set(files);
  const named = [...targetsOf(p.manifest.exports), ...targetsOf(p.manifest.bin)];
  return [
    ...files.filter((f) => UNWANTED.test(f)).map((f) => `content: ${f} does not belong into the package`),
    ...named
      .filter((t) => !t.includes("*") && !inside.has(path.normalize(t)))
      .map((t) => `content: ${t} is named and not there`),
    ...sourceConditions(p.manifest.exports).map(
      (c) => `content: condition "${c}" names TypeScript, which no runtime takes from a package`,
    ),
    ...["README.md", "package.json"].filter((f) => !inside.has(f)).map((f) => `content: ${f} is missing`),
    ...["description", "license", "engines", "type"]
      .filter((k) => p.manifest[k] === undefined)
      .map((k) => `content: "${k}" is missing`),
  ];
}

async function typeProblems(tarball) {
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  if (analysis.types === false) return ["attw: the package has no types"];
  return analysis.problems
    .filter((x) => !NOT_SERVED.has(x.resolutionKind) && !NOT_SERVED.has(x.resolutionOption))
    .map((x) => `attw: ${x.kind} ${x.entrypoint ?? x.fileName ?? ""} ${x.resolutionKind ?? ""}`.trim());
}

export async function judge(p, packed, folder) {
  const tarball = readFileSync(path.join(folder, packed.filename));
  const buffer = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length);
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, level: "warning", strict: true });
  const lint = messages.map((m) => `publint: ${formatMessage(m, pkg, { color: false })}`);
  const content = contentProblems(
    p,
    packed.files.map((f) => f.path),
  );
  return [...content, ...lint, ...(await typeProblems(tarball))];
}

if (process.argv[1] === import.meta.filename) {
  const only = process.argv.slice(2);
  const wanted = projects().filter((p) => p.manifest.private !== true && (only.length === 0 || only.includes(p.dir)));
  const folder = mkdtempSync(path.join(tmpdir(), "lateen-pack-"));
  let failed = 0;
  try {
    for (const packed of pack(folder, wanted)) {
      const project = wanted.find((p) => p.name === packed.name);
      const problems = await judge(project, packed, folder);
      if (problems.length > 0) failed++;
      for (const problem of problems) console.log(`${packed.name}: ${problem}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  console.log(`${wanted.length - failed} passed, ${failed} failed, 0 skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}
