import { ipFromBytes, ipToBytes } from "@lateen/addresses";
import {
  Attributes,
  LITTLE_ENDIAN,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  type NetlinkMessage,
  NetlinkWriter,
  viewOf,
} from "./wire.ts";

/** Numbers of include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h and fib_rules.h. */
const MSG = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  newRule: 32,
  delRule: 33,
  getRule: 34,
} as const;
const IFLA = { address: 1, name: 3, mtu: 4, master: 10, info: 18, perFamily: 26, netnsFd: 28 } as const;
/** Of IFLA_AF_SPEC for AF_INET6: IFLA_INET6_CONF, the link's settings as 32-bit numbers, and which of them is `disable_ipv6`. */
const INET6 = { settings: 2, disabled: 26 } as const;
const INFO = { kind: 1, data: 2 } as const;
const VETH_PEER = 1;
const IFA = { address: 1, local: 2 } as const;
const RTA = { destination: 1, oif: 4, gateway: 5, priority: 6, preferredSource: 7, table: 15 } as const;
const FRA = { priority: 6, mark: 10, table: 15, mask: 16 } as const;
const NDA = { destination: 1, linkAddress: 2 } as const;
const FAMILY = { ipv4: 2, ipv6: 10 } as const;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const IFA_F_NODAD = 0x02;
const NUD_PERMANENT = 0x80;
const RTPROT_STATIC = 4;
const RTNH_F_ONLINK = 4;
const FR_ACT_TO_TBL = 1;
const TABLE_COMPAT = 252;
const MAC_LENGTH = 6;

export const ROUTE_SCOPE = { global: 0, link: 253, host: 254 } as const;
export const ROUTE_TYPE = { unicast: 1, local: 2, blackhole: 6, unreachable: 7 } as const;
export const MAIN_TABLE = 254;
export const LOCAL_TABLE = 255;

type IpFamily = keyof typeof FAMILY;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** It carries packets: a link that was just set up may need a moment. */
  readonly running: boolean;
  /** Hardware address as `aa:bb:cc:dd:ee:ff`, empty when it has none. */
  readonly address: string;
  readonly mtu: number;
  /** Index of the bridge it belongs to, 0 for none. */
  readonly master: number;
  /** `veth`, `bridge` and so on; empty for none. */
  readonly kind: string;
  /** It may have IPv6: the kernel knows that, and it is not switched off here (`disable_ipv6`). */
  readonly ipv6: boolean;
}

export interface LinkChange {
  readonly up?: boolean;
  readonly name?: string;
  readonly address?: string;
  readonly mtu?: number;
  /** Index of a bridge, 0 to leave it. */
  readonly master?: number;
  /** Descriptor of the namespace to move to. */
  readonly netns?: number;
}

/** One end of a pair. */
export interface VethEnd {
  readonly name: string;
  /** Index to get in its namespace; absent: the next free one. The kernel heeds it only when both ends name one. */
  readonly index?: number;
  readonly address?: string;
  readonly mtu?: number;
}

export interface NewVeth extends VethEnd {
  /** Born in the namespace behind `netns`, else beside the first end. */
  readonly peer: VethEnd & { readonly netns?: number };
}

export interface InterfaceAddress {
  readonly index: number;
  readonly ip: string;
  readonly prefixLength: number;
}

export interface Route {
  /** Network address, all zero with length 0 for the default route. */
  readonly destination: string;
  readonly prefixLength: number;
  /** Index of the interface it leaves by, 0 for none. */
  readonly index: number;
  readonly gateway: string | null;
  readonly table: number;
  readonly scope: keyof typeof ROUTE_SCOPE;
  readonly type: keyof typeof ROUTE_TYPE;
  /** Source address for what starts here. */
  readonly source: string | null;
  /** Lower wins; 0 is the kernel's choice. */
  readonly metric: number;
  /** The gateway is reached on the link although no address says so. */
  readonly onLink: boolean;
}

export interface PolicyRule {
  readonly family: IpFamily;
  readonly priority: number;
  readonly mark: number;
  readonly mask: number;
  readonly table: number;
}

