import { type SocketAddress, parseSocketAddress } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** The `:authority` of an HBONE CONNECT: an address, or the hostname and port of a service. @see dataplane 5.4 */
export type Authority =
  | ({ readonly t: "address" } & SocketAddress)
  | { readonly t: "hostname"; readonly hostname: string; readonly port: number };

const MAX_HOSTNAME = 253;
const MAX_AUTHORITY = MAX_HOSTNAME + ":65535".length;

/** Parses `ip:port`, `[ip]:port` or `hostname:port`; the port must be there. */
export function parseAuthority(text: string): Result<Authority> {
  const address = parseSocketAddress(text);
  if (address.ok) return ok({ t: "address", ...address.value });
  const m =
    text.length > MAX_AUTHORITY ? null : /^([A-Za-z0-9*_](?:[A-Za-z0-9._*-]*[A-Za-z0-9_.])?):([0-9]{1,5})$/.exec(text);
  const [hostname, port] = m === null ? ["", -1] : [m[1]!, Number(m[2])];
  if (m === null || port > 65_535 || hostname.length > MAX_HOSTNAME || /^[0-9.]+$/.test(hostname))
    return fail(new MeshError(Code.BadInput, `invalid CONNECT address ${JSON.stringify(text.slice(0, 300))}`));
  return ok({ t: "hostname", hostname: hostname.toLowerCase(), port });
}
