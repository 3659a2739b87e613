import { Code, MeshError } from "@lateen/errors";

export type CipherName = "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";
export type HashName = "sha256" | "sha384";

export interface Suite {
  /** As on the wire. */
  readonly id: number;
  readonly name: string;
  readonly cipher: CipherName;
  readonly hash: HashName;
  readonly keyBytes: number;
  readonly hashBytes: number;
  /**
   * Records sealed under one key before we change it by ourselves. AES-GCM may seal 2^24.5 full records; ChaCha20-Poly1305 has
   * no limit that matters, and is renewed all the same.
   * @see RFC 8446 section 5.5
   */
  readonly updateAfter: number;
}

const GCM_UPDATE_AFTER = 2 ** 23;

/** The suites of TLS 1.3 that a mesh speaks. @see RFC 8446 appendix B.4 */
export const SUITES: readonly Suite[] = [
  {
    id: 0x1301,
    name: "TLS_AES_128_GCM_SHA256",
    cipher: "aes-128-gcm",
    hash: "sha256",
    keyBytes: 16,
    hashBytes: 32,
    updateAfter: GCM_UPDATE_AFTER,
  },
  {
    id: 0x1302,
    name: "TLS_AES_256_GCM_SHA384",
    cipher: "aes-256-gcm",
    hash: "sha384",
    keyBytes: 32,
    hashBytes: 48,
    updateAfter: GCM_UPDATE_AFTER,
  },
  {
    id: 0x1303,
    name: "TLS_CHACHA20_POLY1305_SHA256",
    cipher: "chacha20-poly1305",
    hash: "sha256",
    keyBytes: 32,
    hashBytes: 32,
    updateAfter: 2 ** 32,
  },
];

/** @throws MeshError BAD_INPUT for a suite that is not of TLS 1.3 or not spoken here */
export function suiteOf(id: number): Suite {
  const suite = SUITES.find((s) => s.id === id);
  if (suite === undefined)
    throw new MeshError(Code.BadInput, `Cannot seal records: unknown suite 0x${id.toString(16)}`);
  return suite;
}
