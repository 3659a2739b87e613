import process from "node:process";
import type { Plain } from "@lateen/cbor";
import { STATE_FORMAT, runZtunnel } from "@lateen/ztunnel";

// A ztunnel of the next version, as far as hand-overs go: with its like it speaks a format that this version cannot read, and
// with this version the older one. NEXT_BY=2 makes it a version later still, which knows nothing of this one.

const by = Number(process.env["NEXT_BY"] ?? "1");
const newest = STATE_FORMAT.versions.newest + by;
type Wrapped = { readonly next: Plain };

process.exitCode = await runZtunnel(process.env, {
  stateFormat: {
    versions: { newest, oldest: newest - 1 },
    own: STATE_FORMAT.own,
    write: (version, kind, own) => (version === STATE_FORMAT.own ? own : { next: own, version, kind }),
    read: (version, _kind, state) => (version === STATE_FORMAT.own ? state : (state as Wrapped).next),
  },
});
