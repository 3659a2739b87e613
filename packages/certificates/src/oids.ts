export const Oid = {
  CommonName: "2.5.4.3",
  Organization: "2.5.4.10",
  SubjectKeyId: "2.5.29.14",
  KeyUsage: "2.5.29.15",
  SubjectAltName: "2.5.29.17",
  BasicConstraints: "2.5.29.19",
  AuthorityKeyId: "2.5.29.35",
  ExtKeyUsage: "2.5.29.37",
  AnyExtKeyUsage: "2.5.29.37.0",
  ServerAuth: "1.3.6.1.5.5.7.3.1",
  ClientAuth: "1.3.6.1.5.5.7.3.2",
  ExtensionRequest: "1.2.840.113549.1.9.14",
  EcPublicKey: "1.2.840.10045.2.1",
  P256: "1.2.840.10045.3.1.7",
  P384: "1.3.132.0.34",
  P521: "1.3.132.0.35",
  RsaEncryption: "1.2.840.113549.1.1.1",
  EcdsaSha256: "1.2.840.10045.4.3.2",
  EcdsaSha384: "1.2.840.10045.4.3.3",
  EcdsaSha512: "1.2.840.10045.4.3.4",
  RsaSha256: "1.2.840.113549.1.1.11",
  RsaSha384: "1.2.840.113549.1.1.12",
  RsaSha512: "1.2.840.113549.1.1.13",
} as const;

/** Bits of the keyUsage extension, in their order (RFC 5280 4.2.1.3). */
export const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];
