import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSigner, createSigningRequest, generateKeyPair } from "@lateen/certificates";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Authority, openAuthority } from "./authority.ts";
import { PrivateFolder, openPrivateFolder } from "./private-folder.ts";
import { splitBundle } from "./successor.ts";

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
let dir: string;
let nowMs: number;
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "lateen-ca-")), "ca");
  nowMs = NOW;
});
afterEach(() => rm(join(dir, ".."), { recursive: true, force: true }));
const open = (): Promise<Authority> => openAuthority({ keys: dir, trustDomain: "td", nowMs: () => nowMs });

async function leafOf(authority: Authority, holder: "proxy" | "other" = "proxy"): Promise<X509Certificate> {
  const csrPem = await createSigningRequest(await createSigner(crypto, await generateKeyPair(crypto)), []);
  const made = await authority.sign({
    csrPem,
    names: [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }],
    ttlSec: 0,
    holder,
  });
  if (!made.ok) throw made.error;
  return new X509Certificate(made.value[0] ?? "");
}
const step = async (authority: Authority, what: Parameters<Authority["step"]>[0]): Promise<string> => {
  const done = await authority.step(what);
  return done.ok ? done.value.phase : done.error.message;
};
/** Which of the roots, by their place, issued the leaf; -1: none. */
const issuerIn = (roots: readonly string[], leaf: X509Certificate): number =>
  roots.findIndex((root) => leaf.verify(new X509Certificate(root).publicKey));

test("each phase signs and trusts as it says, also for who opens the store anew in its midst", async () => {
  const first = await open();
  const [old = ""] = splitBundle(first.rootsPem);
  const told: number[] = [];
  using _listening = first.onChange(() => told.push(splitBundle(first.rootsPem).length));
  const seen: unknown[] = [];
  let fresh = "";
  for (const what of ["rotate", "advance", "advance", "advance"] as const) {
    const phase = await step(await open(), what);
    await first.reload();
    const reopened = await open();
    fresh ||= splitBundle(first.rootsPem).find((root) => root !== old) ?? "";
    expect(reopened.rootsPem).toBe(first.rootsPem);
    expect(first.problems).toEqual([]);
    const bundle = splitBundle(first.rootsPem).map((root) => (root === old ? "old" : "new"));
    const signs = issuerIn([old, fresh], await leafOf(first)) === 0 ? "old" : "new";
    expect(issuerIn([old, fresh], await leafOf(reopened)) === 0 ? "old" : "new").toBe(signs);
    seen.push([phase, signs, bundle]);
  }
  expect(seen).toEqual([
    ["distribute", "old", ["old", "new"]],
    ["switch", "new", ["new", "old"]],
    ["retire", "new", ["new"]],
    ["none", "new", ["new"]],
  ]);
  expect(told).toEqual([2, 2, 1]);
  expect(await readFile(join(dir, "ca-cert.pem"), "utf8")).toBe(fresh);
  expect((await stat(join(dir, "rotation.json"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(dir, "rotation.json"), "utf8")).not.toContain("PRIVATE");
});

test("a rollback goes back to the root that signed before", async () => {
  const authority = await open();
  const before = authority.rootsPem;
  expect([await step(authority, "rotate"), await step(authority, "rollback")]).toEqual(["distribute", "none"]);
  expect(authority.rootsPem).toBe(before);
  for (const what of ["rotate", "advance", "rollback"] as const) await step(authority, what);
  expect(issuerIn([before], await leafOf(authority))).toBe(0);
  expect([await step(authority, "advance"), await step(authority, "rollback")]).toEqual([
    "retire",
    "Cannot roll back the root: the old root is retired: nobody trusts it any more; rotate again instead",
  ]);
  expect(await step(authority, "advance")).toBe("none");
  expect((await open()).rootsPem).toBe(before);
});

test("whatever write of a step is the last one before a crash, the store opens in the phase before or after it", async () => {
  class Crashes extends PrivateFolder {
    left = Infinity;
    override write(...of: Parameters<PrivateFolder["write"]>): Promise<void> {
      this.left -= 1;
      return this.left < 0 ? Promise.reject(new Error("the machine stopped")) : super.write(...of);
    }
  }
  for (const writes of [0, 1, 2]) {
    const fresh = await openAuthority({ keys: `${dir}-${writes}`, trustDomain: "td", nowMs: () => nowMs });
    for (const what of ["rotate", "advance", "advance"] as const) await step(fresh, what);
    const [root = ""] = splitBundle(fresh.rootsPem);
    await openPrivateFolder(`${dir}-${writes}`);
    const store = new Crashes(`${dir}-${writes}`);
    const crashing = await openAuthority({ keys: store, trustDomain: "td", nowMs: () => nowMs });
    store.left = writes;
    await expect(crashing.step("advance")).rejects.toThrow("the machine stopped");
    const after = await openAuthority({ keys: `${dir}-${writes}`, trustDomain: "td", nowMs: () => nowMs });
    expect([after.rotation.phase, splitBundle(after.rootsPem)]).toEqual(["retire", [root]]);
    expect(await step(after, "advance")).toBe("none");
  }
});

test("two who step from the same state do not both step", async () => {
  const [a, b] = [await open(), await open()];
  const { serial } = a.rotation;
  await step(a, "rotate");
  const second = await b.step("advance", serial);
  expect(second.ok ? "stepped" : second.error.message).toBe(
    "Cannot go on with the rotation: another replica was faster",
  );
});

test("keys of somebody else, and a file that is no state, are left alone", async () => {
  await open();
  await writeFile(join(dir, "root-cert.pem"), await readFile(join(dir, "ca-cert.pem"), "utf8"));
  expect(await step(await open(), "rotate")).toMatch(/were plugged in: who made them changes them/);
  await rm(join(dir, "root-cert.pem"));
  await writeFile(join(dir, "rotation.json"), '{"phase":"switch"}', { mode: 0o600 });
  await expect(open()).rejects.toThrow(/rotation\.json: serial and sinceMs must be numbers/);
});

test("a rotation knows how long what was issued before may be in use, also after a restart", async () => {
  const first = await open();
  await leafOf(first, "proxy");
  expect((await open()).issued).toEqual({ longestMs: 24 * HOUR, othersUntilMs: 0 });
  await leafOf(first, "other");
  const again = await open();
  expect(again.issued).toEqual({ longestMs: 24 * HOUR, othersUntilMs: NOW + 30 * HOUR });
  nowMs += HOUR;
  await step(again, "rotate");
  expect(again.rotation).toMatchObject({ expiredMs: nowMs + 24 * HOUR, othersExpiredMs: NOW + 30 * HOUR });
});
