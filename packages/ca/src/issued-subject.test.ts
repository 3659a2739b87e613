import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import { type Certificate, parseCertificates } from "@lateen/certificates";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Authority, openAuthority } from "./authority.ts";

/** Made by OpenSSL for the subject `O=o, CN=web`; its key is kept nowhere. */
const WITH_COMMON_NAME = `-----BEGIN CERTIFICATE REQUEST-----
MIHUMHwCAQAwGjEKMAgGA1UECgwBbzEMMAoGA1UEAwwDd2ViMFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEMYIEpZ83eaB4hzc1xUtOyu++mDOscJxyZWZxEOvO/CTi
vgaoA7BerYsjffzJ9QKU3hlM7uh6zobnBxrWQRF5K6AAMAoGCCqGSM49BAMCA0gA
MEUCIQC7X2h4o6SxwlorBF6mZuz6gF4cZNdOw7ISmWrAyUQx1AIgIO2/LqyjedR0
I/LHURNW9miDKXq0CO6EbMg2ZKiYLk0=
-----END CERTIFICATE REQUEST-----`;

let folder = "";
let authority: Authority;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lateen-ca-"));
  authority = await openAuthority({ keys: join(folder, "ca"), trustDomain: "td", nowMs: Date.now });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function issued(name: string, asAuthority = false): Promise<Certificate> {
  const names = [{ t: "uri", value: name }] as const;
  const answer = await authority.sign({ csrPem: WITH_COMMON_NAME, names, ttlSec: 60, authority: asAuthority });
  const parsed = parseCertificates(answer.ok ? (answer.value[0] ?? "") : "");
  if (!answer.ok) throw answer.error;
  if (!parsed.ok) throw parsed.error;
  return parsed.value[0]!;
}
const subjectOf = (c: Certificate): string => Buffer.from(c.subject).toString("latin1");

test("a request with a common name gets the name that it is issued for, and never its own", async () => {
  const subject = subjectOf(await issued("spiffe://td/ns/a/sa/b"));
  expect(subject).toContain("spiffe://td/ns/a/sa/b");
  expect(subject).not.toContain("web");
});

test("a name that is too long for a common name leaves the subject empty", async () => {
  const long = `spiffe://td/ns/a/sa/${"b".repeat(60)}`;
  const certificate = await issued(long);
  expect(subjectOf(certificate)).not.toContain("spiffe");
  expect(certificate.sans).toEqual([{ t: "uri", value: long }]);
});

test("an authority signs certificates, of leaves only, and is nobody's client", async () => {
  const { isCa, pathLength, keyUsages, extKeyUsages } = await issued("spiffe://td/ns/a/sa/b", true);
  expect({ isCa, pathLength, keyUsages, extKeyUsages }).toEqual({
    isCa: true,
    pathLength: 0,
    keyUsages: ["keyCertSign"],
    extKeyUsages: null,
  });
});
