import {
  type ApiClient,
  CONFIG_MAPS,
  type KubeMetrics,
  type Reflector,
  type WorkOutcome,
  type WorkQueue,
  createWorkQueue,
  formatFailure,
  objectAccess,
  startReflector,
  workDone,
  writtenAs,
} from "@lateen/kube";
import type { Namespace } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";

/** Where workloads and gateways look for the mesh's roots (control-plane 6.5). */
export const ROOT_CONFIG_MAP = "istio-ca-root-cert";
const ROOT_KEY = "root-cert.pem";
const LABEL = "istio.io/config";
const OWNER = "lateen-root-cert";
/** Of the cluster itself: no workload of the mesh runs in them. */
const LEFT_OUT: ReadonlySet<string> = new Set(["kube-public", "kube-node-lease", "local-path-storage"]);

/** The roots in every namespace, put right whenever somebody changes or removes them. */
export interface RootConfigMaps extends Disposable {
  readonly queue: WorkQueue;
  /** A namespace came, changed or went. */
  namespaceChanged(name: string): void;
  /** The roots, or the choice of namespaces, changed. */
  allChanged(): void;
}

export function rootConfigMaps(o: {
  readonly client: ApiClient;
  readonly namespaces: Reflector<Namespace>;
  /** Which namespaces the mesh is about. */
  readonly isSelected: (namespace: Namespace) => boolean;
  readonly rootsPem: () => string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): RootConfigMaps {
  const queue = createWorkQueue({ name: "write the roots", work, log: o.log });
  const maps = startReflector<string>({
    client: o.client,
    resource: CONFIG_MAPS,
    fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
    decode: (raw) => ({ t: "good", value: rootsIn(raw) }),
    onChange: (changes) => changes.forEach(({ key }) => queue.add(key.slice(0, key.indexOf("/")))),
    log: o.log,
    metrics: o.metrics,
  });
  const access = objectAccess(o.client, CONFIG_MAPS);

  async function work(name: string, signal: AbortSignal): Promise<WorkOutcome> {
    await maps.synced({ signal });
    const namespace = o.namespaces.get(name);
    if (namespace === undefined || isEnding(namespace) || LEFT_OUT.has(name) || !o.isSelected(namespace))
      return workDone();
    const roots = o.rootsPem();
    if (maps.get(`${name}/${ROOT_CONFIG_MAP}`) === roots) return workDone();
    const object = {
      ...writtenAs(CONFIG_MAPS),
      metadata: { name: ROOT_CONFIG_MAP, namespace: name, labels: { [LABEL]: "true" } },
      data: { [ROOT_KEY]: roots },
    };
    const answer = await access.apply(object, { owner: OWNER, signal });
    o.metrics.wrote(OWNER, answer.ok ? "ok" : "failed");
    // The namespace is gone, or is going: nothing new may be made in it.
    if (answer.ok || answer.error.status === 404 || answer.error.status === 403) return workDone();
    return { t: "again", why: formatFailure(answer.error), afterMs: answer.error.retryAfterMs ?? 0 };
  }

  return {
    queue,
    namespaceChanged: (name) => queue.add(name),
    allChanged() {
      for (const [name] of o.namespaces.entries()) queue.add(name);
    },
    [Symbol.dispose]: () => maps[Symbol.dispose](),
  };
}

const isEnding = ({ metadata }: Namespace): boolean => (metadata.deletionTimestamp ?? null) !== null;

/** The roots as they stand; empty when the label is missing too, so that it is put right. */
function rootsIn(raw: unknown): string {
  const { data, metadata } = raw as {
    readonly data?: Readonly<Record<string, string>>;
    readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  };
  return metadata?.labels?.[LABEL] === "true" ? (data?.[ROOT_KEY] ?? "") : "";
}
