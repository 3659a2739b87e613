export { type OidcSubject, createOidcVerifier } from "./oidc-verifier.ts";
export { type TokenRule, parseTokenRule } from "./token-rule.ts";
