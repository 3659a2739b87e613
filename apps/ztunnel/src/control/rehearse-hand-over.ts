import {
  Oid,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  issueCertificate,
  issueRoot,
} from "@lateen/certificates";
import type { Logger } from "@lateen/telemetry";
import type { CredentialsPem } from "../messages.ts";
import type { DataThreads } from "./data-threads.ts";

const TTL_SEC = 600;

/** A certificate that nobody but its holder trusts, for a handshake with oneself. */
async function throwAwayCredentials(nowMs: number): Promise<CredentialsPem> {
  const signer = await createSigner(crypto, await generateKeyPair(crypto));
  const root = await issueRoot(crypto, { signer, organization: "rehearsal", nowMs, ttlSec: TTL_SEC });
  const keys = await generateKeyPair(crypto);
  const leaf = await issueCertificate(crypto, {
    issuer: { certificate: root, signer },
    publicKey: (await createSigner(crypto, keys)).publicKey,
    sans: [{ t: "uri", value: "spiffe://rehearsal/ns/rehearsal/sa/rehearsal" }],
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + TTL_SEC * 1_000,
    keyUsages: ["digitalSignature"],
    extKeyUsages: [Oid.ServerAuth, Oid.ClientAuth],
  });
  return {
    keyPem: await exportPrivateKey(crypto, keys),
    chainPem: encodePem("CERTIFICATE", leaf.der),
    rootsPem: [encodePem("CERTIFICATE", root.der)],
  };
}

/** Every data thread does all that a hand-over does, with connections of no one, so that none of it is done for the first time. Never throws. */
export async function rehearseHandOver(threads: Pick<DataThreads, "rehearse">, log: Logger): Promise<void> {
  const startedMs = performance.now();
  const problems = await throwAwayCredentials(Date.now())
    .then((credentials) => threads.rehearse(credentials))
    .catch((error: unknown) => [String(error)]);
  const took = `${Math.round(performance.now() - startedMs)}ms`;
  log.debug("rehearsed", { took, error: problems.length === 0 ? null : problems.join("; ") });
}
