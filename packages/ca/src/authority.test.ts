import { X509Certificate } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  createSigner,
  createSigningRequest,
  generateKeyPair,
  issueIntermediate,
  issueRoot,
  encodePem,
  exportPrivateKey,
} from "@lateen/certificates";
import { Code, MeshError } from "@lateen/errors";
import { FakeClock, eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AuthorityOptions, openAuthority } from "./authority.ts";
import { PrivateFolder, replaceFile } from "./private-folder.ts";
import { loadRoot } from "./root-store.ts";
import { watchKeyFolder } from "./watch-key-folder.ts";

const DAY = 86_400;
const NOW = Date.UTC(2026, 5, 1);
const crypto = globalThis.crypto;
let base: string;
let dir: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "lateen-ca-"));
  dir = join(base, "ca");
});
afterEach(async () => {
  await chmod(base, 0o700).catch(() => undefined);
  await rm(base, { recursive: true, force: true });
});
const open = (change: Partial<AuthorityOptions> = {}) =>
  openAuthority({ keys: dir, trustDomain: "td", nowMs: () => NOW, ...change });
const names = [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }] as const;
async function csr(): Promise<string> {
  const signer = await createSigner(crypto, await generateKeyPair(crypto));
  return createSigningRequest(signer, [{ t: "uri", value: "spiffe://evil/ns/x/sa/y" }]);
}
async function mode(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

describe("the folder", () => {
  test("is made with a root, and opened again with the same one", async () => {
    const first = await open();
    expect([await mode(dir), await mode(join(dir, "ca-key.pem"))]).toEqual(["700", "600"]);
    expect((await open()).rootsPem).toBe(first.rootsPem);
    expect((await readdir(dir)).sort()).toEqual(["ca-cert.pem", "ca-key.pem", "issued.json"]);
    const root = new X509Certificate(first.rootsPem);
    expect([root.ca, root.subject, root.checkIssued(root)]).toEqual([true, "O=td", true]);
    expect(root.validToDate.getTime()).toBe(NOW + 3650 * DAY * 1000);
  });

  for (const [name, spoil, why] of [
    ["that others can enter", () => chmod(dir, 0o750), /others may use it \(mode 0750\); run chmod 700/],
    ["whose key others can read", () => chmod(join(dir, "ca-key.pem"), 0o640), /ca-key\.pem.*mode 0640.*chmod 600/],
    ["without its key", () => rm(join(dir, "ca-key.pem")), /holds ca-cert\.pem but not ca-key\.pem/],
    [
      "with half a key",
      () => writeFile(join(dir, "ca-key.pem"), "-----BEGIN PRIVATE KEY-----"),
      /ca-key\.pem: Cannot read private key/,
    ],
    ["with half a certificate", () => writeFile(join(dir, "ca-cert.pem"), "-----BEGIN CERT"), /ca-cert\.pem: /],
    ["with an empty certificate", () => writeFile(join(dir, "ca-cert.pem"), ""), /ca-cert\.pem: .*no PEM block/],
  ] as const)
    test(`${name} is refused and left as it is`, async () => {
      await open();
      await spoil();
      const before = await readdir(dir);
      await expect(open()).rejects.toMatchObject({ code: "BAD_INPUT", message: expect.stringMatching(why) as string });
      expect(await readdir(dir)).toEqual(before);
    });

  test("of another user is refused", async () => {
    await open();
    using user = vi.spyOn(process, "geteuid").mockReturnValue(4_242);
    await expect(open()).rejects.toThrow(/^Cannot use key folder .*: it belongs to user \d+, not to 4242$/);
    expect(user).toHaveBeenCalled();
  });

  test("with the key of another root is refused", async () => {
    await open();
    const keys = await generateKeyPair(crypto);
    await writeFile(join(dir, "ca-key.pem"), await exportPrivateKey(crypto, keys), { mode: 0o600 });
    await expect(open()).rejects.toThrow(/is not of the key in ca-key\.pem/);
  });

  test("that is a link or a file is refused", async () => {
    await mkdir(join(base, "real"), { mode: 0o700 });
    await symlink(join(base, "real"), dir);
    await expect(open()).rejects.toThrow(/it is not a folder/);
    await expect(
      open({ keys: await writeFile(join(base, "f"), "").then(() => join(base, "f")) }),
    ).rejects.toMatchObject({ code: "BAD_INPUT" });
  });

  test("a start that was cut off after the key goes on with that key", async () => {
    await open();
    const key = await readFile(join(dir, "ca-key.pem"), "utf8");
    await rm(join(dir, "ca-cert.pem"));
    await open();
    expect(await readFile(join(dir, "ca-key.pem"), "utf8")).toBe(key);
  });

  test("on a disk that takes nothing says so", async () => {
    // A path through procfs refuses folders to every user, root included.
    await expect(open({ keys: "/proc/self/fdinfo/ca" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/^Cannot create key folder \/proc\/self\/fdinfo\/ca: /) as string,
    });
  });
});

describe("a root near its end", () => {
  const later = { nowMs: () => NOW + 900 * DAY * 1000, rootTtlSec: 1000 * DAY };
  test("is renewed with the same key, so that what it signed stays valid", async () => {
    const old = await open({ rootTtlSec: 1000 * DAY });
    const [leaf = ""] = await chain(old);
    const renewed = await open(later);
    expect(renewed.rootsPem).not.toBe(old.rootsPem);
    expect(new X509Certificate(leaf).verify(new X509Certificate(renewed.rootsPem).publicKey)).toBe(true);
    expect((await open(later)).rootsPem).toBe(renewed.rootsPem);
  });
  test("stays when the disk takes nothing, and the authority says so", async () => {
    const old = await open({ rootTtlSec: 1000 * DAY });
    class FullDisk extends PrivateFolder {
      override write(): Promise<void> {
        return Promise.reject(new MeshError(Code.Unavailable, "Cannot write ca-cert.pem: the disk is full"));
      }
    }
    const { rootsPem, problems } = await loadRoot(new FullDisk(dir), {
      organization: "td",
      nowMs: later.nowMs(),
      rootTtlSec: later.rootTtlSec,
    });
    expect(rootsPem).toBe(old.rootsPem);
    expect(problems).toEqual(["Cannot renew the root, the old one stays: Cannot write ca-cert.pem: the disk is full"]);
  });
  test("that has passed is refused", async () => {
    await open({ rootTtlSec: DAY });
    await expect(open({ nowMs: () => NOW + 2 * DAY * 1000 })).rejects.toThrow(/ca-cert\.pem has expired/);
  });
});

async function chain(authority: Awaited<ReturnType<typeof open>>, ttlSec = 0): Promise<readonly string[]> {
  const r = await authority.sign({ csrPem: await csr(), names, ttlSec });
  if (!r.ok) throw r.error;
  return r.value;
}

describe("sign", () => {
  test("issues for who the caller is, whatever the request names", async () => {
    const authority = await open();
    const answer = await chain(authority, 3_600);
    expect(answer.length).toBe(2);
    expect(answer.every((e) => e.endsWith("-----END CERTIFICATE-----\n"))).toBe(true);
    const leaf = new X509Certificate(answer[0] ?? "");
    const root = new X509Certificate(answer[1] ?? "");
    expect(leaf.subjectAltName).toBe("URI:spiffe://td/ns/a/sa/b");
    expect([leaf.subject, leaf.ca, leaf.checkIssued(root), leaf.verify(root.publicKey)]).toEqual([
      undefined,
      false,
      true,
      true,
    ]);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect([leaf.validFromDate.getTime(), leaf.validToDate.getTime()]).toEqual([NOW - 120_000, NOW + 3_600_000]);
  });

  test("lifetimes: default, limit, and never beyond the root", async () => {
    const authority = await open({ rootTtlSec: 10 * DAY, maxTtlSec: 30 * DAY });
    const end = async (ttlSec: number): Promise<number> =>
      (new X509Certificate((await chain(authority, ttlSec))[0] ?? "").validToDate.getTime() - NOW) / 1000;
    expect([await end(0), await end(-5), await end(60), await end(20 * DAY)]).toEqual([DAY, DAY, 60, 10 * DAY]);
    const over = await authority.sign({ csrPem: await csr(), names, ttlSec: 30 * DAY + 1 });
    expect(over.ok ? "issued" : `${over.error.code} ${over.error.message}`).toMatch(/^BAD_INPUT .*over the limit/);
  });

  test("refuses what is not a request of its own key", async () => {
    const authority = await open();
    for (const csrPem of ["", "words", (await csr()).replace("MIH", "MIG")]) {
      const r = await authority.sign({ csrPem, names, ttlSec: 0 });
      expect(r.ok ? "issued" : r.error.code).toBe("BAD_INPUT");
    }
  });

  test("serials differ", async () => {
    const authority = await open();
    const serials = await Promise.all(
      Array.from({ length: 20 }, async () => new X509Certificate((await chain(authority))[0] ?? "").serialNumber),
    );
    expect(new Set(serials).size).toBe(20);
  });
});

test("an intermediate that somebody plugged in signs, and its chain is sent", async () => {
  const rootKeys = await createSigner(crypto, await generateKeyPair(crypto));
  const root = await issueRoot(crypto, { signer: rootKeys, organization: "corp", nowMs: NOW, ttlSec: 30 * DAY });
  const keys = await generateKeyPair(crypto);
  const { publicKey } = await createSigner(crypto, keys);
  const issuer = { certificate: root, signer: rootKeys };
  const mid = await issueIntermediate(crypto, {
    issuer,
    publicKey,
    organization: "mesh",
    nowMs: NOW,
    ttlSec: 20 * DAY,
  });
  const pem = (c: { der: Uint8Array }): string => encodePem("CERTIFICATE", c.der);
  await mkdir(dir, { mode: 0o700 });
  await writeFile(join(dir, "ca-key.pem"), await exportPrivateKey(crypto, keys), { mode: 0o600 });
  await writeFile(join(dir, "ca-cert.pem"), pem(mid));
  await writeFile(join(dir, "cert-chain.pem"), pem(mid) + pem(root));
  await writeFile(join(dir, "root-cert.pem"), pem(root));
  const answer = await chain(await open());
  expect(answer.slice(1)).toEqual([pem(mid), pem(root)]);
  expect(new X509Certificate(answer[0] ?? "").checkIssued(new X509Certificate(pem(mid)))).toBe(true);
});

test("a certificate for a server of the control plane", async () => {
  const server = await (
    await open()
  ).issueServer({
    names: [
      { t: "dns", value: "istiod.istio-system.svc" },
      { t: "ip", value: "10.0.0.1" },
    ],
    ttlSec: DAY,
  });
  const leaf = new X509Certificate(server.chainPem);
  expect(leaf.subjectAltName).toBe("DNS:istiod.istio-system.svc, IP Address:10.0.0.1");
  expect(leaf.checkHost("istiod.istio-system.svc")).toBe("istiod.istio-system.svc");
});

describe("replaceFile", () => {
  test("leaves the old file and nothing else when it fails", async () => {
    const path = join(base, "root-cert.pem");
    await mkdir(path); // a folder cannot be replaced by a file, whoever tries
    await expect(replaceFile(path, "new", 0o644)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await readdir(base)).toEqual(["root-cert.pem"]);
  });
  test("puts the new text in place with its mode", async () => {
    const path = join(base, "root-cert.pem");
    await writeFile(path, "old");
    await replaceFile(path, "new", 0o640);
    expect([await readFile(path, "utf8"), await mode(path), await readdir(base)]).toEqual([
      "new",
      "640",
      ["root-cert.pem"],
    ]);
  });
});

describe("reload", () => {
  const pem = (c: { der: Uint8Array }): string => encodePem("CERTIFICATE", c.der);
  interface Made {
    readonly keyPem: string;
    readonly certPem: string;
  }
  async function made(nowMs = NOW, ttlSec = 30 * DAY): Promise<Made> {
    const keys = await generateKeyPair(crypto);
    const root = await issueRoot(crypto, {
      ...{ signer: await createSigner(crypto, keys), organization: "corp" },
      ...{ nowMs, ttlSec },
    });
    return { keyPem: await exportPrivateKey(crypto, keys), certPem: pem(root) };
  }
  async function plugIn(signs: Made, roots: readonly Made[]): Promise<void> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(join(dir, "ca-key.pem"), signs.keyPem, { mode: 0o600 });
    await writeFile(join(dir, "ca-cert.pem"), signs.certPem);
    await writeFile(join(dir, "root-cert.pem"), roots.map((r) => r.certPem).join(""));
  }
  const signer = async (authority: Awaited<ReturnType<typeof open>>): Promise<string> => {
    const [leaf = "", ...above] = await chain(authority);
    const found = above
      .join("")
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .filter((p) => p !== "" && new X509Certificate(leaf).verify(new X509Certificate(p).publicKey));
    return found[0] ?? "nobody";
  };

  test("takes a root beside the old one, then another signer, then lets the old root go; each is told once", async () => {
    const [old, next] = [await made(), await made()];
    await plugIn(old, [old]);
    const authority = await open();
    let told = 0;
    using _listening = authority.onChange(() => (told += 1));
    await authority.reload();
    expect(told).toBe(0);
    await plugIn(old, [old, next]);
    await authority.reload();
    expect([authority.rootsPem, await signer(authority), told]).toEqual([old.certPem + next.certPem, old.certPem, 1]);
    await plugIn(next, [old, next]);
    await authority.reload();
    expect([await signer(authority), told]).toEqual([next.certPem, 2]);
    await plugIn(next, [next]);
    await authority.reload();
    expect([authority.rootsPem, told, authority.problems]).toEqual([next.certPem, 3, []]);
  });

  for (const [name, change, why] of [
    ["a root that nobody has", (_: Made, b: Made) => plugIn(b, [b]), /roots lack the root of what signs now/],
    ["roots without the old one", (a: Made, b: Made) => plugIn(a, [b]), /leads to none of its roots/],
    ["a new signer and its root at once", (a: Made, b: Made) => plugIn(b, [a, b]), /no root that proxies trust now/],
    [
      "half a certificate",
      (a: Made) => plugIn(a, [a]).then(() => writeFile(join(dir, "root-cert.pem"), "-----BEGIN CERT")),
      /root-cert\.pem: /,
    ],
    ["no files any more", () => rm(dir, { recursive: true }), /they are gone/],
  ] as const)
    test(`refuses ${name}, and goes on with what it has`, async () => {
      const [a, b] = [await made(), await made()];
      await plugIn(a, [a]);
      const authority = await open();
      using _listening = authority.onChange(() => expect.unreachable());
      await change(a, b);
      await authority.reload();
      expect(authority.problems).toEqual([expect.stringMatching(why)]);
      expect([authority.rootsPem, await signer(authority)]).toEqual([a.certPem, a.certPem]);
      await plugIn(a, [a]);
      await authority.reload();
      expect(authority.problems).toEqual([]);
    });

  test("refuses a signer that has expired", async () => {
    const [a, b] = [await made(), await made(NOW - 2 * DAY * 1_000, DAY)];
    await plugIn(a, [a, b]);
    const authority = await open();
    await plugIn(b, [a, b]);
    await authority.reload();
    expect(authority.problems).toEqual([expect.stringMatching(/the signing certificate has expired/)]);
  });

  test("renews a root of its own in its last fifth, with its key", async () => {
    let nowMs = NOW;
    const authority = await open({ nowMs: () => nowMs, rootTtlSec: 100 * DAY });
    const [before, [leaf = ""]] = [authority.rootsPem, await chain(authority)];
    nowMs = NOW + 79 * DAY * 1_000;
    await authority.reload();
    expect(authority.rootsPem).toBe(before);
    nowMs = NOW + 81 * DAY * 1_000;
    await authority.reload();
    expect(authority.rootsPem).not.toBe(before);
    expect(new X509Certificate(leaf).verify(new X509Certificate(authority.rootsPem).publicKey)).toBe(true);
    expect((await open({ nowMs: () => nowMs })).rootsPem).toBe(authority.rootsPem);
  });

  test("of a root plugged in that leads nowhere there is no start", async () => {
    const [a, b] = [await made(), await made()];
    await plugIn(a, [b]);
    await expect(open()).rejects.toThrow(/leads to none of its roots/);
  });
});

test("a watched folder tells of files that were replaced, once they stand still", async () => {
  const authority = await open();
  const clock = new FakeClock(0);
  let told = 0;
  using _watch = watchKeyFolder({ path: dir, clock, changed: () => (told += 1) });
  const looks = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) {
      await eventually(() => clock.pending > 0);
      clock.advance(1_000);
    }
    await eventually(() => clock.pending > 0);
  };
  await looks(3);
  expect(told).toBe(1);
  told = 0;
  await replaceFile(join(dir, "ca-cert.pem"), authority.rootsPem, 0o644);
  await looks(1);
  expect(told).toBe(0);
  await replaceFile(join(dir, "root-cert.pem"), authority.rootsPem, 0o644);
  await looks(1);
  expect(told).toBe(0);
  await looks(4);
  expect(told).toBe(1);
});
