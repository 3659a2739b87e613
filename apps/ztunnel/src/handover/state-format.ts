import { type Plain, decodeCbor, encodeCbor } from "@lateen/cbor";
import { type Result, ok } from "@lateen/errors";
import type { Kind, Versions } from "@lateen/handover";

/**
 * The formats of states that this program knows: its own, and how to rewrite a state as the version before had it, and back.
 * Whoever changes a state so that the version before could not read it raises `newest` and says here how to get from one to the
 * other.
 */
export interface StateFormat {
  readonly versions: Versions;
  readonly toOlder: (kind: Kind, state: Plain) => Plain;
  readonly fromOlder: (kind: Kind, state: Plain) => Plain;
}

export const STATE_FORMAT: StateFormat = {
  versions: { newest: 1, oldest: 1 },
  toOlder: (_, state) => state,
  fromOlder: (_, state) => state,
};

function rewritten(state: Uint8Array, rewrite: (value: Plain) => Plain): Result<Uint8Array> {
  const value = decodeCbor(state);
  return value.ok ? ok(encodeCbor(rewrite(value.value))) : value;
}

/** A state of our own as the agreed version has it. */
export function toVersion(f: StateFormat, version: number, kind: Kind, state: Uint8Array): Result<Uint8Array> {
  return version === f.versions.newest ? ok(state) : rewritten(state, (value) => f.toOlder(kind, value));
}

/** A state of the agreed version as our own. */
export function fromVersion(f: StateFormat, version: number, kind: Kind, state: Uint8Array): Result<Uint8Array> {
  return version === f.versions.newest ? ok(state) : rewritten(state, (value) => f.fromOlder(kind, value));
}
