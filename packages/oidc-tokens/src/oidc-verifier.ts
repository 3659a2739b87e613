import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type JWTVerifyGetKey, createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import type { TokenRule } from "./token-rule.ts";

/** Whom a token speaks for. */
export interface OidcSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Signatures by a private key only: with a shared one, whoever verifies could sign. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const MAX_TOKEN_CHARS = 16 * 1024;
const MAX_DOCUMENT_BYTES = 256 * 1024;
const DEADLINE_MS = 5_000;
/** Keys are fetched again for an unknown key id, at most this often: strangers can name any. */
const PAUSE_MS = 30_000;
const KEEP_MS = 10 * 60_000;
const CLOCK_SKEW_SEC = 10;
const SUBJECT_PREFIX = "system:serviceaccount:";

/**
 * Verifies the tokens of service accounts that an OpenID Connect issuer signs, such as a cloud's. Its keys are fetched when the
 * first token comes, and kept.
 * @returns a function that gives DENIED with the reason, which is for logs and not for the caller; UNAVAILABLE while the issuer's
 *   keys cannot be had
 * @see control-plane 1.3, RFC 7519, OpenID Connect Discovery 1.0
 */
export function createOidcVerifier(
  rule: TokenRule,
  o: { readonly nowMs: () => number },
): (token: string) => Promise<Result<OidcSubject>> {
  let keys: Promise<JWTVerifyGetKey> | null = null;
  const keysOf = (): Promise<JWTVerifyGetKey> => {
    keys ??= remoteKeys(rule).catch((error: unknown) => {
      keys = null; // the next token asks again
      throw error;
    });
    return keys;
  };
  return async (token) => {
    if (token.length > MAX_TOKEN_CHARS) return deny(`it is longer than ${MAX_TOKEN_CHARS} characters`);
    try {
      const { payload } = await jwtVerify(token, await keysOf(), {
        issuer: rule.issuer,
        audience: [...rule.audiences],
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_SKEW_SEC,
        currentDate: new Date(o.nowMs()),
        requiredClaims: ["exp", "sub"],
      });
      return subjectOf(payload.sub ?? "");
    } catch (error) {
      return isRefusal(error) ? deny(String((error as Error).message)) : unavailable(rule, error);
    }
  };
}

async function remoteKeys({ issuer, jwksUri }: TokenRule): Promise<JWTVerifyGetKey> {
  const url = new URL(jwksUri === "" ? await discover(issuer) : jwksUri);
  return createRemoteJWKSet(url, {
    timeoutDuration: DEADLINE_MS,
    cooldownDuration: PAUSE_MS,
    cacheMaxAge: KEEP_MS,
    [customFetch]: fetchBounded,
  });
}

async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const answer = await fetchBounded(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  const { jwks_uri: uri } = (await answer.json()) as { readonly jwks_uri?: unknown };
  if (typeof uri === "string" && URL.canParse(uri)) return uri;
  throw new Error(`${url} names no jwks_uri`);
}

/** The whole answer, as long as it has a bearable size. */
async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > MAX_DOCUMENT_BYTES) throw new Error(`${url} answers more than ${MAX_DOCUMENT_BYTES} bytes`);
    parts.push(part);
  }
  const { status, headers } = answer;
  return new Response(await new Blob(parts).arrayBuffer(), { status, headers });
}

function subjectOf(sub: string): Result<OidcSubject> {
  const names = sub.startsWith(SUBJECT_PREFIX) ? sub.slice(SUBJECT_PREFIX.length).split(":") : [];
  const [namespace, serviceAccount] = names;
  if (names.length === 2 && namespace && serviceAccount) return ok({ namespace, serviceAccount });
  return deny("its subject is not a service account");
}

/** Whether it is the token that is wrong, and not the way to the keys. */
function isRefusal(error: unknown): boolean {
  const outside = [errors.JWKSTimeout, errors.JWKSInvalid].some((kind) => error instanceof kind);
  // The plain error of the library is about what the issuer's server answers.
  return error instanceof errors.JOSEError && error.code !== "ERR_JOSE_GENERIC" && !outside;
}

const deny = (why: string): Result<never> =>
  fail(new MeshError(Code.Denied, `Cannot accept token: ${why.slice(0, 500)}`));

const unavailable = ({ issuer }: TokenRule, cause: unknown): Result<never> =>
  fail(new MeshError(Code.Unavailable, `Cannot get the keys of ${issuer}: ${String(cause)}`, {}, cause));
