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

/** The first version with tunnels inside a tunnel: bundles that have any are not offered to those before. */
export const INNER_SINCE = 2;

type Bundle = { readonly tunnel?: { readonly [key: string]: Plain } | null };

/** A state with its tunnel rewritten, if it is of a bundle with one: channels and totals go the same way. */
function withTunnel(state: Plain, rewrite: (tunnel: { readonly [key: string]: Plain }) => Plain): Plain {
  const { tunnel } = (state ?? {}) as Bundle;
  return tunnel ? { ...(state as Bundle), tunnel: rewrite(tunnel) } : state;
}
const withoutInner = (state: Plain): Plain =>
  withTunnel(state, (tunnel) => Object.fromEntries(Object.entries(tunnel).filter(([key]) => key !== "inner")));
const withNoInner = (state: Plain): Plain => withTunnel(state, (tunnel) => ({ ...tunnel, inner: [] }));

export const STATE_FORMAT: StateFormat = {
  versions: { newest: 2, oldest: 1 },
  own: 2,
  write: (version, _kind, own) => (version < INNER_SINCE ? withoutInner(own) : own),
  read: (version, _kind, state) => (version < INNER_SINCE ? withNoInner(state) : state),
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
