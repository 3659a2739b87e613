import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { z } from "zod";
import { freshBundle } from "./app-bundle.ts";

/** A program with its arguments, and what its environment gets beside that of its task. */
export interface AppProgram {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What an app's package.json says about how Node runs it, wherever that is: here, in an image, from an installed package. */
const Run = z.object({
  flags: z.array(z.string().startsWith("--")).default([]),
  env: z.record(z.string(), z.string()).default({}),
});
const Manifest = z.object({ lateen: z.object({ run: Run.optional() }).optional() });

function runOf(app: string): z.output<typeof Run> {
  const file = path.join(app, "package.json");
  const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "{}";
  return Manifest.parse(JSON.parse(text)).lateen?.run ?? Run.parse({});
}

/**
 * How an app is started, given its main file: a source, from its bundle while that is what the sources would give, else unbuilt;
 * a built file as it is; anything else is a foreign ztunnel, with the arguments of its container (dataplane 12.2). Asked at each
 * start: sources may have changed since the last.
 * @param entry `<app>/src/main.ts`, `<app>/dist/main.js` or a program
 */
export function appProgram(entry: string): AppProgram {
  const extension = path.extname(entry);
  if (extension !== ".ts" && extension !== ".js") return { program: entry, args: ["proxy", "ztunnel"], env: {} };
  const app = path.dirname(path.dirname(entry));
  const { flags, env } = runOf(app);
  if (extension === ".js") return { program: process.execPath, args: [...flags, entry], env };
  const bundled = freshBundle(app);
  const what = bundled === null ? ["--conditions=lateen:source", entry] : [bundled];
  return { program: process.execPath, args: [...flags, ...what], env };
}
