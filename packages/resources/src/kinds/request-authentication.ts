import { z } from "zod";
import { keyword, onlyOneOf, rule } from "../crd/rule.ts";
import {
  ATTACHMENTS,
  duration,
  flag,
  onlyOneAttachment,
  targetRef,
  targetRefs,
  word,
  workloadSelector,
} from "../istio-fields.ts";
import { list, text } from "../metadata.ts";

const name = text.min(1);
const uri = rule(z.string().min(1).max(2_048), {
  cel: "isURL(self) && url(self).getScheme() in ['http', 'https']",
  message: "url must have scheme http:// or https://",
  holds: (u) => /^https?:\/\//i.test(u),
});
const claim = z.strictObject({
  header: name.regex(/^[-_A-Za-z0-9]+$/, "is not the name of a header"),
  claim: name,
});
const jwtRule = onlyOneOf(
  z.strictObject({
    /** Refused as empty by the API server only: elsewhere that says the same as absent. */
    issuer: keyword(text, { schema: { minLength: 1 }, message: "", holds: () => true }).optional(),
    audiences: list(name).optional(),
    jwksUri: uri.optional(),
    jwks_uri: uri.optional(),
    jwks: word,
    fromHeaders: list(z.strictObject({ name, prefix: word })).optional(),
    fromParams: list(name).optional(),
    fromCookies: list(name).optional(),
    outputPayloadToHeader: word,
    forwardOriginalToken: flag,
    outputClaimToHeaders: list(claim).optional(),
    timeout: duration.optional(),
    spaceDelimitedClaims: z.array(name).max(64).optional(),
  }),
  ["jwksUri", "jwks_uri", "jwks"],
  "only one of jwks or jwksUri can be set",
);
export type JwtRule = z.output<typeof jwtRule>;

export const requestAuthenticationSpec = onlyOneAttachment(
  z.strictObject({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: targetRefs.optional(),
    jwtRules: z.array(jwtRule).max(4_096).optional(),
  }),
  ATTACHMENTS,
);
export type RequestAuthenticationSpec = z.output<typeof requestAuthenticationSpec>;
