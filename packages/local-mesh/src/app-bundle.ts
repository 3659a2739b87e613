import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

// Imports nothing but Node's own modules: the tool that makes bundles reads this file as it is.

/** Folder of an app in which its bundles lie, each in a folder named by the hash of what it was made from. */
export const BUNDLES = "bundle";

/** What `bundle/inputs.json` says: the newest bundle, the file that starts it, and what it was made from. */
interface BundleNote {
  readonly hash: string;
  readonly entry: string;
  /** Relative to the folder of the note. */
  readonly inputs: readonly string[];
}

/**
 * The hash of names and contents of files.
 * @param folder what the names are relative to
 * @throws Error when one cannot be read
 */
export function hashInputs(folder: string, names: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of names) {
    const content = fs.readFileSync(path.join(folder, name));
    hash.update(`${name}\n${content.length}\n`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}

function readNote(folder: string): BundleNote | null {
  try {
    const note = JSON.parse(fs.readFileSync(path.join(folder, "inputs.json"), "utf8")) as BundleNote;
    return Array.isArray(note.inputs) ? note : null;
  } catch {
    return null; // never bundled, as in an installed package
  }
}

/**
 * @param app folder of an app
 * @returns the file that starts its bundle, null when there is none that was made from its sources as they are now
 */
export function freshBundle(app: string): string | null {
  const folder = path.join(app, BUNDLES);
  const note = readNote(folder);
  if (note === null) return null;
  try {
    const entry = path.join(folder, note.hash, note.entry);
    return hashInputs(folder, note.inputs) === note.hash && fs.existsSync(entry) ? entry : null;
  } catch {
    return null; // a source is gone
  }
}
