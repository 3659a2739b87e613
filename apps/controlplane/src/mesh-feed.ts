import { type Collection, Graph, type Source } from "@lateen/collections";
import { type Problem, type Snapshot, formatProblem } from "@lateen/manifests";
import type { Kind, Resources } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { type MeshModel, type MeshModelOptions, meshModel } from "@lateen/translation";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAuthorization,
  encodeService,
  encodeWorkload,
} from "@lateen/xds-types";
import type { ResourceCache } from "./resource-cache.ts";

/** Kinds that the model follows from; the others are validated and have no effect on the node proxies. */
const KINDS = ["Pod", "Service", "Namespace", "Node", "AuthorizationPolicy", "PeerAuthentication"] as const;
type Followed = (typeof KINDS)[number];

type Sources = { readonly [K in Followed]: Source<Resources[K]> };

/** Snapshots of the folders in, encoded resources out: only what changed is computed, encoded and announced. */
export class MeshFeed {
  readonly graph = new Graph();
  readonly model: MeshModel;
  readonly #sources: Sources;
  readonly #log: Logger;
  #problems: readonly Problem[] = [];
  #told: ReadonlySet<string> = new Set();

  constructor(cache: ResourceCache, options: MeshModelOptions, log: Logger) {
    const source = <K extends Followed>(kind: K): Source<Resources[K]> => this.graph.source<Resources[K]>(kind);
    this.#log = log;
    this.#sources = {
      Pod: source("Pod"),
      Service: source("Service"),
      Namespace: source("Namespace"),
      Node: source("Node"),
      AuthorizationPolicy: source("AuthorizationPolicy"),
      PeerAuthentication: source("PeerAuthentication"),
    };
    const of = this.#sources;
    this.model = meshModel(
      this.graph,
      {
        pods: of.Pod,
        services: of.Service,
        namespaces: of.Namespace,
        nodes: of.Node,
        authorizationPolicies: of.AuthorizationPolicy,
        peerAuthentications: of.PeerAuthentication,
      },
      options,
    );
    // Policies first: a workload that names one which its proxy does not know yet would be open (control-plane 4.1).
    publish(this.model.authorizations, (changes) => cache.update(AUTHORIZATION_TYPE, changes), encodeAuthorization);
    publish(this.model.workloads, (changes) => cache.update(ADDRESS_TYPE, changes), encodeWorkload);
    publish(this.model.services, (changes) => cache.update(ADDRESS_TYPE, changes), encodeService);
  }

  /** Everything that is wrong with the folders now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get pods(): Collection<Resources["Pod"]> {
    return this.#sources.Pod;
  }

  /** Takes the newest state of the folders. A problem is logged when it appears, not again while it stays. */
  take(snapshot: Snapshot): void {
    const wanted = new Map<Followed, Map<string, Resources[Followed]>>(KINDS.map((kind) => [kind, new Map()]));
    for (const { resource } of snapshot.resources.values())
      wanted.get(resource.kind as Followed)?.set(sourceKey(resource), resource as Resources[Followed]);
    this.graph.update(() => {
      for (const [kind, objects] of wanted) replace(this.#sources[kind] as Source<unknown>, objects);
    });
    this.#tell(snapshot.problems);
  }

  #tell(problems: readonly Problem[]): void {
    const lines = new Map(problems.map((problem) => [formatProblem(problem), problem]));
    for (const [line, { severity }] of lines)
      if (!this.#told.has(line)) this.#log[severity === "error" ? "error" : "warn"](line);
    for (const line of this.#told) if (!lines.has(line)) this.#log.info("mended", { problem: line });
    this.#told = new Set(lines.keys());
    this.#problems = problems;
  }
}

const CLUSTER_SCOPED: ReadonlySet<Kind> = new Set(["Namespace", "Node"]);

/** `namespace/name`, or the name of kinds without a namespace. */
function sourceKey(o: {
  readonly kind: Kind;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): string {
  return CLUSTER_SCOPED.has(o.kind) ? o.metadata.name : `${o.metadata.namespace ?? "default"}/${o.metadata.name}`;
}

function replace(source: Source<unknown>, objects: ReadonlyMap<string, unknown>): void {
  for (const [key] of source.entries()) if (!objects.has(key)) source.set(key, undefined);
  for (const [key, object] of objects) source.set(key, object);
}

function publish<T>(
  collection: Collection<T>,
  update: (changes: ReadonlyMap<string, Uint8Array | null>) => void,
  encode: (value: T) => Uint8Array,
): void {
  collection.subscribe((changes) =>
    update(new Map(changes.map(({ key, after }) => [key, after === undefined ? null : encode(after)]))),
  );
}
