import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Where a key set is fetched from. */
export interface JwksUri {
  readonly hostname: string;
  readonly scheme: "http" | "https";
  readonly port: number;
  readonly useSSL: boolean;
}

const FORM = /^(https?):\/\/(?:[^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#:@[\]]+)(?::(\d{0,5}))?(?:[/?#]|$)/i;

/**
 * The host and port of a `jwksUri`.
 * @returns BAD_INPUT for another scheme, no host, or a port that is none
 */
export function parseJwksUri(uri: string): Result<JwksUri> {
  const [, scheme = "", host = "", portText = ""] = FORM.exec(uri) ?? [];
  const useSSL = scheme.toLowerCase() === "https";
  const port = portText === "" ? (useSSL ? 443 : 80) : Number(portText);
  if (scheme === "" || port < 1 || port > 65_535)
    return fail(
      new MeshError(
        Code.BadInput,
        `Cannot use the JWKS URI ${JSON.stringify(uri.slice(0, 200))}: write https://HOST[:PORT]/PATH`,
      ),
    );
  return ok({ hostname: host.replace(/^\[(.*)\]$/, "$1"), scheme: useSSL ? "https" : "http", port, useSSL });
}
