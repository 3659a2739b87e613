import { ipFamily } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { NETLINK_ROUTE, type NetlinkSocket, isErrno, openNetlink } from "./netlink-socket.ts";
import {
  type InterfaceAddress,
  type Link,
  type LinkChange,
  LOCAL_TABLE,
  MAIN_TABLE,
  type Neighbour,
  type NewVeth,
  type PolicyRule,
  type Route,
  decodeAddress,
  decodeLink,
  decodeRoute,
  decodeRule,
  encodeAddress,
  encodeDeleteLink,
  encodeGetAddresses,
  encodeGetLink,
  encodeGetRoutes,
  encodeGetRules,
  encodeNeighbour,
  encodeNewLink,
  encodeNewVeth,
  encodeRoute,
  encodeRule,
  encodeSetLink,
} from "./rtnetlink-wire.ts";

/** What must be said of a route; the rest has the usual values. */
export type RouteOptions = Pick<Route, "destination" | "prefixLength"> & Partial<Route>;

/** Usual values: main table, unicast, global scope through a gateway and link scope without one. */
function fullRoute(o: RouteOptions): Route {
  return {
    index: 0,
    gateway: null,
    table: MAIN_TABLE,
    scope: o.gateway === undefined || o.gateway === null ? "link" : "global",
    type: "unicast",
    source: null,
    metric: 0,
    onLink: false,
    ...o,
  };
}

/**
 * Links, addresses, routes and rules of one network namespace. Every call is one request that has been answered when it returns.
 * Errors are MeshError UNAVAILABLE (DENIED for lack of privilege) with facts `operation`, `errno` (its name), `number` and, in
 * `kernel`, the kernel's own words; `isErrno` asks for one.
 */
export class Rtnetlink implements Disposable {
  private readonly socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  private request(operation: string, encode: (seq: number) => Uint8Array): void {
    const seq = this.socket.nextSeq();
    this.socket.request(operation, encode(seq), seq);
  }

  /** Makes a pair of links; the peer may be born in another namespace. */
  addVeth(v: NewVeth): void {
    this.request(`add veth "${v.name}"`, (seq) => encodeNewVeth(v, seq));
  }

  /** @returns index of the new bridge */
  addBridge(name: string, change: LinkChange = {}): number {
    this.request(`add bridge "${name}"`, (seq) => encodeNewLink("bridge", { ...change, name }, seq));
    return this.requireLink(name).index;
  }

  links(): readonly Link[] {
    return this.socket.dump("list links", (seq) => encodeGetLink(null, seq), decodeLink);
  }

  /**
   * Since Linux 6.9 asking has an effect: a link whose other end came up a moment ago carries packets from then on, where
   * otherwise its first ones may be lost (and a first SYN costs a second).
   * @returns null when there is no such link
   */
  link(name: string): Link | null {
    try {
      return this.socket.ask(`look up link "${name}"`, (seq) => encodeGetLink(name, seq), decodeLink);
    } catch (e) {
      if (isErrno(e, "ENODEV")) return null;
      throw e;
    }
  }

  /** @throws MeshError UNAVAILABLE when there is no such link */
  requireLink(name: string): Link {
    const link = this.link(name);
    if (link === null)
      throw new MeshError(Code.Unavailable, `Cannot look up link "${name}": there is none`, { link: name });
    return link;
  }

  /** @param link index or name */
  setLink(link: number | string, change: LinkChange): void {
    const index = this.indexOf(link);
    this.request(`change link "${link}"`, (seq) => encodeSetLink(index, change, seq));
  }

  deleteLink(link: number | string): void {
    const index = this.indexOf(link);
    this.request(`delete link "${link}"`, (seq) => encodeDeleteLink(index, seq));
  }

  private indexOf(link: number | string): number {
    return typeof link === "number" ? link : this.requireLink(link).index;
  }

  /** IPv6 addresses are usable at once, without duplicate detection. */
  addAddress(a: InterfaceAddress): void {
    this.request(`add address ${a.ip}/${a.prefixLength}`, (seq) => encodeAddress("add", a, seq));
  }
  deleteAddress(a: InterfaceAddress): void {
    this.request(`delete address ${a.ip}/${a.prefixLength}`, (seq) => encodeAddress("delete", a, seq));
  }
  /**
   * Whether the namespace takes packets for this address of its own. For an IPv6 address that is a moment after `addAddress`
   * returned: the kernel makes its route in work of its own, and what arrives before is lost.
   */
  isLocal(ip: string): boolean {
    return this.routes(ipFamily(ip), LOCAL_TABLE).some((r) => r.destination === ip && r.type === "local");
  }
  addresses(): readonly InterfaceAddress[] {
    return this.socket.dump("list addresses", encodeGetAddresses, decodeAddress);
  }

  addRoute(r: RouteOptions): void {
    this.route("add", r);
  }
  replaceRoute(r: RouteOptions): void {
    this.route("replace", r);
  }
  deleteRoute(r: RouteOptions): void {
    this.route("delete", r);
  }
  private route(op: "add" | "replace" | "delete", r: RouteOptions): void {
    this.request(`${op} route ${r.destination}/${r.prefixLength}`, (seq) => encodeRoute(op, fullRoute(r), seq));
  }
  /** Routes of one family, of all tables or of one. */
  routes(family: "ipv4" | "ipv6", table: number | null = null): readonly Route[] {
    try {
      const all = this.socket.dump(`list ${family} routes`, (seq) => encodeGetRoutes(family, table, seq), decodeRoute);
      return table === null ? all : all.filter((r) => r.table === table);
    } catch (e) {
      // A table that was never used does not exist.
      if (table !== null && isErrno(e, "ENOENT")) return [];
      throw e;
    }
  }

  addRule(r: PolicyRule): void {
    this.request(`add ${r.family} rule of priority ${r.priority}`, (seq) => encodeRule("add", r, seq));
  }
  deleteRule(r: PolicyRule): void {
    this.request(`delete ${r.family} rule of priority ${r.priority}`, (seq) => encodeRule("delete", r, seq));
  }
  rules(family: "ipv4" | "ipv6"): readonly PolicyRule[] {
    return this.socket.dump(`list ${family} rules`, (seq) => encodeGetRules(family, seq), decodeRule);
  }

  /** Adds or changes a fixed neighbour. */
  setNeighbour(n: Neighbour): void {
    this.request(`set neighbour ${n.ip}`, (seq) => encodeNeighbour(n, seq));
  }

  /** Closes the socket. Idempotent. */
  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/**
 * Opens rtnetlink of a namespace.
 * @param netns descriptor of the namespace, null for the calling thread's own
 * @throws MeshError UNAVAILABLE
 */
export function openRtnetlink(netns: number | null): Rtnetlink {
  return new Rtnetlink(openNetlink(NETLINK_ROUTE, netns));
}
