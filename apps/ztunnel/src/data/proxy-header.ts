import { type SocketAddress, ipFamily, ipToBytes } from "@lateen/addresses";

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const VERSION_2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** Type of the TLV that carries the peer's SPIFFE id (dataplane 5.11). */
const TLV_IDENTITY = 0xd0;

const u16 = (n: number): readonly number[] => [n >> 8, n & 0xff];

/** IPv6 form of an address, for headers whose two ends differ in family. */
function asIpv6(ip: string): Uint8Array {
  const bytes = ipToBytes(ip);
  return bytes.length === 16 ? bytes : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
}

/** PROXY protocol v2 header for a waypoint behind an application tunnel (dataplane 5.11). */
export function proxyHeader(o: {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly identity: string | null;
}): Uint8Array {
  const v4 = ipFamily(o.source.ip) === "ipv4" && ipFamily(o.destination.ip) === "ipv4";
  const raw = v4 ? ipToBytes : asIpv6;
  const identity = o.identity === null ? [] : [...new TextEncoder().encode(o.identity)];
  const tlv = identity.length === 0 ? [] : [TLV_IDENTITY, ...u16(identity.length), ...identity];
  const addresses = [...raw(o.source.ip), ...raw(o.destination.ip), ...u16(o.source.port), ...u16(o.destination.port)];
  return Uint8Array.of(
    ...SIGNATURE,
    VERSION_2_PROXY,
    v4 ? TCP4 : TCP6,
    ...u16(addresses.length + tlv.length),
    ...addresses,
    ...tlv,
  );
}
