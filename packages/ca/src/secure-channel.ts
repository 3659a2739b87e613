import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { type PeerCertificate, checkServerIdentity } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { Code, MeshError } from "@lateen/errors";

export interface SecureChannelOptions {
  /** `https://host:port`; the host may be an IP address, which the server's certificate must then name. */
  readonly address: string;
  readonly rootPem: string;
  /** Name to find in the server's certificate in place of the host, null for the host. */
  readonly alternativeHostname: string | null;
  /** For mutual TLS. */
  readonly own: { readonly keyPem: string; readonly chainPem: string } | null;
}

/** Arguments of a `Client` of `@grpc/grpc-js`. */
export interface SecureChannel {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** Sent as server name where there is none: TLS has no server names that are addresses. */
const NO_NAME = "address.invalid";

/**
 * How to reach a control plane over TLS. grpc-js by itself offers an IP address as server name, which TLS refuses, so that a
 * control plane known by its address could never be reached.
 * @throws MeshError BAD_INPUT when address, root, key or chain cannot be used
 */
export function secureChannel(o: SecureChannelOptions): SecureChannel {
  const url = parseAddress(o.address);
  const ip = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const byAddress = o.alternativeHostname === null && isIP(ip) !== 0;
  const verify = byAddress
    ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(ip, cert) }
    : {};
  const name = o.alternativeHostname ?? (byAddress ? NO_NAME : null);
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  try {
    return {
      target: url.host,
      credentials: credentials.createSsl(Buffer.from(o.rootPem), pem(o.own?.keyPem), pem(o.own?.chainPem), verify),
      options: name === null ? {} : { "grpc.ssl_target_name_override": name },
    };
  } catch (cause) {
    throw new MeshError(Code.BadInput, `Cannot use root, key or chain for ${o.address}: ${String(cause)}`, {}, cause);
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol === "https:" && url.hostname !== "") return url;
  throw new MeshError(Code.BadInput, `Cannot use address ${JSON.stringify(address)}: it is not https://host:port`);
}
