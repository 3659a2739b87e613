import fs from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { Code, MeshError } from "@lateen/errors";
import type { Terminal } from "./command.ts";
import { whyUnreadable } from "./local/manifest-input.ts";

/** A file that the user named, `-` for standard input. @throws MeshError BAD_INPUT saying why it cannot be read */
export async function readUserFile(file: string, terminal: Pick<Terminal, "cwd" | "stdin">): Promise<string> {
  try {
    return file === "-" ? await text(terminal.stdin) : fs.readFileSync(path.resolve(terminal.cwd, file), "utf8");
  } catch (e) {
    throw new MeshError(Code.BadInput, `Cannot read "${file}": ${whyUnreadable(e)}`, {}, e);
  }
}
