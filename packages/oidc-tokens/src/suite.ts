import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, type JWTPayload, SignJWT, exportJWK, generateKeyPair } from "jose";

/** An issuer on loopback: its keys at any path, its discovery document where that belongs. */
export interface TestIssuer extends AsyncDisposable {
  readonly url: string;
  /** Requests for its keys so far. */
  readonly asked: () => number;
  /** Signs with its key; `by` signs with another one that it never publishes. */
  sign(claims: JWTPayload, by?: "stranger"): Promise<string>;
  /** Answers so from now on, whatever is asked; null: as it should. */
  answer(status: number | null, body?: string): void;
}

const KEY_ID = "k1";

export async function startTestIssuer(): Promise<TestIssuer> {
  const [own, stranger] = [await generateKeyPair("ES256", { extractable: true }), await generateKeyPair("ES256")];
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(own.publicKey)), kid: KEY_ID, alg: "ES256" }] });
  let asked = 0;
  let forced: { readonly status: number; readonly body: string } | null = null;
  let url = "";
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const discovery = request.url === "/.well-known/openid-configuration";
    if (!discovery) asked += 1;
    const body = forced?.body ?? (discovery ? JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }) : jwks);
    response.writeHead(forced?.status ?? 200, { "content-type": "application/json" }).end(body);
  };
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sign = (claims: JWTPayload, key: CryptoKey): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: KEY_ID }).sign(key);
  return {
    url,
    asked: () => asked,
    sign: (claims, by) => sign(claims, by === "stranger" ? stranger.privateKey : own.privateKey),
    answer: (status, body = "") => (forced = status === null ? null : { status, body }),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
