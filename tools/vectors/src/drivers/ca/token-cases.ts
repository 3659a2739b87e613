import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Buffer } from "node:buffer";
import { type Proof, authenticateCaller, bearerToken } from "@lateen/ca";
import { type ApiClient, createTokenReviewer } from "@lateen/kube";
import { createOidcVerifier, parseTokenRule } from "@lateen/oidc-tokens";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { object, text, texts } from "../../read-json.ts";
import type { Json, JsonObject } from "../../suite-driver.ts";

const AUDIENCE = "istio-ca";

export function bearerTokenCase(input: JsonObject): JsonObject {
  const token = bearerToken(texts(object(input["grpcMetadata"])["authorization"]));
  return token === null ? { error: "none" } : { token };
}

/** Whose a token is, when the API server of one cluster answers a review of it as the case says. */
export async function kubernetesTokenCase(input: JsonObject): Promise<JsonObject> {
  const [local, trustDomain] = [text(input["localCluster"]), text(input["trustDomain"])];
  const remotes = texts(input["remoteClusters"]);
  const asked = input["tokenReviewOf"] === "local" ? local : (remotes[0] ?? "");
  const reviewer = createTokenReviewer({
    client: reviewingClient(object(input["tokenReviewStatus"])),
    audiences: [AUDIENCE],
    nowMs: Date.now,
    digest: (token) => token,
  });
  const metadata = object(input["grpcMetadata"]);
  const proof: Proof = {
    authorization: texts(metadata["authorization"]).map(asJwt),
    clusters: texts(metadata["clusterid"]),
    certificate: null,
  };
  const aliases = new Map(Object.entries(object(input["clusterAliases"] ?? {})).map(([k, v]) => [k, text(v)]));
  const caller = await authenticateCaller(proof, {
    trustDomain,
    clusters: { local, remotes, aliases },
    verifyToken: (token, cluster) => {
      if (cluster !== asked) throw new Error(`cluster ${cluster} was asked instead of ${asked}`);
      return reviewer(token);
    },
  });
  return caller.ok ? { identity: caller.value.name } : { error: caller.error.message };
}

/** The cases' tokens are plain words, which no API server would be asked about: each becomes a token that says the same word. */
const asJwt = (value: string): string =>
  value.replace(/^(Bearer|Istio) (.*)$/, (_, scheme: string, word: string) => `${scheme} ${jwtOf({ jti: word })}`);
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwtOf = (claims: object): string => `${base64({ alg: "RS256" })}.${base64(claims)}.c2ln`;

/** An API server that knows of audiences, as the suite's does not: it confirms the one that was asked for. */
function reviewingClient(status: JsonObject): ApiClient {
  const { groups, username, ...rest } = status;
  const answer = { status: { ...rest, audiences: [AUDIENCE], user: { username, groups } } };
  const unused = (): never => {
    throw new Error("only reviews are asked for");
  };
  return {
    server: "the case",
    json: () => Promise.resolve({ ok: true, value: answer }),
    text: unused,
    stream: unused,
    [Symbol.dispose]: () => undefined,
  };
}

/** Whose a token of an OpenID Connect issuer is; the issuer serves its keys at every path. */
export async function oidcTokenCase(input: JsonObject): Promise<JsonObject> {
  const keys = await generateKeyPair("RS256", { extractable: true });
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: "k", alg: "RS256" }] });
  const server = createServer((_, response) => response.end(jwks));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const filled = (value: Json | undefined): unknown =>
      JSON.parse(JSON.stringify(value).replaceAll("${issuer}", url)) as unknown;
    const rule = parseTokenRule(JSON.stringify(filled(input["rule"])));
    if (!rule.ok) return { error: rule.error.message };
    const claims = filled(input["claims"]) as Record<string, unknown>;
    const payload = { ...claims, exp: instantSec(String(claims["exp"])) };
    const token = await new SignJWT(payload).setProtectedHeader({ alg: "RS256", kid: "k" }).sign(keys.privateKey);
    const verify = createOidcVerifier(rule.value, { nowMs: Date.now });
    const caller = await authenticateCaller(
      { authorization: [`Bearer ${token}`], clusters: [], certificate: null },
      {
        trustDomain: text(input["trustDomain"]),
        clusters: { local: "" },
        verifyToken: async (t) => {
          const r = await verify(t);
          return r.ok ? { ok: true, value: { ...r.value, pod: null, node: null } } : r;
        },
      },
    );
    return caller.ok ? { identity: caller.value.name } : { error: caller.error.message };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** `now+1h`, `now-30m` and the like. */
function instantSec(when: string): number {
  const [, sign = "+", amount = "0", unit = "s"] = /^now(?:([+-])(\d+)([smh]))?$/.exec(when) ?? [];
  const sec = Number(amount) * { s: 1, m: 60, h: 3_600 }[unit as "s" | "m" | "h"];
  return Math.floor(Date.now() / 1_000) + (sign === "-" ? -sec : sec);
}
