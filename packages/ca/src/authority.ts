import { webcrypto } from "node:crypto";
import {
  type Certificate,
  type IssuedName,
  type Issuer,
  type SigningRequest,
  type Subject,
  createSigner,
  createVerifier,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  issueAuthority,
  issueLeaf,
  parseSigningRequest,
  verifySigningRequest,
} from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type KeyStore, loadRoot } from "./root-store.ts";
import { openPrivateFolder } from "./private-folder.ts";

const DAY_SEC = 86_400;
/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;

export interface AuthorityOptions {
  /** A folder, kept with mode 0700 and made when it does not exist; or another store. */
  readonly keys: string | KeyStore;
  readonly trustDomain: string;
  readonly nowMs: () => number;
  /** When a request asks for none: 24 h. */
  readonly defaultTtlSec?: number;
  /** A longer wish is refused, not cut: 90 days. */
  readonly maxTtlSec?: number;
  /** Of a root made here: 10 years. */
  readonly rootTtlSec?: number;
}

export interface SignOptions {
  /** PKCS#10, PEM. Only its key is used: names come from who the caller is. */
  readonly csrPem: string;
  readonly names: readonly IssuedName[];
  /** 0 or less takes the default. */
  readonly ttlSec: number;
  /** For another authority below this one, such as that of a second cluster, instead of for a workload. */
  readonly authority?: boolean;
}

/** Signs with the key of one mesh. */
export interface Authority {
  readonly trustDomain: string;
  /** The trust anchors, PEM, one after the other. */
  readonly rootsPem: string;
  /** Problems that did not stop it, such as a root that could not be renewed. */
  readonly problems: readonly string[];
  /**
   * Issues to the key of a request.
   * @returns leaf, intermediates, root bundle, each PEM with a newline at its end; BAD_INPUT when request or lifetime are refused
   */
  sign(o: SignOptions): Promise<Result<readonly string[]>>;
  /** A key and certificate for a server of the control plane itself. */
  issueServer(o: { readonly names: readonly IssuedName[]; readonly ttlSec: number }): Promise<{
    readonly keyPem: string;
    readonly chainPem: string;
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
  }>;
}

/**
 * Opens the authority whose keys are kept in a store, making its root first when that is empty. A root in its last fifth is renewed
 * with the same key, so that what it signed stays valid.
 * @throws MeshError BAD_INPUT for a folder or key that others could read, or files that do not fit together;
 *   UNAVAILABLE when the disk refuses
 * @see control-plane 6.2, 6.4
 */
export async function openAuthority(o: AuthorityOptions): Promise<Authority> {
  const store = typeof o.keys === "string" ? await openPrivateFolder(o.keys) : o.keys;
  const rootTtlSec = o.rootTtlSec ?? 3650 * DAY_SEC;
  const root = await loadRoot(store, { organization: o.trustDomain, nowMs: o.nowMs(), rootTtlSec });
  const signer = await createSigner(webcrypto, root.keys);
  const issuer: Issuer = { certificate: root.certificate, signer };
  const verify = createVerifier(webcrypto);
  const chain = root.intermediates.map(toPem);
  const limits = { defaultSec: o.defaultTtlSec ?? DAY_SEC, maxSec: o.maxTtlSec ?? 90 * DAY_SEC };

  return {
    trustDomain: o.trustDomain,
    rootsPem: root.rootsPem,
    problems: root.problems,
    async sign({ csrPem, names, ttlSec, authority }) {
      const wanted = ttlSec > 0 ? ttlSec : limits.defaultSec;
      if (wanted > limits.maxSec)
        return fail(
          new MeshError(Code.BadInput, `Cannot issue: lifetime of ${wanted} s is over the limit of ${limits.maxSec} s`),
        );
      const parsed = parseSigningRequest(csrPem);
      const request = parsed.ok ? await verifySigningRequest(parsed.value, verify) : parsed;
      if (!request.ok) return request;
      const { publicKey } = request.value;
      const subject = dualUseSubject(request.value, names);
      const what = { issuer, publicKey, subject, sans: names, nowMs: o.nowMs(), ttlSec: wanted };
      const issued = await (authority === true ? issueAuthority : issueLeaf)(webcrypto, what);
      return ok([toPem(issued), ...chain, root.rootsPem]);
    },
    async issueServer({ names, ttlSec }) {
      const keys = await generateKeyPair(webcrypto);
      const { publicKey } = await createSigner(webcrypto, keys);
      const leaf = await issueLeaf(webcrypto, { issuer, publicKey, sans: names, nowMs: o.nowMs(), ttlSec });
      const { notBeforeMs, notAfterMs } = leaf;
      const keyPem = await exportPrivateKey(webcrypto, keys);
      return { keyPem, chainPem: [toPem(leaf), ...chain].join(""), notBeforeMs, notAfterMs };
    },
  };
}

/** A request with a common name gets its first name there too, for peers that look nowhere else (control-plane 6.2). */
function dualUseSubject({ hasCommonName }: SigningRequest, [first]: readonly IssuedName[]): Subject {
  if (!hasCommonName || first === undefined || first.value.length > MAX_COMMON_NAME) return {};
  return { commonName: first.value };
}

function toPem(certificate: Certificate): string {
  return encodePem("CERTIFICATE", certificate.der);
}