export interface Neighbour {
  readonly index: number;
  readonly ip: string;
  readonly address: string;
}

/** Order of the header's multi-byte fields is the machine's. */
function header(size: number, fill: (v: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(viewOf(bytes));
  return bytes;
}

const familyOf = (ip: string): number => (ip.includes(":") ? FAMILY.ipv6 : FAMILY.ipv4);

function macBytes(text: string): Uint8Array {
  const parts = text.split(":");
  if (parts.length !== MAC_LENGTH || !parts.every((p) => /^[0-9a-fA-F]{2}$/.test(p)))
    throw new RangeError(`Cannot encode hardware address ${JSON.stringify(text.slice(0, 40))}`);
  return Uint8Array.from(parts, (p) => Number.parseInt(p, 16));
}

const macText = (b: Uint8Array | null): string => Array.from(b ?? [], (x) => x.toString(16).padStart(2, "0")).join(":");

function linkHeader(index: number, up: boolean | undefined): Uint8Array {
  return header(16, (v) => {
    v.setInt32(4, index, LITTLE_ENDIAN);
    if (up === undefined) return;
    v.setUint32(8, up ? IFF_UP : 0, LITTLE_ENDIAN);
    v.setUint32(12, IFF_UP, LITTLE_ENDIAN);
  });
}

function putLinkAttributes(w: NetlinkWriter, c: LinkChange): void {
  if (c.name !== undefined) w.string(IFLA.name, c.name);
  if (c.address !== undefined) w.attr(IFLA.address, macBytes(c.address));
  if (c.mtu !== undefined) w.u32(IFLA.mtu, c.mtu);
  if (c.master !== undefined) w.u32(IFLA.master, c.master);
  if (c.netns !== undefined) w.u32(IFLA.netnsFd, c.netns);
}

function message(type: number, flags: number, seq: number, fill: (w: NetlinkWriter) => void): Uint8Array {
  const w = new NetlinkWriter();
  w.begin(type, NLM_F_REQUEST | flags, seq);
  fill(w);
  w.end();
  return w.bytes();
}
const CREATE = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

export function encodeNewVeth(v: NewVeth, seq: number): Uint8Array {
  return message(MSG.newLink, CREATE, seq, (w) => {
    w.raw(linkHeader(v.index ?? 0, undefined));
    putLinkAttributes(w, v);
    w.nest(IFLA.info);
    w.string(INFO.kind, "veth");
    w.nest(INFO.data);
    w.nest(VETH_PEER);
    w.raw(linkHeader(v.peer.index ?? 0, undefined));
    putLinkAttributes(w, v.peer);
    w.endNest();
    w.endNest();
    w.endNest();
  });
}

/** A link that needs nothing but a kind: `bridge`, `dummy`. */
export function encodeNewLink(kind: string, c: LinkChange, seq: number): Uint8Array {
  return message(MSG.newLink, CREATE, seq, (w) => {
    w.raw(linkHeader(0, c.up));
    putLinkAttributes(w, c);
    w.nest(IFLA.info);
    w.string(INFO.kind, kind);
    w.endNest();
  });
}

export function encodeSetLink(index: number, c: LinkChange, seq: number): Uint8Array {
  return message(MSG.newLink, NLM_F_ACK, seq, (w) => {
    w.raw(linkHeader(index, c.up));
    putLinkAttributes(w, c);
  });
}

export function encodeDeleteLink(index: number, seq: number): Uint8Array {
  return message(MSG.delLink, NLM_F_ACK, seq, (w) => w.raw(linkHeader(index, undefined)));
}

/** Asks for one link by name, or for all when `name` is null. */
export function encodeGetLink(name: string | null, seq: number): Uint8Array {
  return message(MSG.getLink, name === null ? NLM_F_DUMP : NLM_F_ACK, seq, (w) => {
    w.raw(linkHeader(0, undefined));
    if (name !== null) w.string(IFLA.name, name);
  });
}

/** @param settings IFLA_INET6_CONF, null when the link has none, as where the kernel has no IPv6 */
function hasIpv6(settings: Uint8Array | null): boolean {
  const at = 4 * INET6.disabled;
  return settings !== null && settings.length >= at + 4 && viewOf(settings).getInt32(at, LITTLE_ENDIAN) !== 1;
}

export function decodeLink(m: NetlinkMessage): Link | null {
  if (m.type !== MSG.newLink || m.body.length < 16) return null;
  const v = viewOf(m.body);
  const a = new Attributes(m.body.subarray(16));
  return {
    index: v.getInt32(4, LITTLE_ENDIAN),
    name: a.string(IFLA.name) ?? "",
    up: (v.getUint32(8, LITTLE_ENDIAN) & IFF_UP) !== 0,
    running: (v.getUint32(8, LITTLE_ENDIAN) & IFF_RUNNING) !== 0,
    address: macText(a.bytes(IFLA.address)),
    mtu: a.u32(IFLA.mtu) ?? 0,
    master: a.u32(IFLA.master) ?? 0,
    kind: a.nested(IFLA.info).string(INFO.kind) ?? "",
    ipv6: hasIpv6(a.nested(IFLA.perFamily).nested(FAMILY.ipv6).bytes(INET6.settings)),
  };
}

/** IPv6 addresses are usable at once: nobody else can hold them, so nobody is asked. */
export function encodeAddress(op: "add" | "delete", x: InterfaceAddress, seq: number): Uint8Array {
  const add = op === "add";
  return message(add ? MSG.newAddress : MSG.delAddress, add ? CREATE : NLM_F_ACK, seq, (w) => {
    const bytes = ipToBytes(x.ip);
    const flags = add && bytes.length === 16 ? IFA_F_NODAD : 0;
    w.raw(
      header(8, (v) => {
        v.setUint8(0, familyOf(x.ip));
        v.setUint8(1, x.prefixLength);
        v.setUint8(2, flags);
        v.setUint32(4, x.index, LITTLE_ENDIAN);
      }),
    );
    w.attr(IFA.local, bytes);
    w.attr(IFA.address, bytes);
  });
}

export function encodeGetAddresses(seq: number): Uint8Array {
  return message(MSG.getAddress, NLM_F_DUMP, seq, (w) => w.raw(new Uint8Array(8)));
}

function ipOf(bytes: Uint8Array | null): string | null {
  return bytes !== null && (bytes.length === 4 || bytes.length === 16) ? ipFromBytes(bytes) : null;
}

export function decodeAddress(m: NetlinkMessage): InterfaceAddress | null {
  if (m.type !== MSG.newAddress || m.body.length < 8) return null;
  const a = new Attributes(m.body.subarray(8));
  const ip = ipOf(a.bytes(IFA.local) ?? a.bytes(IFA.address));
  if (ip === null) return null;
  return { index: viewOf(m.body).getUint32(4, LITTLE_ENDIAN), ip, prefixLength: m.body[1]! }; // 8 bytes proven above
}

export function encodeRoute(op: "add" | "replace" | "delete", r: Route, seq: number): Uint8Array {
  const type = op === "delete" ? MSG.delRoute : MSG.newRoute;
  const flags = op === "add" ? CREATE : op === "replace" ? NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE : NLM_F_ACK;
  return message(type, flags, seq, (w) => {
    w.raw(
      header(12, (v) => {
        v.setUint8(0, familyOf(r.destination));
        v.setUint8(1, r.prefixLength);
        v.setUint8(4, r.table < 256 ? r.table : TABLE_COMPAT);
        v.setUint8(5, RTPROT_STATIC);
        v.setUint8(6, ROUTE_SCOPE[r.scope]);
        v.setUint8(7, ROUTE_TYPE[r.type]);
        v.setUint32(8, r.onLink ? RTNH_F_ONLINK : 0, LITTLE_ENDIAN);
      }),
    );
    if (r.prefixLength > 0) w.attr(RTA.destination, ipToBytes(r.destination));
    if (r.index !== 0) w.u32(RTA.oif, r.index);
    if (r.gateway !== null) w.attr(RTA.gateway, ipToBytes(r.gateway));
    if (r.source !== null) w.attr(RTA.preferredSource, ipToBytes(r.source));
    if (r.metric !== 0) w.u32(RTA.priority, r.metric);
    w.u32(RTA.table, r.table);
  });
}

/** Asks for all routes of a family; with a table, the kernel leaves the others out where it can. */
export function encodeGetRoutes(family: IpFamily, table: number | null, seq: number): Uint8Array {
  return message(MSG.getRoute, NLM_F_DUMP, seq, (w) => {
    w.raw(header(12, (v) => v.setUint8(0, FAMILY[family])));
    if (table !== null) w.u32(RTA.table, table);
  });
}

function nameOf<K extends string>(table: Readonly<Record<K, number>>, n: number | undefined): K | null {
  for (const key in table) if (table[key] === n) return key;
  return null;
}

export function decodeRoute(m: NetlinkMessage): Route | null {
  if (m.type !== MSG.newRoute || m.body.length < 12) return null;
  const a = new Attributes(m.body.subarray(12));
  const type = nameOf(ROUTE_TYPE, m.body[7]);
  const scope = nameOf(ROUTE_SCOPE, m.body[6]);
  if (type === null || scope === null) return null;
  return {
    destination: ipOf(a.bytes(RTA.destination)) ?? (m.body[0] === FAMILY.ipv6 ? "::" : "0.0.0.0"),
    prefixLength: m.body[1] ?? 0,
    index: a.u32(RTA.oif) ?? 0,
    gateway: ipOf(a.bytes(RTA.gateway)),
    table: a.u32(RTA.table) ?? m.body[4] ?? 0,
    scope,
    type,
    source: ipOf(a.bytes(RTA.preferredSource)),
    metric: a.u32(RTA.priority) ?? 0,
    onLink: (viewOf(m.body).getUint32(8, LITTLE_ENDIAN) & RTNH_F_ONLINK) !== 0,
  };
}

export function encodeRule(op: "add" | "delete", r: PolicyRule, seq: number): Uint8Array {
  const add = op === "add";
  return message(add ? MSG.newRule : MSG.delRule, add ? CREATE : NLM_F_ACK, seq, (w) => {
    w.raw(
      header(12, (v) => {
        v.setUint8(0, FAMILY[r.family]);
        v.setUint8(4, r.table < 256 ? r.table : TABLE_COMPAT);
        v.setUint8(7, FR_ACT_TO_TBL);
      }),
    );
    w.u32(FRA.priority, r.priority);
    w.u32(FRA.mark, r.mark);
    w.u32(FRA.mask, r.mask);
    w.u32(FRA.table, r.table);
  });
}

export function encodeGetRules(family: IpFamily, seq: number): Uint8Array {
  return message(MSG.getRule, NLM_F_DUMP, seq, (w) => w.raw(header(12, (v) => v.setUint8(0, FAMILY[family]))));
}

export function decodeRule(m: NetlinkMessage): PolicyRule | null {
  if (m.type !== MSG.newRule || m.body.length < 12) return null;
  const a = new Attributes(m.body.subarray(12));
  const family = nameOf(FAMILY, m.body[0]);
  if (family === null) return null;
  return {
    family,
    priority: a.u32(FRA.priority) ?? 0,
    mark: a.u32(FRA.mark) ?? 0,
    mask: a.u32(FRA.mask) ?? 0,
    table: a.u32(FRA.table) ?? m.body[4] ?? 0,
  };
}

/** A fixed neighbour: no question is ever asked on the link for it. */
export function encodeNeighbour(n: Neighbour, seq: number): Uint8Array {
  return message(MSG.newNeighbour, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, seq, (w) => {
    w.raw(
      header(12, (v) => {
        v.setUint8(0, familyOf(n.ip));
        v.setInt32(4, n.index, LITTLE_ENDIAN);
        v.setUint16(8, NUD_PERMANENT, LITTLE_ENDIAN);
      }),
    );
    w.attr(NDA.destination, ipToBytes(n.ip));
    w.attr(NDA.linkAddress, macBytes(n.address));
  });
}
