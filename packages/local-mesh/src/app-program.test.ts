import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BUNDLES, freshBundle, hashInputs } from "./app-bundle.ts";
import { appProgram } from "./app-program.ts";

describe("how an app is started", () => {
  let app: string;
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(app, name)), { recursive: true });
    fs.writeFileSync(path.join(app, name), text);
  };
  /** What the tool that bundles leaves behind. */
  const bundle = (...inputs: readonly string[]): string => {
    const folder = path.join(app, BUNDLES);
    fs.mkdirSync(folder, { recursive: true });
    const names = inputs.map((name) => path.relative(folder, path.join(app, name)));
    const hash = hashInputs(folder, names);
    write(path.join(BUNDLES, hash, "control/main.js"), "");
    write(path.join(BUNDLES, "inputs.json"), JSON.stringify({ hash, entry: "control/main.js", inputs: names }));
    return path.join(folder, hash, "control/main.js");
  };
  const source = (): string => path.join(app, "src/main.ts");

  beforeEach(() => {
    app = fs.mkdtempSync(path.join(os.tmpdir(), "lateen-app-"));
    write("src/main.ts", "one");
    write("src/part.ts", "two");
    write("package.json", JSON.stringify({ lateen: { run: { flags: ["--expose-gc"], env: { A: "1" } } } }));
  });
  afterEach(() => fs.rmSync(app, { recursive: true, force: true }));

  test("from its sources, where nothing is bundled", () => {
    const args = ["--expose-gc", "--conditions=lateen:source", source()];
    expect(appProgram(source())).toEqual({ program: process.execPath, args, env: { A: "1" } });
  });

  test("from its bundle, as long as every input is what it was", () => {
    const entry = bundle("src/main.ts", "src/part.ts");
    expect(freshBundle(app)).toBe(entry);
    expect(appProgram(source()).args).toEqual(["--expose-gc", entry]);
    write("src/other.ts", "no input");
    expect(freshBundle(app)).toBe(entry);
    write("src/part.ts", "TWO");
    expect(freshBundle(app)).toBeNull();
    expect(appProgram(source()).args).toContain(source());
    write("src/part.ts", "two");
    expect(freshBundle(app)).toBe(entry);
    fs.rmSync(path.join(app, "src/part.ts"));
    expect(freshBundle(app)).toBeNull();
  });

  test("a bundle that is not there, or a note that is cut short, is none", () => {
    const entry = bundle("src/main.ts");
    fs.rmSync(entry);
    expect(freshBundle(app)).toBeNull();
    write(path.join(BUNDLES, "inputs.json"), '{"hash":');
    expect(freshBundle(app)).toBeNull();
  });

  test("content that moves from one input to the next is a change", () => {
    const folder = path.join(app, BUNDLES);
    const names = ["../src/main.ts", "../src/part.ts"];
    const before = hashInputs(folder, names);
    write("src/main.ts", "onet");
    write("src/part.ts", "wo");
    expect(hashInputs(folder, names)).not.toBe(before);
  });

  test("a built app with the same flags, one that says nothing without, another program as its container would", () => {
    const built = path.join(app, "dist/main.js");
    expect(appProgram(built)).toEqual({ program: process.execPath, args: ["--expose-gc", built], env: { A: "1" } });
    fs.rmSync(path.join(app, "package.json"));
    expect(appProgram(built)).toEqual({ program: process.execPath, args: [built], env: {} });
    expect(appProgram("/bin/ztunnel")).toEqual({ program: "/bin/ztunnel", args: ["proxy", "ztunnel"], env: {} });
  });
});
