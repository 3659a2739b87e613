import { type JwtRule, type RequestAuthenticationSpec, parseJwksUri } from "@lateen/resources";
import { checkAttachment } from "./attachment.ts";
import { durationProblem } from "./durations.ts";
import { type Findings, forEachOf } from "./findings.ts";

/** @see l7 7.1 */
export function checkRequestAuthentication(spec: RequestAuthenticationSpec, f: Findings): void {
  checkAttachment(spec, f);
  forEachOf(spec.jwtRules, f.at("jwtRules"), (rule, at) => {
    const { issuer = "", jwks = "", jwks_uri: older } = rule;
    const uri = rule.jwksUri ?? older ?? "";
    if (issuer === "" && uri === "") at.error("needs an issuer or a jwksUri");
    if (uri !== "") at.at("jwksUri").require(parseJwksUri(uri).ok, "is not a URL of http or https");
    if (jwks !== "") checkKeys(jwks, at.at("jwks"));
    at.at("timeout").check(durationProblem(rule.timeout));
  });
}

/** A key set, or one key, as RFC 7517 has them. */
function checkKeys(jwks: NonNullable<JwtRule["jwks"]>, f: Findings): void {
  const keys = keysOf(parse(jwks));
  if (keys === null) return f.error("is not a JSON Web Key Set");
  for (const [i, key] of keys.entries()) {
    const wrong = keyProblem(key);
    if (wrong !== null) f.at("keys", i).error(wrong);
    else if (key["d"] !== undefined || key["kty"] === "oct")
      f.at("keys", i).warn("holds a private key, which is not needed to verify and should not be here");
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the caller says what it is not
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function keysOf(value: unknown): readonly Fields[] | null {
  if (!isObject(value)) return null;
  if (!("keys" in value)) return "kty" in value ? [value] : null;
  const { keys } = value;
  return Array.isArray(keys) && keys.every(isObject) ? keys : null;
}

/** The members without which a key of its type is none. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  RSA: ["n", "e"],
  EC: ["crv", "x", "y"],
  OKP: ["crv", "x"],
  oct: ["k"],
};

const CURVES: Readonly<Record<string, readonly string[]>> = {
  EC: ["P-256", "P-384", "P-521", "secp256k1"],
  OKP: ["Ed25519", "Ed448", "X25519", "X448"],
};
const BASE64 = /^[-A-Za-z0-9+/_]+={0,2}$/;

function keyProblem(key: Fields): string | null {
  const type = key["kty"];
  const members = typeof type === "string" && Object.hasOwn(MEMBERS, type) ? MEMBERS[type] : undefined;
  if (members === undefined) return "has no type of a key: RSA, EC, OKP or oct";
  const missing = members.find((name) => typeof key[name] !== "string" || key[name] === "");
  if (missing !== undefined) return `lacks ${missing}`;
  const curves = CURVES[String(type)];
  if (curves !== undefined && !curves.includes(String(key["crv"]))) return "is of an unknown curve";
  const garbled = members.find((name) => name !== "crv" && !BASE64.test(String(key[name])));
  return garbled === undefined ? null : `has ${garbled} that is not base64`;
}
