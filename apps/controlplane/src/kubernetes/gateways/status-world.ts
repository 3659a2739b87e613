import type { GatewayClasses } from "@lateen/gateway-deployment";
import {
  type GatewayService,
  type GatewayWorld,
  type Labels,
  type Material,
  ROUTE_KINDS,
} from "@lateen/gateway-status";
import { type ApiClient, CONFIG_MAPS, type KubeMetrics, type ResourceFollower, SECRETS } from "@lateen/kube";
import { type EndpointSlice, type Namespace, namespaceOf } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import type { ResourceChange } from "@lateen/translation";
import type { MeshFeed } from "../../mesh-feed.ts";
import type { GatewayApiKinds } from "./gateway-api-kinds.ts";
import { type KeyMaterial, mapRoots, secretMaterial } from "./key-material.ts";
import { type NamedObjects, followNamed } from "./named-objects.ts";

const SERVICE_NAME = "kubernetes.io/service-name";
const ABSENT: Material = { t: "absent" };

export interface StatusWorldOptions {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  readonly kinds: GatewayApiKinds;
  readonly feed: MeshFeed;
  readonly classes: GatewayClasses;
  readonly domain: string;
  readonly isSelected: (namespace: Namespace) => boolean;
  readonly problemOf: (gateway: string) => string | null;
  /** Something changed that the last world was asked for. */
  readonly onChange: () => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}

/**
 * The cluster as statuses see it. It remembers what it was asked for, so that changes of other services, slices and secrets cost
 * nothing.
 */
export class StatusWorld implements Disposable {
  readonly #o: StatusWorldOptions;
  readonly #slices = new Map<string, Set<string>>();
  readonly #serviceOf = new Map<string, string>();
  readonly #secrets: NamedObjects<KeyMaterial>;
  readonly #roots: NamedObjects<Material>;
  readonly #parameters: NamedObjects<true>;
  #asked = new Asked();

  constructor(o: StatusWorldOptions) {
    this.#o = o;
    const common = { client: o.client, log: o.log, metrics: o.metrics, onChange: o.onChange };
    this.#secrets = followNamed({ ...common, resource: SECRETS, decode: secretMaterial });
    this.#roots = followNamed({ ...common, resource: CONFIG_MAPS, decode: mapRoots });
    this.#parameters = followNamed<true>({ ...common, resource: CONFIG_MAPS, decode: () => true });
    for (const [key, slice] of o.follower.of("EndpointSlice").entries()) this.#index(key, slice);
  }

