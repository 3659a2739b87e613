import { type Collection, Graph, type Index } from "@lateen/collections";
import type { Problem } from "@lateen/manifests";
import type { Kind, Resource, Resources } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import {
  type Condition,
  type FollowedKind,
  MeshLookup,
  type MeshModel,
  type ModelOptions,
  ResourceModel,
  applyChanges,
  isWarning,
} from "@lateen/translation";
import type { ResourceStore } from "./discovery/resource-store.ts";
import type { ObjectNews, ObjectSource } from "./object-source.ts";
import { ProblemLog } from "./problem-log.ts";
import { ResourceFeed } from "./resource-feed.ts";

/** News of a source in, encoded resources out: only what changed is computed, encoded and announced. */
export class MeshFeed {
  readonly graph: Graph;
  readonly podsByNode: Index<Resources["Pod"]>;
  /** Finds what proxies ask for by name. */
  readonly lookup: MeshLookup;
  readonly #resources: ResourceModel;
  #problems: readonly Problem[] = [];
  /** What is wrong with valid objects, by `Kind/namespace/name`: kept up to date, so that a change costs no look at all of them. */
  readonly #conditions = new Map<string, readonly Condition[]>();
  readonly #feed: ResourceFeed;
  readonly #problemLog: ProblemLog;

  constructor(store: ResourceStore, options: ModelOptions, log: Logger) {
    this.#problemLog = new ProblemLog(log);
    // A bug of the translation. What it concerns keeps its last good form, and its next change has another try.
    this.graph = new Graph({
      onError: (collection, key, error) =>
        log.error("cannot derive, the last good form stays", { collection, key, error: String(error) }),
    });
    this.#resources = new ResourceModel(this.graph, options);
    this.model.conditions.subscribe((changes) => {
      for (const { key, after } of changes) {
        const wrong = after?.conditions.filter(isWarning) ?? [];
        if (wrong.length === 0) this.#conditions.delete(key);
        else this.#conditions.set(key, wrong);
      }
    });
    this.lookup = new MeshLookup(this.graph, this.model);
    this.podsByNode = this.graph.index(this.pods, "node", (pod) => [pod.spec.nodeName ?? ""]);
    this.#feed = new ResourceFeed(this.model, store, (name, error) =>
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

  /** Objects that are valid and yet not, or not wholly, in force. */
  #unheeded(locate: ObjectSource["locate"]): readonly Problem[] {
    return [...this.#conditions].sort(byKey).flatMap(([object, conditions]) => {
      const slash = object.indexOf("/");
      const [kind, key] = [object.slice(0, slash) as Kind, object.slice(slash + 1)];
      const { file, line } = locate(kind, key) ?? { file: "", line: 0 };
      return conditions.map(({ message }): Problem => {
        return { severity: "warning", file, line, column: 1, object: `${kind} ${key}`, path: "", message };
      });
    });
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
