import { parseSocketAddress } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { JsonValue } from "@lateen/xds-types";
import type { ProxyConfig } from "./proxy-config.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const META = "ISTIO_META_";
const META_JSON = "ISTIO_METAJSON_";
const DNS_PROXY_ADDR = "DNS_PROXY_ADDR";

/** Variables with a prefix, without it. */
function prefixed(env: Environment, prefix: string): readonly (readonly [string, string])[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && name.startsWith(prefix) && name.length > prefix.length
      ? [[name.slice(prefix.length), value] as const]
      : [],
  );
}

const bad = (why: string): Result<never> => fail(new MeshError(Code.BadInput, why));

/**
 * What the proxy says of itself to the control plane (dataplane 8.4, 12.1): the metadata of its configuration, over it
 * `ISTIO_META_X` as text and `ISTIO_METAJSON_X` as JSON.
 * @returns BAD_INPUT for JSON that is none, or an address for DNS that is none
 */
export function proxyMetadata(env: Environment, config: ProxyConfig): Result<Readonly<Record<string, JsonValue>>> {
  const out = new Map<string, JsonValue>();
  for (const [name, value] of Object.entries(config.proxyMetadata))
    out.set(name.startsWith(META) ? name.slice(META.length) : name, value);
  for (const [name, value] of prefixed(env, META)) out.set(name, value);
  const dns = out.get(DNS_PROXY_ADDR);
  if (dns !== undefined && !isListenAddress(String(dns)))
    return bad(`failed to parse ${DNS_PROXY_ADDR}: ${String(dns)}`);
  for (const [name, text] of prefixed(env, META_JSON)) {
    try {
      out.set(name, JSON.parse(text) as JsonValue);
    } catch {
      return bad(`failed to parse ${META_JSON}${name}: it is not JSON`); // the parser's words add nothing
    }
  }
  return ok(Object.fromEntries(out));
}

function isListenAddress(text: string): boolean {
  const local = /^localhost:([0-9]{1,5})$/.exec(text);
  return local === null ? parseSocketAddress(text).ok : Number(local[1]) <= 65_535;
}

/** What the library that carries gRPC takes as the name of a header, in lower case. */
const HEADER_NAME = /^[0-9a-z_.-]{1,100}$/i;

/**
 * Further headers of requests to the control plane or the CA: `XDS_HEADER_name=value`, names as written.
 * @returns BAD_INPUT for a name or value that no header can have
 */
export function requestHeaders(env: Environment, prefix: string): Result<Readonly<Record<string, string>>> {
  const headers = prefixed(env, prefix);
  for (const [name, value] of headers) {
    if (!HEADER_NAME.test(name)) return bad(`${prefix}${name}: the rest of the name is not a header's`);
    if (!/^[\x20-\x7e]*$/.test(value)) return bad(`${prefix}${name}: the value is not one line of ASCII`);
  }
  return ok(Object.fromEntries(headers));
}
