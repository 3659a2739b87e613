import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { meshFolders, prepareFolders } from "./mesh-folders.ts";

describe("where a mesh keeps its state", () => {
  const rows: readonly [string, number, Record<string, string>, string][] = [
    ["root's", 0, { HOME: "/root" }, "/var/lib/lateen/default"],
    ["a user's", 1000, { HOME: "/home/u" }, "/home/u/.local/state/lateen/default"],
    ["a user's with XDG", 1000, { HOME: "/home/u", XDG_STATE_HOME: "/s" }, "/s/lateen/default"],
    ["XDG must be absolute", 1000, { HOME: "/home/u", XDG_STATE_HOME: "s" }, "/home/u/.local/state/lateen/default"],
    ["an own home goes first", 0, { LATEEN_STATE_HOME: "/t" }, "/t/default"],
  ];
  for (const [name, uid, env, state] of rows)
    test(`${name}: ${state}`, () => {
      const folders = meshFolders({ mesh: "default", env, uid });
      expect(folders.ok && folders.value.state).toBe(state);
    });

  for (const mesh of ["", "Upper", "a/b", "../x", "-a", "a".repeat(33)])
    test(`the name ${JSON.stringify(mesh)} is refused`, () =>
      expect(meshFolders({ mesh, env: {}, uid: 0 }).ok).toBe(false));

  test("a path too long for sockets is refused before anything is made", () => {
    const result = meshFolders({ mesh: "default", env: { LATEEN_STATE_HOME: `/${"x".repeat(100)}` }, uid: 0 });
    expect(result.ok ? "" : result.error.message).toContain("at most 107");
  });
});

test("folders are private, and what a dead mesh left is gone", () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "lateen-f-"));
  try {
    const folders = meshFolders({ mesh: "m", env: { LATEEN_STATE_HOME: home }, uid: 0 });
    if (!folders.ok) throw folders.error;
    prepareFolders(folders.value);
    fs.writeFileSync(path.join(folders.value.observed, "old.yaml"), "");
    fs.writeFileSync(path.join(folders.value.applied, "kept.yaml"), "");
    prepareFolders(folders.value);
    expect(fs.readdirSync(folders.value.observed)).toEqual([]);
    expect(fs.readdirSync(folders.value.applied)).toEqual(["kept.yaml"]);
    expect(fs.statSync(folders.value.state).mode & 0o777).toBe(0o700);
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
  }
});

test("a state folder that cannot be made is named", () => {
  const folders = meshFolders({ mesh: "m", env: { LATEEN_STATE_HOME: "/dev/null/nowhere" }, uid: 0 });
  if (!folders.ok) throw folders.error;
  expect(() => prepareFolders(folders.value)).toThrow(/Cannot prepare state folder "\/dev\/null\/nowhere\/m"/);
});
