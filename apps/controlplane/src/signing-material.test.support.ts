import { webcrypto } from "node:crypto";
import { createSigner, encodePem, exportPrivateKey, generateKeyPair, issueRoot } from "@lateen/certificates";

export interface SigningMaterial {
  readonly keyPem: string;
  readonly certPem: string;
}

/** A root that signs itself, with its key. */
export async function makeRoot(ttlSec = 86_400): Promise<SigningMaterial> {
  const keys = await generateKeyPair(webcrypto);
  const signer = await createSigner(webcrypto, keys);
  const root = await issueRoot(webcrypto, { signer, organization: "somebody", nowMs: Date.now(), ttlSec });
  return { keyPem: await exportPrivateKey(webcrypto, keys), certPem: encodePem("CERTIFICATE", root.der) };
}
