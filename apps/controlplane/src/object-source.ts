import type { Problem } from "@lateen/manifests";
import type { Kind, MeshConfig, MeshNetworks } from "@lateen/resources";
import type { ResourceChange } from "@lateen/translation";

/** What is new at a source, all of one step. */
export interface ObjectNews {
  readonly changes: readonly ResourceChange[];
  /** Everything that is wrong at the source now. */
  readonly problems: readonly Problem[];
  /** The mesh's configuration as a whole, when it changed; null: there is none any more. */
  readonly mesh?: MeshSettings | null;
  /** All tags that point to this revision, when they changed. */
  readonly tags?: readonly string[];
}

/** What a mesh says of itself (control-plane 7.7). */
export interface MeshSettings {
  readonly config: MeshConfig;
  readonly networks: MeshNetworks;
}

/** Where the objects come from: a folder, or the API server. Tells of everything that there is, and then of each change. */
export interface ObjectSource extends AsyncDisposable {
  /** Where an object stands, for messages about it; null when that says no more than its name. */
  locate(kind: Kind, key: string): { readonly file: string; readonly line: number } | null;
}
