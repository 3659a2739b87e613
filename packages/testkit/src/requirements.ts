import { accessSync, constants, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

/** `false`: run. A text: skip, and this is why. Made for `test.skipIf(...)` and `describe.skipIf(...)`. */
export type Skip = string | false;

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const told = new Set<string>();

/**
 * Decides about tests that need something of the machine: run when it is there; otherwise skip, saying so once on stderr, or
 * fail when `CI=true` (a skip there would hide that nothing was tested).
 * @param missing what is missing, or null
 * @throws Error under `CI=true` when something is missing
 */
export function requirement(missing: string | null): Skip {
  if (missing === null) return false;
  if (process.env["CI"] === "true")
    throw new Error(`Cannot run these tests: ${missing} (CI=true, so they must not be skipped)`);
  if (!told.has(missing)) process.stderr.write(`skipped here: ${missing}\n`);
  told.add(missing);
  return missing;
}

/** For tests that make network namespaces: root, or the capabilities that stand for it here. */
export function requireRoot(): Skip {
  return requirement(mayUseNamespaces() ? null : "needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN");
}

/** For tests against real programs. Looks along PATH and in the system folders, runs nothing. */
export function requirePrograms(...names: readonly string[]): Skip {
  const missing = names.filter((name) => !isInstalled(name));
  return requirement(missing.length === 0 ? null : `needs ${missing.join(", ")}`);
}

function mayUseNamespaces(): boolean {
  try {
    const m = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
    const caps = BigInt(`0x${m?.[1] ?? "0"}`);
    return ((caps >> CAP_NET_ADMIN) & (caps >> CAP_SYS_ADMIN) & 1n) === 1n;
  } catch {
    return false; // no procfs: not Linux, so there are no namespaces to make
  }
}

function isInstalled(name: string): boolean {
  const folders = [
    ...(process.env["PATH"] ?? "").split(":"),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/usr/bin",
    "/bin",
  ];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder
    }
  });
}
