import {
  type ApiClient,
  type KubeMetrics,
  type PatchOperation,
  type ResourceFollower,
  type WorkOutcome,
  type WorkQueue,
  apiResourceOf,
  createWorkQueue,
  formatFailure,
  objectAccess,
  workDone,
} from "@lateen/kube";
import type { ServiceEntry } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { AddressAllocator, type HostAddress } from "@lateen/translation";

/** Field manager of `status.addresses`. */
const OWNER = "lateen-addresses";

/** Addresses for hosts of ServiceEntries that have none of their own, written into their status. */
export interface AddressWriter {
  readonly queues: readonly WorkQueue[];
  /** A ServiceEntry came, changed or went, or another one is ours now. */
  changed(): void;
}

/**
 * Who holds what is read from the objects, so that every replica and every later run comes to the same; whoever writes names what
 * it saw, so that of two writers one fails and looks again.
 * @param o.isOurs which entries may be written
 * @see control-plane 2.8
 */
export function addressWriter(o: {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  readonly isOurs: (entry: ServiceEntry) => boolean;
  /** Blocks that addresses are taken from, one for each family. */
  readonly pools: readonly string[];
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): AddressWriter {
  const allocator = new AddressAllocator(o.pools);
  const entries = o.follower.of("ServiceEntry");
  let wanted: ReadonlyMap<string, readonly HostAddress[]> = new Map();
  let unserved: ReadonlySet<string> = new Set();
  const plans = createWorkQueue({ name: "allocate addresses", work: plan, log: o.log, concurrency: 1 });
  const writes = createWorkQueue({ name: "write addresses", work: write, log: o.log });

  function plan(): Promise<WorkOutcome> {
    const made = allocator.plan([...entries.entries()].map(([, entry]) => entry));
    wanted = new Map([...made.changes].filter(([key]) => isWritable(key)));
    for (const key of wanted.keys()) writes.add(key);
    const none = new Set(made.unserved);
    for (const host of none)
      if (!unserved.has(host)) o.log.error("no address is left for a host: the pool is used up", { host });
    unserved = none;
    return Promise.resolve(workDone());
  }

  const isWritable = (key: string): boolean => {
    const entry = entries.get(key);
    return entry !== undefined && (entry.metadata.deletionTimestamp ?? null) === null && o.isOurs(entry);
  };

  async function write(key: string, signal: AbortSignal): Promise<WorkOutcome> {
    const entry = entries.get(key);
    const addresses = wanted.get(key);
    if (entry === undefined || addresses === undefined || !isWritable(key)) return workDone();
    const [namespace = "", name = ""] = key.split("/", 2);
    const resource = { ...apiResourceOf("ServiceEntry"), versions: [entries.servedVersion] };
    const steps = addressPatch(entry, addresses);
    const answer = await objectAccess(o.client, resource).patch({ namespace, name }, steps, {
      owner: OWNER,
      subresource: "status",
      signal,
    });
    o.metrics.wrote(OWNER, answer.ok ? "ok" : "failed");
    if (answer.ok || answer.error.status === 404) return workDone();
    // Somebody wrote it meanwhile: what holds then is planned anew when it is seen.
    if (answer.error.status === 422) plans.add("");
    return { t: "again", why: formatFailure(answer.error), afterMs: answer.error.retryAfterMs ?? 0 };
  }

  return { queues: [plans, writes], changed: () => plans.add("") };
}

/** Puts the addresses in place of those that the object was seen with, and of no others. */
export function addressPatch({ status }: ServiceEntry, addresses: readonly HostAddress[]): readonly PatchOperation[] {
  const path = "/status/addresses";
  if (status === undefined)
    return [
      { op: "test", path: "/status", value: null },
      { op: "add", path: "/status", value: {} },
      { op: "add", path, value: addresses },
    ];
  const { addresses: seen } = status;
  return [
    { op: "test", path, value: seen ?? null },
    { op: seen === undefined ? "add" : "replace", path, value: addresses },
  ];
}
