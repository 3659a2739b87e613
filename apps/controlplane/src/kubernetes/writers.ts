import {
  type ApiClient,
  type Election,
  type KubeMetrics,
  type LeaseTiming,
  type WorkQueue,
  joinElection,
} from "@lateen/kube";
import { type Scope, createScope } from "@lateen/lifecycle";
import { type Namespace, type ServiceEntry, namespaceOf, selectorMatches } from "@lateen/resources";
import type { Logger, Logging } from "@lateen/telemetry";
import type { MeshFeed } from "../mesh-feed.ts";
import type { MeshSettings, ObjectNews } from "../object-source.ts";
import { addressWriter } from "./address-writer.ts";
import { type GatewaySettings, gatewayWriters } from "./gateways/gateway-writers.ts";
import type { KubeSource } from "./kube-source.ts";
import { STATUS_KINDS, hasStatus, objectStatus } from "./object-status.ts";
import { rootConfigMaps } from "./root-config-maps.ts";
import { webhookBundles } from "./webhook-bundles.ts";

export interface WritersOptions {
  readonly client: ApiClient;
  readonly source: KubeSource;
  readonly feed: MeshFeed;
  readonly rootsPem: () => string;
  readonly mesh: () => MeshSettings | null;
  /** The control plane's own. */
  readonly namespace: string;
  readonly revision: string;
  /** Of this replica. */
  readonly identity: string;
  readonly services: readonly string[];
  /** Whether webhook configurations for validation are ours to write. */
  readonly validating: boolean;
  readonly gateways: GatewaySettings;
  /** Blocks that addresses of ServiceEntries are taken from; none: nobody allocates. */
  readonly addressPools: readonly string[];
  readonly logging: Logging;
  readonly metrics: KubeMetrics;
  readonly timing?: LeaseTiming;
}

/** What this control plane writes, as long as it leads its revision. */
export interface Writers extends AsyncDisposable {
  readonly election: Election;
  /** To be told of everything that the source tells. */
  heard(news: ObjectNews): void;
  /** The roots are others now. */
  rootsChanged(): void;
}

/** All writers of a revision are led by one replica. */
export const leaseName = (revision: string): string =>
  revision === "default" ? "lateen-controlplane" : `lateen-controlplane-${revision}`;

/**
 * Starts the writers: roots in every namespace, bundles of webhooks, conditions of objects, what runs Gateways. Each knows by
 * itself what there is to do; only the leader does it.
 */
export async function startWriters(o: WritersOptions): Promise<Writers> {
  await using scope = createScope();
  const log = o.logging.logger("writers");
  const common = { client: o.client, log, metrics: o.metrics };
  const { follower } = o.source;
  const roots = scope.own(
    rootConfigMaps({
      ...common,
      namespaces: follower.of("Namespace"),
      isSelected: (ns) => isSelected(ns, o),
      rootsPem: o.rootsPem,
    }),
  );
  const { revision, namespace, services, rootsPem } = o;
  const webhooks = scope.own(
    webhookBundles({ ...common, revision, namespace, services, rootsPem, validating: o.validating }),
  );
  const status = scope.own(objectStatus({ ...common, follower, feed: o.feed, revision }));
  const unreadable = (): void => {
    for (const kind of STATUS_KINDS) for (const key of follower.of(kind).bad.keys()) status.queue.add(`${kind}/${key}`);
  };
  roots.allChanged();
  unreadable();
  const gateways = scope.own(
    await gatewayWriters({
      ...{ ...common, source: o.source, feed: o.feed, settings: o.gateways, mesh: o.mesh, namespace, revision },
      isSelected: (ns) => isSelected(ns, o),
    }),
  );
  const isOurs = (entry: ServiceEntry): boolean => isOurEntry(entry, o);
  const addresses = addressWriter({ ...common, follower, isOurs, pools: o.addressPools });
  addresses.changed();
  const allocation = o.addressPools.length === 0 ? [] : addresses.queues;
  const queues = [...allocation, roots.queue, webhooks.queue, status.queue, ...gateways.queues];
  const election = scope.own(elect(o, queues, log));
  const owned = scope.move();
  return {
    election,
    rootsChanged() {
      roots.allChanged();
      webhooks.allChanged();
    },
    heard(news) {
      const { changes, mesh } = news;
      gateways.heard(news);
      if (mesh !== undefined) roots.allChanged();
      if (news.tags !== undefined || changes.some(({ kind }) => kind === "ServiceEntry" || kind === "Namespace"))
        addresses.changed();
      for (const { kind, key } of changes) {
        if (kind === "Namespace") roots.namespaceChanged(key);
        if (hasStatus(kind)) status.queue.add(`${kind}/${key}`);
      }
      unreadable();
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Whether the mesh is about a namespace; its own always counts (control-plane 7.6). */
function isSelected(ns: Namespace, o: WritersOptions): boolean {
  const selectors = o.mesh()?.config.discoverySelectors ?? [];
  const { name, labels } = ns.metadata;
  return selectors.length === 0 || name === o.namespace || selectors.some((s) => selectorMatches(s, labels));
}

/** Configuration without a revision is everybody's; of namespaces that nobody sees nothing is. */
function isOurEntry(entry: ServiceEntry, o: WritersOptions): boolean {
  const revision = entry.metadata.labels?.["istio.io/rev"] ?? "";
  const ours = revision === "" || (o.feed.model.environment.revisions.get("") ?? []).includes(revision);
  const namespace = o.source.follower.of("Namespace").get(namespaceOf(entry));
  return ours && namespace !== undefined && isSelected(namespace, o);
}

/** The queues are worked on while this replica leads; leaving waits for what is under way. */
function elect(o: WritersOptions, queues: readonly WorkQueue[], log: Logger): Election {
  const terms: Scope = createScope();
  const election = joinElection({
    client: o.client,
    namespace: o.namespace,
    name: leaseName(o.revision),
    identity: o.identity,
    log,
    metrics: o.metrics,
    ...(o.timing === undefined ? {} : { timing: o.timing }),
    onLead(signal) {
      const term = Promise.all(queues.map((queue) => queue.run(signal)));
      terms.defer(async () => void (await term));
    },
  });
  return {
    get leads() {
      return election.leads;
    },
    get holder() {
      return election.holder;
    },
    async [Symbol.asyncDispose]() {
      await election[Symbol.asyncDispose]();
      await terms[Symbol.asyncDispose]();
    },
  };
}
