/**
 * Numbers that every part of the mesh must agree on.
 * @see the data-plane contract, section 0.1
 */
export const OUTBOUND_PORT = 15001;
export const INBOUND_PLAINTEXT_PORT = 15006;
export const HBONE_PORT = 15008;
export const DNS_CAPTURE_PORT = 15053;

/** fwmark of every packet the proxy sends; its sockets carry it. */
export const PROXY_MARK = 0x539;
/** connmark, then fwmark, of replies to connections that the proxy opened to the application. */
export const RESTORED_MARK = 0x111;
/** Bits of a mark that are ours. */
export const MARK_MASK = 0xfff;

/** Policy-routing table that leads everything to `lo`. */
export const ROUTE_TABLE = 100;
export const RULE_PRIORITY = 32764;
/** Conntrack zone of the proxy's own DNS queries. */
export const DNS_ZONE = 1;

/** Source of kubelet probes as the pod sees it. */
export const PROBE_SOURCE_V4 = "169.254.7.127";
export const PROBE_SOURCE_V6 = "fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
