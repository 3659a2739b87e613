import {
  type FieldProblem,
  type Kind,
  type Resource,
  type Resources,
  apiKinds,
  formatPath,
  parseResource,
  pruneResource,
  standInFor,
} from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import type { ApiClient } from "./api-client.ts";
import { type Condition, readConditions } from "./conditions.ts";
import type { ApiResource } from "./api-resource.ts";
import type { KubeMetrics } from "./kube-metrics.ts";
import { CUSTOM_RESOURCE_DEFINITIONS } from "./objects.ts";
import { type Decoded, type Reflector, type ReflectorChange, startReflector } from "./reflector.ts";
import type { ReflectorTiming } from "./reflector-machine.ts";

export interface ResourceFollowerOptions {
  readonly client: ApiClient;
  readonly kinds: readonly Kind[];
  /**
   * Hears what changed, kind by kind, and that objects became bad or good; the keys are `namespace/name`, or the names of kinds
   * without namespaces. Must not throw.
   */
  readonly onChange: (kind: Kind, changes: readonly ReflectorChange<Resource>[]) => void;
  readonly log: Logger;
  readonly metrics?: KubeMetrics;
  readonly timing?: Partial<ReflectorTiming>;
}

/** The mesh's kinds at one API server, followed until disposed. */
export interface ResourceFollower extends Disposable {
  /** Resolves when every kind is there as a whole; a kind that does not exist is. @throws the signal's reason */
  synced(o?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Kinds that are not there yet. */
  pending(): readonly Kind[];
  of<K extends Kind>(kind: K): Reflector<Resources[K]>;
}

/** The API server's name of a kind. */
export const apiResourceOf = (kind: Kind): ApiResource => ({ ...apiKinds[kind], kind });

/**
 * Follows kinds of the mesh. Kinds whose definition comes later are found as soon as it does.
 * @see control-plane 7.1
 */
export function followResources(o: ResourceFollowerOptions): ResourceFollower {
  const { client, log, metrics, timing } = o;
  const common = {
    client,
    log,
    ...(metrics === undefined ? {} : { metrics }),
    ...(timing === undefined ? {} : { timing }),
  };
  const reflectors = new Map<Kind, Reflector<Resource>>(
    o.kinds.map((kind) => [
      kind,
      startReflector<Resource>({
        ...common,
        resource: apiResourceOf(kind),
        decode: decoderOf(kind),
        badObjects: "reader",
        onChange: (changes) => o.onChange(kind, changes),
      }),
    ]),
  );
  const definitions = startReflector<string>({
    ...common,
    resource: CUSTOM_RESOURCE_DEFINITIONS,
    form: "metadata",
    // Any change of a definition may be the one that makes its kind served: its version stands for its content.
    decode: (raw) => ({
      t: "good",
      value: String((raw as { metadata: { resourceVersion?: string } }).metadata.resourceVersion),
    }),
    onChange(changes) {
      const names = new Set(changes.map((c) => c.key));
      for (const reflector of reflectors.values())
        if (names.has(`${reflector.resource.plural}.${reflector.resource.group}`)) reflector.nudge();
    },
  });
  const all = [...reflectors.values()];
  return {
    async synced(wait) {
      await Promise.all(all.map((r) => r.synced(wait)));
    },
    pending: () => [...reflectors].flatMap(([kind, r]) => (r.hasSynced ? [] : [kind])),
    of(kind) {
      const found = reflectors.get(kind);
      if (found === undefined) throw new RangeError(`${kind} is not followed`);
      return found as unknown as Reflector<Resources[typeof kind]>; // made for that kind above
    },
    [Symbol.dispose]() {
      for (const r of [...all, definitions]) r[Symbol.dispose]();
    },
  };
}

/** Reads one kind: pruned first, so that checking costs no more than what is kept. Items of lists do not say what they are. */
export function decoderOf<K extends Kind>(kind: K): (raw: unknown) => Decoded<Resources[K]> {
  const { group, versions } = apiKinds[kind];
  const apiVersion = group === "" ? versions[0]! : `${group}/${versions[0]}`;
  return (raw) => {
    const whole = typeof raw === "object" && raw !== null ? { apiVersion, kind, ...raw } : raw;
    const parsed = parseResource(pruneResource(kind, whole));
    switch (parsed.t) {
      case "resource":
        return parsed.resource.kind === kind
          ? { t: "good", value: parsed.resource as Resources[K] }
          : { t: "bad", why: `it is a ${parsed.resource.kind}` };
      case "unknown-kind":
        return { t: "bad", why: `${parsed.kind} of ${parsed.apiVersion} is not read` };
      case "invalid":
        return { t: "bad", why: parsed.problems.map(describe).join("; "), about: aboutBad(raw, standInFor(whole)) };
    }
  };
}

const describe = ({ path, message }: FieldProblem): string =>
  path.length === 0 ? message : `${formatPath(path)}: ${message}`;

/** What a status writer needs of an object that cannot be read, to say so in it, and what holds in its place. */
export interface AboutBad {
  readonly generation: number | undefined;
  readonly conditions: readonly Condition[];
  /** While it has no good state. */
  readonly standIn: Resource | null;
}

function aboutBad(raw: unknown, standIn: Resource | null): AboutBad {
  const { metadata, status } = raw as {
    readonly metadata?: { readonly generation?: unknown };
    readonly status?: unknown;
  };
  const generation = typeof metadata?.generation === "number" ? metadata.generation : undefined;
  return { generation, conditions: readConditions(status), standIn };
}
