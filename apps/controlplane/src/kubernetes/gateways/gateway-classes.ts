import type { GatewayClasses } from "@lateen/gateway-deployment";
import {
  type ApiClient,
  type KubeMetrics,
  type ResourceFollower,
  type WorkOutcome,
  type WorkQueue,
  apiResourceOf,
  createWorkQueue,
  formatFailure,
  objectAccess,
  workDone,
  writtenAs,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

/** Where the Gateway API is not installed, it is looked for this often. */
const NOT_THERE_MS = 60_000;

/**
 * The classes that an installation has, made where they are missing. One of the same name that somebody else made is left alone.
 * @see control-plane 3.4
 */
export function builtinClasses(o: {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  readonly classes: GatewayClasses;
  /** Field manager. */
  readonly owner: string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): { readonly queue: WorkQueue; changed(name: string): void; allChanged(): void } {
  const resource = apiResourceOf("GatewayClass");
  const queue = createWorkQueue({ name: "make a GatewayClass", work, log: o.log });

  async function work(name: string, signal: AbortSignal): Promise<WorkOutcome> {
    const controllerName = o.classes.builtin.get(name);
    if (controllerName === undefined || o.follower.of("GatewayClass").get(name) !== undefined) return workDone();
    const description = o.classes.controllers.get(controllerName)?.description ?? "";
    const object = { ...writtenAs(resource), metadata: { name }, spec: { controllerName, description } };
    const answer = await objectAccess(o.client, resource).create(object, { owner: o.owner, signal });
    if (!answer.ok && answer.error.status === 409) return workDone(); // somebody was faster
    o.metrics.wrote(o.owner, answer.ok ? "ok" : "failed");
    if (answer.ok) return workDone();
    const afterMs = answer.error.retryAfterMs ?? (answer.error.status === 404 ? NOT_THERE_MS : 0);
    return { t: "again", why: formatFailure(answer.error), afterMs };
  }

  return {
    queue,
    changed: (name) => queue.add(name),
    allChanged() {
      for (const name of o.classes.builtin.keys()) queue.add(name);
    },
  };
}
