export type Family = "ipv4" | "ipv6";
export type Table = "mangle" | "nat" | "raw";
/** A hook of the kernel, and the name of our chain that hangs there. */
export type Hook = "prerouting" | "output" | "postrouting";
export type Protocol = "tcp" | "udp";

/** One condition of a rule. All of a rule's conditions must hold, in the order given. */
export type Match =
  | { readonly t: "interface"; readonly way: "in" | "out"; readonly name: string; readonly not: boolean }
  | { readonly t: "protocol"; readonly is: Protocol }
  | { readonly t: "address"; readonly side: "source" | "destination"; readonly block: string; readonly not: boolean }
  | {
      readonly t: "port";
      readonly protocol: Protocol;
      readonly side: "source" | "destination";
      readonly port: number;
      readonly not: boolean;
    }
  | {
      readonly t: "mark";
      readonly of: "packet" | "connection";
      readonly value: number;
      readonly mask: number;
      readonly not: boolean;
    }
  | { readonly t: "known-connection" }
  /** Sent by a socket of this machine; nf_tables can only ask for the socket's owner. */
  | { readonly t: "local-socket"; readonly uid: number }
  | { readonly t: "in-set"; readonly side: "destination"; readonly set: string };

export type Action =
  | { readonly t: "accept" }
  | { readonly t: "return" }
  | { readonly t: "redirect"; readonly port: number }
  | { readonly t: "tproxy"; readonly port: number; readonly mark: number; readonly mask: number }
  | { readonly t: "set-connection-mark"; readonly value: number; readonly mask: number }
  | { readonly t: "restore-mark" }
  | { readonly t: "zone"; readonly zone: number }
  | { readonly t: "snat"; readonly to: string };

/**
 * Spellings in which the text forms of a rule differ from the usual one; they never change what a rule means.
 * - `explicit-tcp`: iptables loads the tcp match by name
 * - `interface-last`: iptables names the interface after the protocol
 * - `wide-gap`: nft text has two blanks at one place
 * - `meta-mark`, `ampersand`: nft text writes `meta mark` for `mark`, `&` for `and`
 */
export type Wording = "explicit-tcp" | "interface-last" | "wide-gap" | "meta-mark" | "ampersand";

export interface Rule {
  /** Row of the contract's table, for people. */
  readonly id: string;
  readonly table: Table;
  readonly chain: Hook;
  /** `any`: one rule serves both families. */
  readonly family: Family | "any";
  readonly match: readonly Match[];
  readonly action: Action;
  readonly wording: readonly Wording[];
}

/** A built-in chain that leads to our chain of the same hook. */
export interface Entry {
  readonly table: Table;
  readonly chain: Hook;
  readonly position: "first" | "last";
}

export interface AddressSet {
  readonly name: string;
  readonly family: Family;
}

/** Policy routing that brings the application's replies back to the proxy. Applied before the rules, removed after them. */
export interface Routing {
  readonly family: Family;
  readonly table: number;
  readonly mark: number;
  readonly mask: number;
  readonly priority: number;
}

/** Everything the kernel must hold for one pod, or for one node, as data. Renderers turn it into messages or text. */
export interface Plan {
  readonly scope: "pod" | "host";
  /** `redirect`: newest form. `tproxy`: the form of release 1.21. */
  readonly form: "redirect" | "tproxy";
  readonly families: readonly Family[];
  readonly entries: readonly Entry[];
  /** In the order the kernel must see them within each chain. */
  readonly rules: readonly Rule[];
  readonly sets: readonly AddressSet[];
  readonly routing: readonly Routing[];
}
