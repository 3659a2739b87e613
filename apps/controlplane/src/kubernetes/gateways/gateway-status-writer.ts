import { isOfRevision } from "@lateen/gateway-deployment";
import { type PlannedStatus, type RouteKind, planStatuses } from "@lateen/gateway-status";
import {
  type ApiClient,
  type ApiResource,
  type KubeMetrics,
  type ResourceFollower,
  type WorkOutcome,
  type WorkQueue,
  apiResourceOf,
  apiVersionOf,
  createWorkQueue,
  formatFailure,
  objectAccess,
  workDone,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";
import type { ObjectNews } from "../../object-source.ts";
import { type GatewayApiKinds, followGatewayApi } from "./gateway-api-kinds.ts";
import { statusBody } from "./status-body.ts";
import { StatusWorld, type StatusWorldOptions } from "./status-world.ts";

/** Field manager of what is said in Gateway API objects. */
const OWNER = "lateen-gateway-status";

export interface GatewayStatusOptions extends Omit<StatusWorldOptions, "kinds" | "onChange"> {
  readonly client: ApiClient;
  readonly controllerName: string;
  readonly revisions: () => readonly string[];
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}

/** What Gateways, their classes, listeners and routes are told. */
export interface GatewayStatusWriter extends Disposable {
  readonly queues: readonly WorkQueue[];
  heard(news: ObjectNews): void;
  allChanged(): void;
}

/** An object as it stands, for whoever writes its status. */
interface Target {
  readonly resource: ApiResource;
  readonly version: string;
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> | null | undefined };
  readonly status: unknown;
  /** Where entries of several writers stand in one list, a write must be of just this version. */
  readonly resourceVersion: string | undefined;
}

/**
 * Says in each object what becomes of it. All is planned at once after a burst of changes, and what differs is written.
 * @see control-plane 3.7
 */
export function gatewayStatusWriter(o: GatewayStatusOptions): GatewayStatusWriter {
  let planned: ReadonlyMap<string, PlannedStatus> = new Map();
  const plans = createWorkQueue({ name: "judge Gateways", work: plan, log: o.log, concurrency: 1 });
  const writes = createWorkQueue({ name: "write the status of a Gateway API object", work: write, log: o.log });
  const onChange = (): void => plans.add("");
  const kinds = followGatewayApi({ client: o.client, onChange, log: o.log, metrics: o.metrics });
  const world = new StatusWorld({ ...o, kinds, onChange });

  async function plan(_: string, signal: AbortSignal): Promise<WorkOutcome> {
    await kinds.synced({ signal });
    const made = world.look((w) => planStatuses(w, o.controllerName));
    if (made === null) return workDone(); // what is awaited brings it back
    planned = new Map(made.map((s) => [`${s.kind}/${s.key}`, s]));
    for (const [id, status] of planned) if (bodyOf(id, status) !== null) writes.add(id);
    return workDone();
  }

  const bodyOf = (id: string, status: PlannedStatus): { readonly body: object; readonly target: Target } | null => {
    const target = targetOf(o.follower, kinds, status.kind, id.slice(id.indexOf("/") + 1));
    if (target === null || !isOurs(o, status, target)) return null;
    const body = statusBody(status, target.status, { controllerName: o.controllerName, nowMs: Date.now() });
    return body === null ? null : { body, target };
  };

  async function write(id: string, signal: AbortSignal): Promise<WorkOutcome> {
    const status = planned.get(id);
    const found = status === undefined ? null : bodyOf(id, status);
    if (status === undefined || found === null) return workDone();
    const { resource, version, resourceVersion } = found.target;
    const [namespace, name] = status.key.includes("/") ? status.key.split("/", 2) : [undefined, status.key];
    const object = {
      apiVersion: apiVersionOf(resource, version),
      kind: resource.kind,
      metadata: {
        name: name!,
        ...(namespace === undefined ? {} : { namespace }),
        ...(status.t === "route" && resourceVersion !== undefined ? { resourceVersion } : {}),
      },
      status: found.body,
    };
    const answer = await objectAccess(o.client, resource).apply(object, {
      owner: OWNER,
      subresource: "status",
      signal,
    });
    o.metrics.wrote(OWNER, answer.ok ? "ok" : "failed");
    // Gone, or changed since: the change is seen in a moment, and all is judged anew.
    if (answer.ok || answer.error.status === 404 || answer.error.status === 409) return workDone();
    return { t: "again", why: formatFailure(answer.error), afterMs: answer.error.retryAfterMs ?? 0 };
  }

  return {
    queues: [plans, writes],
    heard({ changes, mesh, tags }) {
      // Each is heard of, so that what is remembered of slices stays right.
      const relevant = changes.filter((change) => world.heard(change));
      if (relevant.length > 0 || mesh !== undefined || tags !== undefined) onChange();
    },
    allChanged: onChange,
    [Symbol.dispose]() {
      kinds[Symbol.dispose]();
      world[Symbol.dispose]();
    },
  };
}

function targetOf(
  follower: ResourceFollower,
  kinds: GatewayApiKinds,
  kind: PlannedStatus["kind"],
  key: string,
): Target | null {
  if (kind === "Gateway" || kind === "GatewayClass") {
    const reflector = follower.of(kind);
    const object = reflector.get(key);
    if (object === undefined) return null;
    const { metadata, status } = object;
    return {
      resource: apiResourceOf(kind),
      version: reflector.servedVersion,
      metadata,
      status,
      resourceVersion: undefined,
    };
  }
  const reflector = kind === "ListenerSet" ? kinds.listenerSets : kinds.routes(kind satisfies RouteKind);
  const object = reflector.get(key);
  if (object === undefined) return null;
  return {
    ...{
      resource: reflector.resource,
      version: reflector.servedVersion,
      metadata: object.metadata,
      status: object.status,
    },
    resourceVersion: object.metadata.resourceVersion,
  };
}

/** Classes are everybody's; all else is of the revision that its label or its Namespace's names. */
function isOurs(
  { follower, revisions }: GatewayStatusOptions,
  { t, key }: PlannedStatus,
  { metadata }: Target,
): boolean {
  if (t === "class") return true;
  const namespace = follower.of("Namespace").get(key.slice(0, key.indexOf("/")));
  return namespace !== undefined && isOfRevision({ metadata }, namespace.metadata.labels ?? {}, revisions());
}
