import { isDeepStrictEqual } from "node:util";
import { type Collection, Graph } from "@lateen/collections";
import {
  type Found,
  type MeshInputs,
  MeshLookup,
  type MeshModel,
  meshInputs,
  meshModel,
  modelOptions,
  putObject,
  removeObject,
  keyInKind,
} from "@lateen/translation";
import type { AuthorizationPolicy, Resource } from "@lateen/resources";
import { text } from "../../read-json.ts";
import type { JsonObject } from "../../suite-driver.ts";
import { readObject } from "./objects.ts";

/** Settings of the source by their names there; null is what the product has no other form of. */
const FLAGS: Readonly<Record<string, "autoAllowWaypoint" | "servicesSelectEntries">> = {
  DefaultAllowFromWaypoint: "autoAllowWaypoint",
  EnableK8SServiceSelectWorkloadEntries: "servicesSelectEntries",
};

/** One control plane of a scenario, and what its only subscriber has been told and not looked at yet. */
export class ScenarioWorld {
  readonly model: MeshModel;
  readonly #graph = new Graph();
  readonly #inputs: MeshInputs;
  readonly #lookup: MeshLookup;
  /** One set of names for each step that changed anything. */
  #pushes: ReadonlySet<string>[] = [];
  #told = new Set<string>();
  /** Ages of objects, as the server gives them. */
  readonly #created = new Map<string, string>();

  /** @throws TypeError for a flag that nobody knows */
  constructor(start: JsonObject) {
    const flags = Object.entries((start["flags"] ?? {}) as Record<string, boolean>).map(([flag, on]) => {
      const option = FLAGS[flag];
      if (option === undefined) throw new TypeError(`unknown flag ${flag}`);
      return [option, on] as const;
    });
    this.#inputs = meshInputs(this.#graph);
    const options = modelOptions({
      ...Object.fromEntries(flags),
      clusterId: text(start["cluster"] ?? ""),
      domain: "company.com",
      revisions: [text(start["revision"] ?? "default")],
    });
    this.model = meshModel(this.#graph, this.#inputs, options);
    this.#lookup = new MeshLookup(this.#graph, this.model);
    const network = text(start["network"] ?? "");
    for (const object of before(network)) this.apply(object);
    const { workloads, services, authorizations } = this.model;
    for (const told of [workloads, services, authorizations] as readonly Collection<unknown>[])
      told.subscribe((changes) => changes.forEach((c) => this.#told.add(c.key)));
    this.forget();
  }

  apply(raw: JsonObject): void {
    const { kind, metadata } = readObject(raw);
    const id = `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
    const age = this.#created.get(id) ?? new Date(1_700_000_000_000 + this.#created.size * 1_000).toISOString();
    this.#created.set(id, age);
    const object = readObject(raw, age);
    const before =
      object.kind === "AuthorizationPolicy" ? this.#inputs.AuthorizationPolicy.get(keyInKind(object)) : undefined;
    this.#step(() => putObject(this.#inputs, object), isRepeated(before, object) ? keyInKind(object) : null);
  }

  remove(kind: string, namespace: string, name: string): void {
    this.#created.delete(`${kind}/${namespace}/${name}`);
    this.#step(() => removeObject(this.#inputs, kind, namespace === "" ? name : `${namespace}/${name}`));
  }

  /** Takes what was told until all the names have been; null when they have not. */
  takePushes(names: readonly string[]): readonly string[] | null {
    const open = new Set(names);
    for (const [i, batch] of this.#pushes.entries()) {
      for (const name of open) if (heard(batch, name)) open.delete(name);
      if (open.size > 0) continue;
      this.#pushes = this.#pushes.slice(i + 1);
      return null;
    }
    return [...open];
  }

  get untaken(): readonly string[] {
    return this.#pushes.flatMap((batch) => [...batch]);
  }

  forget(): void {
    this.#pushes = [];
    this.#told = new Set();
  }

  /** @param name a uid, `network/ip` or `namespace/hostname`; empty is everything */
  find(name: string): Found {
    if (name !== "") return this.#lookup.find(name);
    return { workloads: this.model.workloads.values(), services: this.model.services.values() };
  }

  /** @param repeated a policy that counts as told as long as it is in force */
  #step(change: () => void, repeated: string | null = null): void {
    this.#graph.update(change);
    if (repeated !== null && this.model.authorizations.get(repeated) !== undefined) this.#told.add(repeated);
    if (this.#told.size > 0) this.#pushes.push(this.#told);
    this.#told = new Set();
  }
}

/**
 * The source sends a policy again when only its selector has changed, which is no part of the message. The product does not
 * send what its subscriber has; here that counts as told.
 */
function isRepeated(before: AuthorizationPolicy | undefined, after: Resource): boolean {
  if (before === undefined || after.kind !== "AuthorizationPolicy") return false;
  return !isDeepStrictEqual(before.spec.selector, after.spec.selector);
}

/** A name without a slash is a policy's, of whatever namespace. */
const heard = (batch: ReadonlySet<string>, name: string): boolean =>
  name.includes("/") ? batch.has(name) : [...batch].some((told) => told.endsWith(`/${name}`));

/** What every scenario finds in place. */
function before(network: string): readonly JsonObject[] {
  const systemLabels: JsonObject = network === "" ? {} : { "topology.istio.io/network": network };
  const classOf = (name: string, controllerName: string): JsonObject => ({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name },
    spec: { controllerName },
  });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "istio-system", labels: systemLabels } },
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "ns1", labels: { "istio.io/dataplane-mode": "ambient" } },
    },
    classOf("istio-waypoint", "istio.io/mesh-controller"),
    classOf("istio-east-west", "istio.io/eastwest-controller"),
  ];
}
