import type { Node } from "@lateen/xds-types";
import type { ResourceBatch } from "./resource-batch.ts";
import type { ClientScope, NameBudget, ServedType, SharedBatches } from "./served-type.ts";

export type ServerEffect =
  /** Send a response with this batch. */
  | { readonly t: "send"; readonly typeUrl: string; readonly nonce: string; readonly batch: ResourceBatch }
  | { readonly t: "acknowledged"; readonly typeUrl: string; readonly nonce: string }
  /** The client could not take the last response, or part of it. */
  | { readonly t: "rejected"; readonly typeUrl: string; readonly nonce: string; readonly message: string }
  /** The answer is about a response that is not the last one. */
  | { readonly t: "stale"; readonly typeUrl: string }
  /** A type that is not served. */
  | { readonly t: "unknown-type"; readonly typeUrl: string; readonly names: readonly string[] }
  /** End the stream with this gRPC status. */
  | { readonly t: "close"; readonly code: number; readonly message: string };

/** A subscription as debugging shows it. */
export interface TypeState {
  readonly wildcard: boolean;
  /** Names asked for one by one. */
  readonly names: number;
  /** Resources sent on demand; null: everything. */
  readonly resources: number | null;
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly awaiting: boolean;
  readonly lastError: string | null;
}

export interface StreamOptions {
  /** The types that are served, in the order in which changes are pushed. */
  readonly types: readonly ServedType[];
  /**
   * Of two of these types, the first is sent before the second where things came or changed, and after it where they went: what
   * the second names is always there.
   */
  readonly order?: { readonly first: string; readonly second: string };
  readonly scope: ClientScope;
  /** Equal for scopes under which the same is sent. */
  readonly scopeKey: string;
  readonly shared: SharedBatches;
  /** A text that was never returned before on this stream. */
  readonly nonce: () => string;
  /** Names that this client may have asked for at a time. */
  readonly maxNames?: number;
  /** Names that all clients may have asked for. */
  readonly budget?: NameBudget;
}

export const INVALID_ARGUMENT = 3;
export const RESOURCE_EXHAUSTED = 8;
export const UNAVAILABLE = 14;
export const DEFAULT_MAX_NAMES = 100_000;

/** @returns why the first request of a stream is refused; null: it says who the client is */
export function missingNode(node: Node | null): ServerEffect | null {
  return node === null || node.id === ""
    ? { t: "close", code: INVALID_ARGUMENT, message: "missing node information" }
    : null;
}
