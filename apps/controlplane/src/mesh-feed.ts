import { type Collection, Graph } from "@lateen/collections";
import type { Problem } from "@lateen/manifests";
import type { Resources } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { type MeshModel, type ModelOptions, ResourceModel } from "@lateen/translation";
import type { ObjectNews, ObjectSource } from "./object-source.ts";
import { ProblemLog } from "./problem-log.ts";
import type { ResourceCache } from "./resource-cache.ts";
import { ResourceFeed } from "./resource-feed.ts";

/** News of a source in, encoded resources out: only what changed is computed, encoded and announced. */
export class MeshFeed {
  readonly graph: Graph;
  readonly #resources: ResourceModel;
  #problems: readonly Problem[] = [];
  readonly #feed: ResourceFeed;
  readonly #problemLog: ProblemLog;

  constructor(cache: ResourceCache, options: ModelOptions, log: Logger) {
    this.#problemLog = new ProblemLog(log);
    // A bug of the translation. What it concerns keeps its last good form, and its next change has another try.
    this.graph = new Graph({
      onError: (collection, key, error) =>
        log.error("cannot derive, the last good form stays", { collection, key, error: String(error) }),
    });
    this.#resources = new ResourceModel(this.graph, options);
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

  get pods(): Collection<Resources["Pod"]> {
    return this.#resources.pods;
  }

  /** Takes what is new at the source, in one step. A problem is logged when it appears, not again while it stays. */
  take(news: ObjectNews, locate: ObjectSource["locate"]): void {
    this.#resources.apply(news.changes);
    this.#feed.flush();
    this.#problems = [...news.problems, ...this.#unheeded(locate)];
    this.#problemLog.report(this.#problems);
  }

  /** Policies that are valid and yet not, or not wholly, in force. */
  #unheeded(locate: ObjectSource["locate"]): readonly Problem[] {
    return this.model.policyEffects.entries().flatMap(([key, effect]): readonly Problem[] => {
      if (effect.status === "Accepted") return [];
      const { file, line } = locate("AuthorizationPolicy", key) ?? { file: "", line: 0 };
      const object = `AuthorizationPolicy ${key}`;
      return [{ severity: "warning", file, line, column: 1, object, path: "", message: effect.message }];
    });
  }
}
