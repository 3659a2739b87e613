import type { Buffer } from "node:buffer";

/** A frame between nodes, as far as these tests look into it. */
export type Packet =
  | { readonly t: "tcp"; readonly flow: Flow; readonly segment: Segment }
  | { readonly t: "other"; readonly what: string };

/** One direction of a connection. */
export interface Flow {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

export interface Segment {
  readonly syn: boolean;
  readonly sequence: number;
  readonly payload: Buffer;
}

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, arp: 0x0806 } as const;
const PROTOCOL = { icmp: 1, tcp: 6, icmpv6: 58, hopByHop: 0 } as const;

/** @param frame an Ethernet frame */
export function decodePacket(frame: Buffer): Packet {
  const ip = frame.subarray(14);
  switch (frame.readUInt16BE(12)) {
    case ETHERTYPE.ipv4:
      return ipv4(ip);
    case ETHERTYPE.ipv6:
      return ipv6(ip);
    case ETHERTYPE.arp:
      return { t: "other", what: "neighbour discovery" };
    default:
      return { t: "other", what: `ethertype ${frame.subarray(12, 14).toString("hex")}` };
  }
}

function ipv4(ip: Buffer): Packet {
  const [from, to] = [ip.subarray(12, 16).join("."), ip.subarray(16, 20).join(".")];
  const protocol = ip[9]!;
  if (protocol !== PROTOCOL.tcp) return { t: "other", what: `protocol ${protocol} ${from} > ${to}` };
  return tcp(ip.subarray((ip[0]! & 15) * 4, ip.readUInt16BE(2)), from, to);
}

function ipv6(ip: Buffer): Packet {
  const [from, to] = [words(ip.subarray(8, 24)), words(ip.subarray(24, 40))];
  const next = ip[6]!;
  // Routers and listeners of the link find each other by ICMPv6, with or without a hop-by-hop header; between pods nobody does.
  const ofTheLink = [from, to].some((a) => /^(?:fe80|ff02):/.test(a));
  if (ofTheLink && (next === PROTOCOL.icmpv6 || next === PROTOCOL.hopByHop))
    return { t: "other", what: "neighbour discovery" };
  if (next === PROTOCOL.icmpv6 && ip[40]! >= 133 && ip[40]! <= 137) return { t: "other", what: "neighbour discovery" };
  if (next !== PROTOCOL.tcp) return { t: "other", what: `protocol ${next} ${from} > ${to}` };
  return tcp(ip.subarray(40, 40 + ip.readUInt16BE(4)), from, to);
}

const words = (bytes: Buffer): string => bytes.toString("hex").replace(/(....)(?!$)/g, "$1:");

function tcp(b: Buffer, from: string, to: string): Packet {
  return {
    t: "tcp",
    flow: { from, fromPort: b.readUInt16BE(0), to, toPort: b.readUInt16BE(2) },
    segment: { syn: (b[13]! & 2) !== 0, sequence: b.readUInt32BE(4), payload: b.subarray((b[12]! >> 4) * 4) },
  };
}

export const describeFlow = (f: Flow): string => `${f.from} port ${f.fromPort} > ${f.to} port ${f.toPort}`;
