import {
  type AboutBad,
  type ApiClient,
  type KubeMetrics,
  type ResourceFollower,
  type StatusTarget,
  type WantedCondition,
  type WorkQueue,
  apiResourceOf,
  createStatusWriter,
  readConditions,
} from "@lateen/kube";
import { type Resource, isStandIn } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { CONDITION_TYPES } from "@lateen/translation";
import type { MeshFeed } from "../mesh-feed.ts";

const UNREADABLE = "lateen.dev/Unreadable";
/** Kinds in whose status something is said (control-plane 3.7), and where it is said that an object cannot be read. */
const KINDS = {
  AuthorizationPolicy: "ZtunnelAccepted",
  PeerAuthentication: UNREADABLE,
  ServiceEntry: UNREADABLE,
  WorkloadEntry: UNREADABLE,
  Service: UNREADABLE,
  Gateway: UNREADABLE,
} as const;
type StatusKind = keyof typeof KINDS;

export const STATUS_KINDS = Object.keys(KINDS) as readonly StatusKind[];
export const hasStatus = (kind: string): kind is StatusKind => Object.hasOwn(KINDS, kind);

/** Says in each object what the mesh makes of it. Whoever hears of a change of `kind/key` adds that. */
export function objectStatus(o: {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  readonly feed: MeshFeed;
  readonly revision: string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Disposable & { readonly queue: WorkQueue } {
  const { conditions } = o.feed.model;
  const queue = createStatusWriter({
    client: o.client,
    // Of this revision: what another one said is not ours to take away.
    owner: o.revision === "default" ? "lateen-status" : `lateen-status-${o.revision}`,
    owned: new Set([...CONDITION_TYPES, UNREADABLE]),
    target: (id) => targetOf(o, id),
    wanted(id) {
      const { kind, key } = split(id);
      const bad = o.follower.of(kind).bad.get(key);
      const said = conditions.get(id)?.conditions ?? [];
      if (bad === undefined) return said;
      const object = o.feed.object(kind, key);
      const closed = object !== undefined && isStandIn(object);
      // What is in force of a policy is what could be read last, or what stands in for it: neither is what the object says now.
      if (kind === "AuthorizationPolicy") return [unreadable(kind, bad.why, closed)];
      return [...said, unreadable(kind, bad.why, closed)];
    },
    log: o.log,
    metrics: o.metrics,
  });
  const subscription = conditions.subscribe((changes) => changes.forEach(({ key }) => queue.add(key)));
  return { queue, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}

function unreadable(kind: StatusKind, why: string, closed: boolean): WantedCondition {
  const nobody = kind === "PeerAuthentication" ? "no plaintext" : "nobody";
  const holds = closed
    ? `until it can be read it lets ${nobody} in`
    : "what could be read of it last stays, if anything";
  const type = KINDS[kind];
  return {
    type,
    status: type === UNREADABLE ? "True" : "False",
    reason: "Invalid",
    message: `It cannot be read, ${holds}: ${why}`,
  };
}

/** The object as the model has it, so that what is wanted is said of just that. */
function targetOf(
  o: { readonly follower: ResourceFollower; readonly feed: MeshFeed },
  id: string,
): StatusTarget | null {
  const { kind, key } = split(id);
  const [namespace = "", name = ""] = key.split("/", 2);
  const reflector = o.follower.of(kind);
  const common = { resource: apiResourceOf(kind), version: reflector.servedVersion, at: { namespace, name } };
  const bad = reflector.bad.get(key);
  if (bad !== undefined) return { ...common, ...(bad.about as AboutBad) };
  const object = o.feed.object(kind, key);
  if (object === undefined || !isOurs(object, o.feed)) return null;
  const status = "status" in object ? object.status : undefined;
  return { ...common, generation: object.metadata.generation, conditions: readConditions(status) };
}

/** What is labelled for another revision is that one's to judge. */
function isOurs({ metadata }: Resource, feed: MeshFeed): boolean {
  const label = metadata.labels?.["istio.io/rev"] ?? "";
  return label === "" || (feed.model.environment.revisions.get("") ?? []).includes(label);
}

function split(id: string): { readonly kind: StatusKind; readonly key: string } {
  const at = id.indexOf("/");
  return { kind: id.slice(0, at) as StatusKind, key: id.slice(at + 1) };
}
