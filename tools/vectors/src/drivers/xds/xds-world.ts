import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { MeshFeed, ResourceStore, ServedTypes } from "@lateen/controlplane";
import type { Kind, Resource } from "@lateen/resources";
import { createLogging } from "@lateen/telemetry";
import { keyInKind, modelOptions } from "@lateen/translation";
import { SharedBatches } from "@lateen/xds";
import { text } from "../../read-json.ts";
import type { JsonObject } from "../../suite-driver.ts";
import { readObject } from "../ambient/objects.ts";
import { DeltaStream } from "./delta-client.ts";

/** A control plane without its edges: objects in, responses out. One client at a time, as in the suite. */
export class XdsWorld {
  /** Names to versions, as responses said them. */
  readonly saved = new Map<string, string>();
  stream: DeltaStream | null = null;
  readonly #store = new ResourceStore((body) => createHash("sha256").update(body).digest("hex").slice(0, 16));
  readonly #feed: MeshFeed;
  readonly #types: ServedTypes;
  readonly #shared = new SharedBatches();
  readonly #written = new Map<string, JsonObject>();
  readonly #problems: string[] = [];
  #rewritten: string | null = null;

  constructor() {
    const log = createLogging({ write: (line) => this.#problems.push(line), nowMicros: () => 0 }).logger("config");
    this.#feed = new MeshFeed(this.#store, modelOptions({ clusterId: "Kubernetes", domain: "cluster.local" }), log);
    this.#types = new ServedTypes(this.#store, this.#feed.lookup);
    this.#store.onChange(() => this.stream?.changed());
    this.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "istio-system" } });
  }

  connect(step: JsonObject): void {
    this.disconnect();
    this.stream = new DeltaStream(step, { types: this.#types, shared: this.#shared });
  }

  disconnect(): void {
    this.stream?.[Symbol.dispose]();
    this.stream = null;
  }

  apply(raw: JsonObject): void {
    const after = readObject(raw, "2026-01-01T00:00:00Z");
    const key = keyInKind(after);
    const before = this.#written.get(`${after.kind}/${key}`);
    this.#rewritten =
      after.kind === "AuthorizationPolicy" && before !== undefined && isOtherwise(before, raw) ? key : null;
    this.#written.set(`${after.kind}/${key}`, raw);
    this.#take(after.kind, key, after);
  }

  /** Writes an object again as it is. */
  touch(step: JsonObject): void {
    const raw = this.#written.get(`${text(step["kind"])}/${keyOf(step)}`);
    if (raw === undefined) throw new TypeError("the object to be written again is not there");
    this.apply(raw);
  }

  remove(step: JsonObject): void {
    const kind = text(step["kind"]) as Kind;
    this.#rewritten = null;
    this.#written.delete(`${kind}/${keyOf(step)}`);
    this.#take(kind, keyOf(step), undefined);
  }

  /** The policy that the last step wrote again with another content, which need not be another for proxies. */
  get rewritten(): string | null {
    return this.#rewritten;
  }

  /** The workloads of those of these names that are services. */
  membersOf(names: readonly string[]): readonly string[] {
    return names.flatMap((name) => this.#feed.lookup.ofService(name).map((w) => w.uid));
  }

  /** The version in which a resource is served now; empty: it is not. */
  versionOf(name: string): string {
    return (this.#store.addresses.get(name) ?? this.#store.authorizations.get(name))?.version ?? "";
  }

  #take(kind: Kind, key: string, after: Resource | undefined): void {
    this.#feed.take({ changes: [{ kind, key, after }], problems: [] }, () => null);
  }
}

function keyOf(step: JsonObject): string {
  const namespace = text(step["namespace"] ?? "");
  return namespace === "" ? text(step["name"]) : `${namespace}/${text(step["name"])}`;
}

const isOtherwise = (a: JsonObject, b: JsonObject): boolean => !isDeepStrictEqual(a["spec"], b["spec"]);
