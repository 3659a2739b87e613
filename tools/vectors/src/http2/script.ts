import type { Peer, RequestKind } from "./peer.ts";

/** What one case of the suite does to the endpoint. */
export interface Script {
  /** The requests that can show it, of a server under test; see `RequestKind`. */
  readonly kinds: readonly RequestKind[];
  /** `begun`: after the handshake; `raw`: it makes the first bytes itself. */
  readonly from: "begun" | "raw";
  /** @param raw bytes that the case itself gives */
  readonly run: (peer: Peer, raw: readonly Uint8Array[]) => void;
  /** Lengths of the DATA frames that must come, for cases whose last check the suite does not name. */
  readonly dataLengths?: readonly number[];
}

/** One step of a script. */
export type Run = Script["run"];
export type ScriptTable = ReadonlyMap<string, Script>;

const entry =
  (kinds: readonly RequestKind[], more: Partial<Script> = {}) =>
  (...steps: readonly Run[]): Script => ({
    kinds,
    from: "begun",
    run: (peer, raw) => {
      for (const step of steps) step(peer, raw);
    },
    ...more,
  });

export const both = entry(["page", "tunnel"]);
export const page = entry(["page"]);
export const tunnel = entry(["tunnel"]);
export const bothFromTheStart = entry(["page", "tunnel"], { from: "raw" });
export const fromTheStart = entry(["tunnel"], { from: "raw" });
/** On a tunnel, whose answer must come in DATA frames of these lengths. */
export const tunnelData = (dataLengths: readonly number[], ...steps: readonly Run[]): Script =>
  entry(["tunnel"], { dataLengths })(...steps);
