export {
  type Certificate,
  type KeyUsage,
  type SubjectAltName,
  parseCertificate,
  parseCertificates,
  serialDecimal,
  uriNames,
} from "./certificate.ts";
export type { Extensions } from "./extensions.ts";
export {
  type IssueOptions,
  type Issuer,
  type LeafOptions,
  type RootOptions,
  type Subject,
  issueAuthority,
  issueCertificate,
  issueIntermediate,
  issueLeaf,
  issueRoot,
} from "./issue.ts";
export { Oid } from "./oids.ts";
export { verifyClientIdentity, verifyServerIdentity, workloadIdentities } from "./peer-identity.ts";
export { type PemBlock, decodePem, encodePem } from "./pem.ts";
export { exportPrivateKey, generateKeyPair, importPrivateKey } from "./private-key.ts";
export { type Priority, backoffMs, refreshDueMs, retryDueMs } from "./refresh-plan.ts";
export {
  type CryptoPort,
  type KeyPair,
  type SignedBy,
  type Signer,
  type VerifySignature,
  type VerifySignatureNow,
  createSigner,
  createVerifier,
} from "./signature.ts";
export {
  type SigningRequest,
  createSigningRequest,
  parseSigningRequest,
  verifySigningRequest,
} from "./signing-request.ts";
export type { IssuedName } from "./subject-alt-names.ts";
export { type ChainOptions, ChainProblem, type ChainQuestion, verifyChain, verifyChainNow } from "./verify-chain.ts";
export { type SvidOptions, type X509Svid, parseX509Bundle, parseX509Svid, verifyX509Svid } from "./x509-svid.ts";
