import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";

/** Whose tokens are good: an issuer, where its keys are, and for whom the tokens must be meant. */
export interface TokenRule {
  /** Compared with the `iss` claim as it stands. */
  readonly issuer: string;
  /** http or https; empty: found by OpenID Connect Discovery below the issuer. */
  readonly jwksUri: string;
  /** A token must be for one of them. */
  readonly audiences: readonly string[];
}

const isUrl = (text: string): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? "");

const rule = z
  .looseObject({
    issuer: z.string().min(1),
    jwks_uri: z.string().refine((uri) => uri === "" || isUrl(uri), "must be a URL of http or https"),
    audiences: z.array(z.string().min(1)).min(1),
  })
  .partial({ jwks_uri: true })
  .refine((r) => (r.jwks_uri ?? "") !== "" || isUrl(r.issuer), "needs a jwks_uri, or an issuer that is a URL");

/**
 * Reads the JSON of JWT_RULE: `{"issuer": …, "jwks_uri": …, "audiences": […]}`.
 * @returns BAD_INPUT naming every member that is wrong
 * @see control-plane 1.3
 */
export function parseTokenRule(text: string): Result<TokenRule> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail(new MeshError(Code.BadInput, "Cannot parse token rule: it is not JSON"));
  }
  const parsed = rule.safeParse(json);
  if (parsed.success) {
    const { issuer, jwks_uri: jwksUri = "", audiences } = parsed.data;
    return ok({ issuer, jwksUri, audiences });
  }
  const problems = parsed.error.issues.map((i) => `${i.path.join(".") || "it"}: ${i.message}`);
  return fail(new MeshError(Code.BadInput, `Cannot parse token rule: ${problems.join("; ")}`));
}
