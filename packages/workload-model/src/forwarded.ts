import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";

const MAX_FORWARDED = 1_024;

/** The `forwarded` header of a CONNECT: the client, and the service it asked for, if any. @see dataplane 5.3 */
export function buildForwarded(client: SocketAddress, serviceHostname: string | null): string {
  const host = serviceHostname === null || serviceHostname === "" ? "" : `;host=${serviceHostname}`;
  return `for="${formatSocketAddress(client)}"${host}`;
}

/** The service named by a `forwarded` header, or null. Untrusted: it may only choose labels. */
export function parseForwardedHost(header: string | null): string | null {
  // Anything outside printable ASCII makes the header meaningless.
  if (header === null || header.length > MAX_FORWARDED || /[^\x20-\x7e]/.test(header)) return null;
  for (const element of header.split(/[;,]/)) {
    const at = element.indexOf("=");
    if (at < 0 || element.slice(0, at).trim().toLowerCase() !== "host") continue;
    const value = element
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, "$1");
    if (value !== "") return value;
  }
  return null;
}

/**
 * The header line that tells the far end of a gateway which network the client is on, so that nobody looks its address up in
 * another; only the inner CONNECT of two has it. @see dataplane 5.3
 */
export function originNetworkHeader(network: string): readonly [name: string, value: string] {
  return ["x-forwarded-network", network];
}

/** Whether `x-forwarded-network` says that the client is elsewhere, so that its address means nothing here. */
export function isFromOtherNetwork(header: string | null, network: string): boolean {
  return header !== null && header.toLowerCase() !== network.toLowerCase();
}