  /** @returns whether a status may follow from it */
  heard({ kind, key, after }: ResourceChange): boolean {
    switch (kind) {
      case "Gateway":
      case "GatewayClass":
      case "Namespace":
        return true;
      case "Service":
        return this.#asked.services.has(key);
      case "ServiceEntry":
        return this.#asked.entries.has(key) || this.#asked.hosts;
      case "EndpointSlice": {
        const before = this.#serviceOf.get(key);
        this.#index(key, after as EndpointSlice | undefined);
        const now = this.#serviceOf.get(key);
        return [before, now].some((service) => service !== undefined && this.#asked.services.has(service));
      }
      default:
        return false;
    }
  }

  /** A world to be looked at now; afterwards `settle` is called. @returns null while something that it needs is on its way */
  look<T>(at: (world: GatewayWorld) => T): T | null {
    this.#asked = new Asked();
    const told = at(this.#world());
    const { secrets, maps, parameters, waits } = this.#asked;
    this.#secrets.follow(secrets);
    this.#roots.follow(maps);
    this.#parameters.follow(parameters);
    return waits ? null : told;
  }

  [Symbol.dispose](): void {
    for (const named of [this.#secrets, this.#roots, this.#parameters]) named[Symbol.dispose]();
  }

  #index(key: string, slice: EndpointSlice | undefined): void {
    const before = this.#serviceOf.get(key);
    const name = slice?.metadata.labels?.[SERVICE_NAME];
    const now = slice === undefined || name === undefined ? undefined : `${namespaceOf(slice)}/${name}`;
    if (before !== undefined && before !== now) {
      const left = this.#slices.get(before);
      left?.delete(key);
      if (left?.size === 0) this.#slices.delete(before);
    }
    if (now === undefined) return void this.#serviceOf.delete(key);
    this.#serviceOf.set(key, now);
    const slices = this.#slices.get(now) ?? new Set<string>();
    this.#slices.set(now, slices.add(key));
  }

  #world(): GatewayWorld {
    const { follower, kinds, feed, classes, domain } = this.#o;
    const asked = this.#asked;
    const seen = <T>(of: Iterable<readonly [string, T]>): ReadonlyMap<string, T> =>
      new Map([...of].filter(([key]) => this.#isSelected(key.slice(0, key.indexOf("/")))));
    const namespaces = [...follower.of("Namespace").entries()].map(
      ([name, ns]) => [name, ns.metadata.labels ?? {}] as const,
    );
    return {
      ...{ classes, domain, ambient: true },
      gatewayClasses: new Map(follower.of("GatewayClass").entries()),
      gateways: seen(follower.of("Gateway").entries()),
      listenerSets: seen(kinds.listenerSets.entries()),
      routes: ROUTE_KINDS.flatMap((kind) => [...seen(kinds.routes(kind).entries()).values()]),
      grants: [...kinds.grants.entries()].map(([, grant]) => grant),
      namespaces: new Map<string, Labels>(namespaces),
      serviceLabels(key) {
        asked.services.add(key);
        const found = follower.of("Service").get(key);
        return found && (found.metadata.labels ?? {});
      },
      entryLabels(key) {
        asked.entries.add(key);
        const found = follower.of("ServiceEntry").get(key);
        return found && (found.metadata.labels ?? {});
      },
      waypointProblem(kind, key) {
        const said = feed.model.conditions.get(`${kind}/${key}`)?.conditions ?? [];
        return said.find((c) => c.type === "istio.io/WaypointBound" && c.status === "False")?.message ?? null;
      },
      hasHost(hostname, namespace) {
        asked.hosts = true;
        return feed.model.services.get(`${namespace}/${hostname}`) !== undefined;
      },
      gatewayService: (hostname, namespace) => this.#service(hostname, namespace),
      certificate: (key) => this.#ask(this.#secrets, asked.secrets, key)?.certificate ?? ABSENT,
      roots: (kind, key) =>
        (kind === "Secret"
          ? this.#ask(this.#secrets, asked.secrets, key)?.roots
          : this.#ask(this.#roots, asked.maps, key)) ?? ABSENT,
      hasParameters: (key) => this.#ask(this.#parameters, asked.parameters, key) === true,
      deploymentProblem: this.#o.problemOf,
    };
  }

  #isSelected(namespace: string): boolean {
    const found = this.#o.follower.of("Namespace").get(namespace);
    return found !== undefined && this.#o.isSelected(found);
  }

  #ask<T>(of: NamedObjects<T>, keys: Set<string>, key: string): T | undefined {
    keys.add(key);
    const found = of.get(key);
    if (found === null) this.#asked.waits = true;
    return found ?? undefined;
  }

  /** Gateways are reached by Services of their own namespace. */
  #service(hostname: string, namespace: string): GatewayService | undefined {
    const suffix = `.${namespace}.svc.${this.#o.domain}`;
    if (!hostname.endsWith(suffix)) return undefined;
    const key = `${namespace}/${hostname.slice(0, -suffix.length)}`;
    this.#asked.services.add(key);
    const service = this.#o.follower.of("Service").get(key);
    if (service === undefined) return undefined;
    const { spec, metadata, status } = service;
    const ports = spec.ports ?? [];
    const addresses = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
    const outside = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname: name }) => ip ?? name ?? []);
    const slices = [...(this.#slices.get(key) ?? [])].flatMap((s) => this.#o.follower.of("EndpointSlice").get(s) ?? []);
    const ready = ports.flatMap(({ name = "", port }) => {
      const targets = readyPorts(slices, name);
      return targets.length === 0 ? [] : [[port, targets] as const];
    });
    return {
      ports: ports.map((p) => p.port),
      ready: new Map(ready),
      type: spec.type,
      clusterIps: addresses.filter((ip) => ip !== "" && ip !== "None"),
      externalAddresses: [...outside, ...(spec.externalIPs ?? [])],
      managed: metadata.labels?.["gateway.istio.io/managed"] !== undefined,
    };
  }
}

/** Ports of instances that are ready, behind the service's port of a name. */
function readyPorts(slices: readonly EndpointSlice[], name: string): readonly number[] {
  const ports = slices.flatMap((slice) =>
    slice.endpoints.some((e) => e.conditions?.ready !== false)
      ? (slice.ports ?? []).filter((p) => (p.name ?? "") === name).flatMap((p) => p.port ?? [])
      : [],
  );
  return [...new Set(ports)];
}

/** What a world was asked for. */
class Asked {
  readonly services = new Set<string>();
  readonly entries = new Set<string>();
  readonly secrets = new Set<string>();
  readonly maps = new Set<string>();
  readonly parameters = new Set<string>();
  hosts = false;
  /** Whether something was not known yet. */
  waits = false;
}
