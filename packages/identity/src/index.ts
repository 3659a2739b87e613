export {
  type SpiffeIdentity,
  formatIdentity,
  identityPrincipal,
  makeIdentity,
  parseIdentity,
  parseIdentityParts,
} from "./spiffe-identity.ts";
export { type SpiffeId, formatSpiffeId, parseSpiffeId, parseTrustDomain } from "./spiffe-id.ts";
export {
  expandPrincipals,
  expandTrustDomains,
  principalNamesTrustDomain,
  replaceTrustDomain,
} from "./trust-domain-aliases.ts";
