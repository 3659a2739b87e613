import { Code, MeshError } from "@lateen/errors";
import { openssl } from "./native-openssl.ts";

/** The oldest error of this thread's queue in lower case, such as "wrong version number"; empty when there is none. Clears it. */
export function takeOpensslError(): string {
  const ssl = openssl();
  const code = ssl.errPeek();
  const text = code === 0 ? "" : (ssl.errReason(code) ?? `error 0x${code.toString(16)}`);
  ssl.errClear();
  return text.toLowerCase();
}

/** For calls that fail only when the machine is out of memory, or when this package has a bug. */
export function opensslBug(call: string): MeshError {
  return new MeshError(Code.Bug, `Cannot use OpenSSL: ${call} failed: ${takeOpensslError()}`);
}
