import { readFileSync } from "node:fs";
import tls from "node:tls";
import { Code, MeshError } from "@lateen/errors";

const PEM = "-----BEGIN CERTIFICATE-----";
/** The roots that the runtime brings. */
const SYSTEM = "SYSTEM";

/**
 * Roots as they are configured: `SYSTEM`, the PEM itself, or else the path of a file, read anew at each call.
 * @throws MeshError UNAVAILABLE when the file cannot be read or holds no certificate
 * @see dataplane 8.4, 9.1
 */
export function readRootPem(source: string): string {
  if (source === SYSTEM) return tls.rootCertificates.join("\n"); // read here: reading it makes all of them
  if (source.includes(PEM)) return source;
  const pem = read(source, "root certificate");
  if (pem.includes(PEM)) return pem;
  throw new MeshError(Code.Unavailable, `Cannot read the root certificate, ${source}: it holds no certificate`);
}

/**
 * A token as it is configured: the path of a file, read anew at each call, or the token itself. A path holds a slash, a token
 * does not.
 * @throws MeshError UNAVAILABLE when the file cannot be read
 * @see dataplane 8.4
 */
export function readToken(source: string): string {
  return source.includes("/") ? read(source, "token").trim() : source;
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError(Code.Unavailable, `Cannot read the ${what}, ${path}: ${why}`, {}, cause);
  }
}
