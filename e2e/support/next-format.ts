import process from "node:process";
import type { Plain } from "@lateen/cbor";
import { STATE_FORMAT as OWN, type StateFormat } from "@lateen/ztunnel";

// The formats of a ztunnel that is NEXT_BY versions later: with its like it speaks one that this version cannot read, with the
// one before it that one's. Every thread of it loads this module.

const newest = OWN.versions.newest + Number(process.env["NEXT_BY"] ?? "1");
type Wrapped = { readonly next: Plain };

export const STATE_FORMAT: StateFormat = {
  versions: { newest, oldest: newest - 1 },
  own: OWN.own,
  write: (version, kind, own) => (version === OWN.own ? own : { next: own, version, kind }),
  read: (version, _kind, state) => (version === OWN.own ? state : (state as Wrapped).next),
};
