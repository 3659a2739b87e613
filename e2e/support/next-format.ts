import process from "node:process";
import { isMainThread } from "node:worker_threads";
import type { Plain } from "@lateen/cbor";
import { STATE_FORMAT as OWN, type StateFormat } from "@lateen/ztunnel";

// The formats of a ztunnel that is NEXT_BY versions later: with its like it speaks one that this version cannot read, with the
// one before it that one's. Every thread of it loads this module. With NEXT_DIES, `write 2` or `read 2`, the process is killed
// by itself when one of its threads is about to give, or to take, the second of what it carries; with `read 2 thread` only that
// thread ends. A negative NEXT_BY makes it one of before, which knows nothing newer than its own format.

const by = Number(process.env["NEXT_BY"] ?? "1");
const newest = OWN.versions.newest + by;
const [diesAt, which, part = "process"] = (process.env["NEXT_DIES"] ?? "").split(" ");
type Kind = Parameters<StateFormat["write"]>[1];
type Wrapped = { readonly next: Plain };

type Bundle = { readonly tunnel?: Plain; readonly connections?: readonly { connection: { originalDst: string } }[] };

let bundles = 0;
function perhapsDie(at: "read" | "write", kind: Kind, state: Plain): void {
  const { connections } = state as Bundle;
  const first = kind === "connections" ? connections?.[0] : undefined;
  if (first === undefined) return; // a channel, totals, or a tunnel with nothing in it
  if (first.connection.originalDst.startsWith("192.0.2.1:")) return; // only rehearsed
  if (diesAt !== at || ++bundles !== Number(which)) return;
  if (part === "thread" && !isMainThread) process.exit(0);
  process.kill(process.pid, "SIGKILL");
}

const LATER: StateFormat = {
  versions: { newest, oldest: newest - 1 },
  // One that is nobody's is rewritten always, so that it passes here.
  own: diesAt === "" ? OWN.own : 0,
  write: (version, kind, own) => {
    perhapsDie("write", kind, own);
    return version === OWN.own ? own : { next: own, version, kind };
  },
  read: (version, kind, state) => {
    const own = version === OWN.own ? state : (state as Wrapped).next;
    perhapsDie("read", kind, own);
    return own;
  },
};

export const STATE_FORMAT: StateFormat = by < 0 ? { ...OWN, versions: { newest, oldest: newest } } : LATER;
