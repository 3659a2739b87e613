import {
  type Certificate,
  type IssueOptions,
  type Issuer,
  Oid,
  createSigner,
  generateKeyPair,
  issueCertificate,
  issueIntermediate,
  issueRoot,
  parseCertificate,
} from "@lateen/certificates";
import type { VerifySignatureNow } from "@lateen/certificates";
import { beforeAll, describe, expect, test } from "vitest";
import { type PeerQuestion, judgePeer } from "./judge-peer.ts";
import { signatureCheck } from "./signature-check.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY_SEC = 86_400;
const { crypto } = globalThis;
const signer = async () => createSigner(crypto, await generateKeyPair(crypto));
const real = signatureCheck();

let root: Issuer & { readonly certificate: Certificate };
let mid: Issuer & { readonly certificate: Certificate };
let leaf: Certificate;

async function authority(organization: string): Promise<typeof root> {
  const own = await signer();
  return {
    signer: own,
    certificate: await issueRoot(crypto, { signer: own, organization, nowMs: NOW, ttlSec: DAY_SEC }),
  };
}
async function issued(issuer: Issuer, change: Partial<IssueOptions> = {}): Promise<Certificate> {
  const { publicKey } = await signer();
  return issueCertificate(crypto, {
    issuer,
    publicKey,
    sans: [{ t: "uri", value: "spiffe://cluster.local/ns/a/sa/b" }],
    notBeforeMs: NOW - 60_000,
    notAfterMs: NOW + 3_600_000,
    keyUsages: ["digitalSignature"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
    ...change,
  });
}

beforeAll(async () => {
  root = await authority("mesh");
  const own = await signer();
  const o = { issuer: root, publicKey: own.publicKey, organization: "mid", nowMs: NOW, ttlSec: DAY_SEC };
  mid = { signer: own, certificate: await issueIntermediate(crypto, o) };
  leaf = await issued(mid);
});

function judge(change: Partial<PeerQuestion> & { chain?: readonly Certificate[] } = {}): string {
  const chainDer = (change.chain ?? [leaf, mid.certificate]).map((c) => c.der);
  const base: PeerQuestion = {
    chainDer,
    parse: parseCertificate,
    role: "client",
    roots: [root.certificate],
    nowMs: NOW,
    verify: real,
    verifyPeer: () => null,
  };
  const refusal = judgePeer({ ...base, ...change });
  return refusal === null ? "accepted" : `${refusal.kind}: ${refusal.why}`;
}

describe("a peer", () => {
  test("of the mesh is accepted, by clients and servers", () => {
    expect(judge()).toBe("accepted");
    expect(judge({ role: "server" })).toBe("accepted");
  });
  test("may send its root as well, and others'", async () => {
    const other = await authority("other");
    expect(judge({ chain: [leaf, other.certificate, root.certificate, mid.certificate] })).toBe("accepted");
  });
  test("under either of two roots of one name, as when roots change", async () => {
    const successor = await authority("mesh");
    expect(judge({ roots: [successor.certificate, root.certificate] })).toBe("accepted");
    expect(judge({ roots: [successor.certificate] })).toMatch(
      /^unknown-authority: peer certificate: .*unknown authority/,
    );
  });
  test.each([
    ["without its intermediate", () => judge({ chain: [leaf] }), /^unknown-authority: /],
    ["without any certificate", () => judge({ chain: [] }), /^rejected: peer sent no certificate$/],
    [
      "with noise for a certificate",
      () => judge({ chainDer: [Uint8Array.of(0x30, 1, 5)] }),
      /^rejected: peer certificate: Cannot parse/,
    ],
    [
      "with noise behind its leaf",
      () => judge({ chainDer: [leaf.der, Uint8Array.of(9)] }),
      /^rejected: peer certificate: Cannot parse/,
    ],
    ["before its time", () => judge({ nowMs: NOW - 3_600_000 }), /^not-yet-valid: peer certificate: .*not valid yet$/],
    ["after its time", () => judge({ nowMs: NOW + 7_200_000 }), /^expired: peer certificate: .*has expired$/],
    ["that its caller refuses", () => judge({ verifyPeer: () => "not you" }), /^rejected: not you$/],
  ] as const)("%s is refused", (_name, run, why) => expect(run()).toMatch(why));

  test("that may only be a server is refused by servers", async () => {
    const only = await issued(mid, { extKeyUsages: [Oid.ServerAuth] });
    const chain = [only, mid.certificate];
    expect(judge({ chain })).toBe("accepted");
    expect(judge({ chain, role: "server" })).toMatch(/^wrong-purpose: .*not for the purpose clientAuth$/);
  });
  test("whose leaf was signed by a leaf is refused", async () => {
    const own = await signer();
    const middle = await issued(mid, { publicKey: own.publicKey });
    const below = await issued({ certificate: middle, signer: own });
    expect(judge({ chain: [below, middle, mid.certificate] })).toMatch(/^rejected: .*signs but is not an authority$/);
  });
  test("is not shown to the caller before its chain was verified", () => {
    let shown = 0;
    const verifyPeer = (): null => (shown++, null);
    judge({ chain: [leaf], verifyPeer });
    judge({ nowMs: NOW + 7_200_000, verifyPeer });
    expect(shown).toBe(0);
    judge({ verifyPeer });
    expect(shown).toBe(1);
  });
  test("that sends many look-alikes costs few signatures", async () => {
    let asked = 0;
    const verify: VerifySignatureNow = () => (asked++, false);
    const copies = await Promise.all(Array.from({ length: 14 }, async () => (await authority("mid")).certificate));
    const chain = [leaf, ...copies];
    judge({ chain, verify, roots: Array.from({ length: 40 }, () => mid.certificate) });
    expect(asked).toBe(8);
  });
});

describe("remembered signatures", () => {
  test("do not outlive what else must hold: dates, trust, purpose, the caller", () => {
    const check = signatureCheck();
    const verify = check;
    expect(judge({ verify })).toBe("accepted");
    expect(judge({ verify, nowMs: NOW + 7_200_000 })).toMatch(/^expired/);
    expect(judge({ verify, roots: [] })).toMatch(/^unknown-authority/);
    expect(judge({ verify, verifyPeer: () => "no more" })).toBe("rejected: no more");
    expect(judge({ verify })).toBe("accepted");
  });
  test("are of exactly that key, algorithm, content and signature; a bad one is never remembered", () => {
    const check = signatureCheck();
    const good = {
      publicKey: mid.certificate.publicKey,
      algorithm: leaf.signatureAlgorithm,
      message: leaf.tbs,
      signature: leaf.signature,
    };
    const changed = (b: Uint8Array): Uint8Array => Uint8Array.from(b, (x, i) => (i === b.length - 1 ? x ^ 1 : x));
    const bad = [
      { ...good, message: changed(good.message) },
      { ...good, signature: changed(good.signature) },
      { ...good, publicKey: root.certificate.publicKey },
      { ...good, algorithm: Oid.EcdsaSha384 },
      { ...good, algorithm: Oid.RsaSha256 },
      { ...good, publicKey: Uint8Array.of(0x30, 0) },
      { ...good, signature: new Uint8Array(0) },
    ];
    for (const known of [false, true]) {
      expect(bad.map((b) => check(b))).toEqual(bad.map(() => false));
      expect(check(good)).toBe(true);
      expect(known || check(good)).toBe(true);
    }
  });
});
