import { issueRoot, createSigner, generateKeyPair } from "@lateen/certificates";
import { expect, test } from "vitest";
import { SeenCertificates } from "./seen-certificates.ts";

const { crypto } = globalThis;

test("equal bytes give the same certificate, other bytes another, and nonsense is refused each time", async () => {
  const signer = await createSigner(crypto, await generateKeyPair(crypto));
  const make = async (organization: string): Promise<Uint8Array> =>
    (await issueRoot(crypto, { signer, organization, nowMs: Date.now(), ttlSec: 60 })).der;
  const [a, b] = [await make("a"), await make("b")];
  const seen = new SeenCertificates();
  const parse = (der: Uint8Array): unknown => {
    const r = seen.parse(der);
    return r.ok ? r.value : r.error.code;
  };
  const first = parse(a);
  expect(parse(Uint8Array.from(a))).toBe(first);
  expect(parse(b)).not.toBe(first);
  const changed = Uint8Array.from(a);
  changed[changed.length - 1]! ^= 1;
  expect(parse(changed)).not.toBe(first);
  const nonsense = Uint8Array.of(0x30, 1);
  expect([parse(nonsense), parse(nonsense)]).toEqual(["BAD_INPUT", "BAD_INPUT"]);
});
