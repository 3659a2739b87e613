export { type SpiffeIdentity, formatIdentity, identityPrincipal, parseIdentity } from "./spiffe-identity.ts";
