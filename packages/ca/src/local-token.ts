import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Whom a token speaks for: a service account, and the pod that the token is bound to when it is bound to one. */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: { readonly name: string; readonly uid: string } | null;
  readonly node: string | null;
}

export interface SignTokenOptions {
  /** PKCS#8 PEM, ECDSA P-256. */
  readonly privateKeyPem: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly nowMs: number;
  readonly ttlSec: number;
}

export interface VerifyTokenOptions {
  /** PEM, ECDSA P-256. */
  readonly publicKeyPem: string;
  readonly audience: string;
  readonly nowMs: number;
  /** When given, the token must name it. */
  readonly issuer?: string;
}

const MAX_TOKEN_CHARS = 16 * 1024;
const CLOCK_SKEW_SEC = 10;
const SUBJECT_PREFIX = "system:serviceaccount:";

/** A new key for local tokens: the private half for who signs, the public one for who verifies. */
export function generateTokenKey(): { readonly privateKeyPem: string; readonly publicKeyPem: string } {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateKeyPem: keys.privateKey.export({ type: "pkcs8", format: "pem" }),
    publicKeyPem: keys.publicKey.export({ type: "spki", format: "pem" }),
  };
}

/**
 * Signs an ES256 token with the claims of a bound Kubernetes service-account token.
 * @throws MeshError BAD_INPUT when the key cannot be used
 */
export function signLocalToken(subject: TokenSubject, o: SignTokenOptions): string {
  const nowSec = Math.floor(o.nowMs / 1000);
  const { namespace, serviceAccount, pod, node } = subject;
  const claims = {
    iss: o.issuer,
    sub: `${SUBJECT_PREFIX}${namespace}:${serviceAccount}`,
    aud: o.audiences,
    iat: nowSec,
    nbf: nowSec,
    exp: nowSec + o.ttlSec,
    "kubernetes.io": {
      namespace,
      serviceaccount: { name: serviceAccount, uid: "" },
      ...(pod === null ? {} : { pod }),
      ...(node === null ? {} : { node: { name: node } }),
    },
  };
  const body = `${encode({ alg: "ES256", typ: "JWT" })}.${encode(claims)}`;
  const key = ecKey(() => createPrivateKey(o.privateKeyPem));
  return `${body}.${sign("sha256", Buffer.from(body), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/**
 * Verifies a token of `signLocalToken`: signature first, then dates, audience and claims.
 * @returns DENIED with the reason, which is for logs and not for the caller
 * @throws MeshError BAD_INPUT when the key cannot be used
 */
export function verifyLocalToken(token: string, o: VerifyTokenOptions): Result<TokenSubject> {
  const key = ecKey(() => createPublicKey(o.publicKeyPem));
  if (token.length > MAX_TOKEN_CHARS) return deny(`it is longer than ${MAX_TOKEN_CHARS} characters`);
  const [head = "", body = "", signature = "", ...more] = token.split(".");
  const header = decode(head);
  if (more.length > 0 || header === null || header["alg"] !== "ES256") return deny("it is not an ES256 token");
  const bytes = Buffer.from(signature, "base64url");
  if (!verify("sha256", Buffer.from(`${head}.${body}`), { key, dsaEncoding: "ieee-p1363" }, bytes))
    return deny("its signature is not of the key of this mesh");
  const claims = decode(body);
  if (claims === null) return deny("its claims are not a JSON object");
  const why = claimsProblem(claims, o);
  return why === null ? readSubject(claims) : deny(why);
}

/** Whether a token for some audiences is for one of those that are expected. */
export function isMeantFor(audiences: readonly unknown[], expected: readonly string[]): boolean {
  return expected.some((audience) => audiences.includes(audience));
}

type Claims = Readonly<Record<string, unknown>>;

function claimsProblem(claims: Claims, o: VerifyTokenOptions): string | null {
  const nowSec = o.nowMs / 1000;
  const { exp, nbf, aud, iss } = claims;
  if (typeof exp !== "number" || exp + CLOCK_SKEW_SEC < nowSec) return "it has expired";
  if (nbf !== undefined && (typeof nbf !== "number" || nbf - CLOCK_SKEW_SEC > nowSec)) return "it is not valid yet";
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!isMeantFor(audiences, [o.audience])) return `it is not for audience ${o.audience}`;
  return o.issuer !== undefined && iss !== o.issuer ? `it is not of issuer ${o.issuer}` : null;
}

function readSubject(claims: Claims): Result<TokenSubject> {
  const { sub } = claims;
  const names =
    typeof sub === "string" && sub.startsWith(SUBJECT_PREFIX) ? sub.slice(SUBJECT_PREFIX.length).split(":") : [];
  const [namespace, serviceAccount] = names;
  if (names.length !== 2 || !namespace || !serviceAccount) return deny("its subject is not a service account");
  const bound = record(claims["kubernetes.io"]);
  const account = record(bound["serviceaccount"])["name"];
  if (bound["namespace"] !== namespace || account !== serviceAccount)
    return deny("its subject and its Kubernetes claims name different accounts");
  const { name, uid } = record(bound["pod"]);
  const pod = typeof name === "string" && typeof uid === "string" && name !== "" && uid !== "" ? { name, uid } : null;
  const node = record(bound["node"])["name"];
  return ok({ namespace, serviceAccount, pod, node: typeof node === "string" ? node : null });
}

function ecKey(read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new MeshError(Code.BadInput, "Cannot read token key: it is not a PEM key", {}, cause);
  }
  if (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  throw new MeshError(Code.BadInput, "Cannot use token key: it is not ECDSA P-256");
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Claims) : null;
  } catch {
    return null; // not JSON: the caller says what it should have been
  }
}

function record(value: unknown): Claims {
  return typeof value === "object" && value !== null ? (value as Claims) : {};
}

function deny(why: string): Result<never> {
  return fail(new MeshError(Code.Denied, `Cannot accept token: ${why}`));
}
