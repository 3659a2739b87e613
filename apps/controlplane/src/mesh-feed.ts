import { type Collection, Graph, type Index } from "@lateen/collections";
import type { Problem } from "@lateen/manifests";
import type { Resource, Resources } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { type FollowedKind, type MeshModel, type ModelOptions, ResourceModel, applyChanges } from "@lateen/translation";
import type { ObjectNews, ObjectSource } from "./object-source.ts";
import { ProblemLog } from "./problem-log.ts";
import type { ResourceCache } from "./resource-cache.ts";
import { ResourceFeed } from "./resource-feed.ts";

/** News of a source in, encoded resources out: only what changed is computed, encoded and announced. */
export class MeshFeed {
  readonly graph: Graph;
  readonly podsByNode: Index<Resources["Pod"]>;
  readonly #resources: ResourceModel;
  #problems: readonly Problem[] = [];
  readonly #feed: ResourceFeed;
  readonly #problemLog: ProblemLog;
  /** Messages by key of the policy. */
  readonly #notInForce = new Map<string, string>();

  constructor(cache: ResourceCache, options: ModelOptions, log: Logger) {
    this.#problemLog = new ProblemLog(log);
    // A bug of the translation. What it concerns keeps its last good form, and its next change has another try.
    this.graph = new Graph({
      onError: (collection, key, error) =>
        log.error("cannot derive, the last good form stays", { collection, key, error: String(error) }),
    });
    this.#resources = new ResourceModel(this.graph, options);
    this.model.policyEffects.subscribe((changes) => {
      for (const { key, after } of changes)
        if (after === undefined || after.status === "Accepted") this.#notInForce.delete(key);
        else this.#notInForce.set(key, after.message);
    });
    this.podsByNode = this.graph.index(this.pods, "node", (pod) => [pod.spec.nodeName ?? ""]);
    this.#feed = new ResourceFeed(this.model, cache, (name, error) =>
      log.error("cannot encode a resource, its last good form stays", { name, error: String(error) }),
    );
  }

  /** Everything that is wrong with the objects now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get model(): MeshModel {
    return this.#resources.model;
  }

  /** An object as the model has it. */
  object(kind: FollowedKind, key: string): Resource | undefined {
    return this.#resources.object(kind, key);
  }

  get pods(): Collection<Resources["Pod"]> {
    return this.#resources.pods;
  }

  /** Takes what is new at the source, in one step. A problem is logged when it appears, not again while it stays. */
  take(news: ObjectNews, locate: ObjectSource["locate"]): void {
    this.#resources.change((inputs) => {
      applyChanges(inputs, news.changes);
      if (news.tags !== undefined) inputs.Tags.set("", news.tags);
      if (news.mesh === undefined) return;
      inputs.MeshConfig.set("", news.mesh?.config);
      inputs.MeshNetworks.set("", news.mesh?.networks);
    });
    this.#feed.flush();
    this.#problems = [...news.problems, ...this.#unheeded(locate)];
    this.#problemLog.report(this.#problems);
  }

  /** Policies that are valid and yet not, or not wholly, in force. */
  #unheeded(locate: ObjectSource["locate"]): readonly Problem[] {
    return [...this.#notInForce].sort(byKey).map(([key, message]): Problem => {
      const { file, line } = locate("AuthorizationPolicy", key) ?? { file: "", line: 0 };
      return { severity: "warning", file, line, column: 1, object: `AuthorizationPolicy ${key}`, path: "", message };
    });
  }
}

const byKey = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);
