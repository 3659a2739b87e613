import type { Collection, Graph, Source } from "@lateen/collections";
import type { Kind, MeshConfig, MeshNetworks, Resource, Resources } from "@lateen/resources";
import { keyInKind } from "./objects.ts";

/** Kinds that the mesh follows from. */
export const FOLLOWED_KINDS = [
  "Pod",
  "Service",
  "EndpointSlice",
  "Node",
  "Namespace",
  "ServiceEntry",
  "WorkloadEntry",
  "AuthorizationPolicy",
  "PeerAuthentication",
  "Gateway",
  "GatewayClass",
] as const satisfies readonly Kind[];
export type FollowedKind = (typeof FOLLOWED_KINDS)[number];

/** The objects that the mesh follows from: each kind by `keyInKind`. */
export type ObjectSources = { readonly [K in FollowedKind]: Collection<Resources[K]> };

export interface MeshSources extends ObjectSources {
  /** At most one, under the empty key. */
  readonly MeshConfig: Collection<MeshConfig>;
  /** At most one, under the empty key. */
  readonly MeshNetworks: Collection<MeshNetworks>;
  /** Tags that point to this revision; at most one list, under the empty key. */
  readonly Tags: Collection<readonly string[]>;
}

/** The same, to be put into from outside. */
export type MeshInputs = { readonly [K in FollowedKind]: Source<Resources[K]> } & {
  readonly MeshConfig: Source<MeshConfig>;
  readonly MeshNetworks: Source<MeshNetworks>;
  readonly Tags: Source<readonly string[]>;
};

/** One source of a graph for each kind. */
export function meshInputs(graph: Graph): MeshInputs {
  const source = <K extends FollowedKind>(kind: K): Source<Resources[K]> => graph.source<Resources[K]>(kind);
  return {
    Pod: source("Pod"),
    Service: source("Service"),
    EndpointSlice: source("EndpointSlice"),
    Node: source("Node"),
    Namespace: source("Namespace"),
    ServiceEntry: source("ServiceEntry"),
    WorkloadEntry: source("WorkloadEntry"),
    AuthorizationPolicy: source("AuthorizationPolicy"),
    PeerAuthentication: source("PeerAuthentication"),
    Gateway: source("Gateway"),
    GatewayClass: source("GatewayClass"),
    MeshConfig: graph.source<MeshConfig>("MeshConfig"),
    MeshNetworks: graph.source<MeshNetworks>("MeshNetworks"),
    Tags: graph.source<readonly string[]>("Tags"),
  };
}

export const isFollowed = (kind: string): kind is FollowedKind => (FOLLOWED_KINDS as readonly string[]).includes(kind);

/** Puts one object in its place, within a step; kinds that nothing follows from are left aside. */
export function putObject(inputs: MeshInputs, object: Resource): void {
  if (isFollowed(object.kind)) (inputs[object.kind] as Source<Resource>).set(keyInKind(object), object);
}

/** Takes one object away, within a step. @param key as `keyInKind` says it */
export function removeObject(inputs: MeshInputs, kind: string, key: string): void {
  if (isFollowed(kind)) inputs[kind].set(key, undefined);
}
