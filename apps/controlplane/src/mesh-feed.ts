import { type Collection, Graph, type Source } from "@lateen/collections";
import type { Problem, Snapshot } from "@lateen/manifests";
import type { Kind, Resources } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { type MeshModel, type MeshModelOptions, meshModel } from "@lateen/translation";
import { ProblemLog } from "./problem-log.ts";
import type { ResourceCache } from "./resource-cache.ts";
import { ResourceFeed } from "./resource-feed.ts";

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
  readonly #feed: ResourceFeed;
  readonly #problemLog: ProblemLog;

  constructor(cache: ResourceCache, options: MeshModelOptions, log: Logger) {
    const source = <K extends Followed>(kind: K): Source<Resources[K]> => this.graph.source<Resources[K]>(kind);
    this.#log = log;
    this.#problemLog = new ProblemLog(log);
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
    this.#feed = new ResourceFeed(this.model, cache, (name, error) =>
      log.error("cannot encode a resource, its last good form stays", { name, error: String(error) }),
    );
  }

  /** Everything that is wrong with the folders now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get pods(): Collection<Resources["Pod"]> {
    return this.#sources.Pod;
  }

  /** Takes the newest state of the folders, in one step. A problem is logged when it appears, not again while it stays. */
  take(snapshot: Snapshot): void {
    const wanted = new Map<Followed, Map<string, Resources[Followed]>>(KINDS.map((kind) => [kind, new Map()]));
    for (const { resource } of snapshot.resources.values())
      wanted.get(resource.kind as Followed)?.set(sourceKey(resource), resource as Resources[Followed]);
    try {
      this.graph.update(() => {
        for (const [kind, objects] of wanted) replace(this.#sources[kind] as Source<unknown>, objects);
      });
    } catch (error) {
      // A bug of the translation. Whatever followed before it still goes out, and the next change has another try.
      this.#log.error("cannot derive the mesh from its objects", { error: String(error) });
    }
    this.#feed.flush();
    this.#problems = [...snapshot.problems, ...this.#unheeded(snapshot)];
    this.#problemLog.report(this.#problems);
  }

  /** Policies that are valid and yet not, or not wholly, in force. */
  #unheeded(snapshot: Snapshot): readonly Problem[] {
    return this.model.policyEffects.entries().flatMap(([key, effect]): readonly Problem[] => {
      if (effect.status === "Accepted") return [];
      const { file, line } = snapshot.resources.get(`AuthorizationPolicy/${key}`) ?? { file: "", line: 0 };
      const object = `AuthorizationPolicy ${key}`;
      return [{ severity: "warning", file, line, column: 1, object, path: "", message: effect.message }];
    });
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
