import { randomBytes } from "node:crypto";
import { type Stats, constants } from "node:fs";
import { lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { Code, MeshError } from "@lateen/errors";
import type { KeyStore } from "./root-store.ts";

/**
 * A folder that only its owner can enter, for private keys. Made with mode 0700 when it does not exist.
 * @throws MeshError BAD_INPUT when it exists but others could enter it or own it; UNAVAILABLE when the disk refuses
 */
export async function openPrivateFolder(path: string): Promise<PrivateFolder> {
  await attempt(`Cannot create key folder ${path}`, () => makeFolder(path, 0o700));
  const stats = await attempt(`Cannot read key folder ${path}`, () => lstat(path));
  if (!stats.isDirectory()) throw new MeshError(Code.BadInput, `Cannot use key folder ${path}: it is not a folder`);
  checkOwner(path, stats, "folder", "chmod 700");
  return new PrivateFolder(path);
}

/** Makes a folder and those above it. The runtime's own `recursive` never ends on file systems such as procfs. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (cause) {
    if (hasCode(cause, "EEXIST")) return;
    const above = dirname(path);
    if (!hasCode(cause, "ENOENT") || above === path || (await exists(above))) throw cause;
    await makeFolder(above, 0o755);
    await mkdir(path, { mode });
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

export class PrivateFolder implements KeyStore {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get name(): string {
    return this.path;
  }

  /**
   * The text of a file, or null when there is none.
   * @param secrecy a `secret` must be readable by its owner alone
   */
  async read(name: string, secrecy: "secret" | "public"): Promise<string | null> {
    const path = join(this.path, name);
    try {
      if (secrecy === "secret") checkOwner(path, await lstat(path), "file", "chmod 600");
      return await readFile(path, "utf8");
    } catch (cause) {
      if (MeshError.is(cause)) throw cause;
      if (hasCode(cause, "ENOENT")) return null;
      throw unavailable(`Cannot read ${path}`, cause);
    }
  }

  /** Replaces a file as a whole, or leaves what was there and throws UNAVAILABLE. */
  write(name: string, text: string, secrecy: "secret" | "public"): Promise<void> {
    return replaceFile(join(this.path, name), text, secrecy === "secret" ? 0o600 : 0o644);
  }
}

/**
 * Writes a new file beside the old one, forces it to disk, and puts it in its place. A reader sees the old text or the new.
 * @throws MeshError UNAVAILABLE when the disk refuses; the old file is untouched then
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to report
    throw unavailable(`Cannot write ${path}`, cause);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checkOwner(path: string, stats: Stats, what: "folder" | "file", remedy: string): void {
  const uid = process.geteuid?.();
  if (uid !== undefined && stats.uid !== uid)
    throw new MeshError(
      Code.BadInput,
      `Cannot use key ${what} ${path}: it belongs to user ${stats.uid}, not to ${uid}`,
    );
  const mode = stats.mode & 0o777;
  if (uid !== undefined && (mode & 0o077) !== 0)
    throw new MeshError(
      Code.BadInput,
      `Cannot use key ${what} ${path}: others may use it (mode 0${mode.toString(8)}); run ${remedy}`,
    );
}

async function attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw unavailable(what, cause);
  }
}

function unavailable(what: string, cause: unknown): MeshError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new MeshError(Code.Unavailable, `${what}: ${why}`, {}, cause);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "the file system takes no folder there",
  ENOTDIR: "a part of the path is not a folder",
};

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}
