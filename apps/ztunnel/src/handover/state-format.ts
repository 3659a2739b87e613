import { type Plain, decodeCbor, encodeCbor } from "@lateen/cbor";
import { type Result, ok } from "@lateen/errors";
import type { Kind, Versions } from "@lateen/handover";

/**
 * The formats of states that this program knows. Whoever changes a state so that the version before could not read it raises
 * `newest` and `own`, and says in `write` and `read` how to get from this version's states to the ones before, and back.
 */
export interface StateFormat {
  readonly versions: Versions;
  /** The format that the data threads write and read; the others are rewritten on the way. */
  readonly own: number;
  readonly write: (version: number, kind: Kind, own: Plain) => Plain;
  readonly read: (version: number, kind: Kind, state: Plain) => Plain;
}

export const STATE_FORMAT: StateFormat = {
  versions: { newest: 1, oldest: 1 },
  own: 1,
  write: (_version, _kind, own) => own,
  read: (_version, _kind, state) => state,
};

/** @param module URL of a module that exports another `STATE_FORMAT`, null for this one: each thread loads it for itself */
export async function loadStateFormat(module: string | null): Promise<StateFormat> {
  if (module === null) return STATE_FORMAT;
  return ((await import(module)) as { readonly STATE_FORMAT: StateFormat }).STATE_FORMAT;
}

function rewritten(state: Uint8Array, rewrite: (value: Plain) => Plain): Result<Uint8Array> {
  const value = decodeCbor(state);
  return value.ok ? ok(encodeCbor(rewrite(value.value))) : value;
}

/** A state of our own as the agreed version has it. */
export function toVersion(f: StateFormat, version: number, kind: Kind, state: Uint8Array): Result<Uint8Array> {
  return version === f.own ? ok(state) : rewritten(state, (value) => f.write(version, kind, value));
}

/** A state of the agreed version as our own. */
export function fromVersion(f: StateFormat, version: number, kind: Kind, state: Uint8Array): Result<Uint8Array> {
  return version === f.own ? ok(state) : rewritten(state, (value) => f.read(version, kind, value));
}
