import type { NftExpr } from "./nft-ruleset.ts";

/** Register contents as nft shows them: 32-bit words, each in the order of a little-endian machine. */
function words(data: string): string {
  const out: string[] = [];
  for (let i = 0; i < data.length; i += 8) {
    const bytes =
      data
        .slice(i, i + 8)
        .padEnd(8, "0")
        .match(/../g) ?? [];
    out.push(`0x${bytes.reverse().join("")}`);
  }
  return out.join(" ");
}

function verdictText(e: NftExpr & { readonly t: "verdict" }): string {
  return `immediate reg 0 ${e.code}${e.chain === "" ? "" : ` -> ${e.chain}`}`;
}

function natText(e: NftExpr & { readonly t: "nat" }): string {
  const family = e.family === "ipv4" ? "ip" : "ip6";
  const port = e.portReg === 0 ? "" : ` proto_min reg ${e.portReg}`;
  return `nat ${e.kind} ${family} addr_min reg ${e.addressReg}${port}`;
}

function body(e: NftExpr): string {
  switch (e.t) {
    case "meta-load":
      return `meta load ${e.key} => reg ${e.reg}`;
    case "meta-set":
      return `meta set ${e.key} with reg ${e.reg}`;
    case "ct-load":
      return `ct load ${e.key} => reg ${e.reg}`;
    case "ct-set":
      return `ct set ${e.key} with reg ${e.reg}`;
    case "payload":
      return `payload load ${e.length}b @ ${e.base} header + ${e.offset} => reg ${e.reg}`;
    case "cmp":
      return `cmp ${e.op} reg ${e.reg} ${words(e.data)}`;
    case "bitwise":
      return `bitwise reg ${e.reg} = ( reg ${e.reg} & ${words(e.mask)} ) ^ ${words(e.xor)}`;
    case "immediate":
      return `immediate reg ${e.reg} ${words(e.data)}`;
    case "verdict":
      return verdictText(e);
    case "counter":
      return "counter pkts 0 bytes 0";
    case "redir":
      return `redir proto_min reg ${e.portReg} flags 0x2`;
    case "tproxy":
      return `tproxy ${e.family === "ipv4" ? "ip" : "ip6"} port reg ${e.portReg}`;
    case "nat":
      return natText(e);
    case "masquerade":
      return "masq";
    case "numgen":
      return `numgen reg ${e.reg} = ${e.kind === "random" ? "random" : "inc"} mod ${e.modulus}`;
    case "lookup":
      return `lookup reg ${e.reg} set ${e.set}`;
    case "other":
      return e.name;
  }
}

/** One expression as `nft --debug=netlink` writes it, for logs, drift reports and goldens. */
export const formatExpr = (e: NftExpr): string => `[ ${body(e)} ]`;
