import { type ResourceStore, type ServedTypes, PUSH_ORDER, scopeOf } from "@lateen/controlplane";
import { DeltaServer, type ServerEffect, type SharedBatches, encodeResponse, parseClientNode } from "@lateen/xds";
import {
  type DeltaDiscoveryResponse,
  createDeltaDiscoveryRequest,
  createNode,
  decodeDeltaDiscoveryResponse,
  structFromJson,
} from "@lateen/xds-types";
import { object, text, texts } from "../../read-json.ts";
import type { JsonObject } from "../../suite-driver.ts";

/** One delta stream of one type, through the machine and the bytes of the server; it answers what it gets. */
export class DeltaStream implements Disposable {
  readonly #typeUrl: string;
  readonly #machine: DeltaServer;
  #nonces = 0;
  #responses: DeltaDiscoveryResponse[] = [];
  /** What the client has: name to version. */
  readonly held = new Map<string, string>();
  #ended: string | null = null;

  /** @throws Error when the server refuses the client */
  constructor(step: JsonObject, server: { readonly types: ServedTypes; readonly shared: SharedBatches }) {
    this.#typeUrl = text(step["typeUrl"]);
    const metadata = structFromJson({ CLUSTER_ID: "Kubernetes", ...object(step["nodeMetadata"] ?? {}) });
    const id = text(step["nodeId"] ?? "ztunnel~10.0.0.1~ztunnel.istio-system~istio-system.svc.cluster.local");
    const node = parseClientNode(createNode({ id, metadata }));
    if (!node.ok) throw node.error;
    const scope = scopeOf(node.value);
    this.#machine = new DeltaServer({
      ...{ types: server.types.for(node.value), order: PUSH_ORDER, scope, scopeKey: scope.key, shared: server.shared },
      nonce: () => String((this.#nonces += 1)),
    });
  }

  request(step: JsonObject, versions: ReadonlyMap<string, string>): void {
    const initial = Object.entries(object(step["initialResourceVersions"] ?? {})).map(([name, version]) => {
      const given = text(version);
      return [name, given === "${saved}" ? (versions.get(name) ?? "") : given] as const;
    });
    for (const [name, version] of initial) this.held.set(name, version);
    const request = createDeltaDiscoveryRequest({
      typeUrl: this.#typeUrl,
      resourceNamesSubscribe: [...texts(step["resourceNamesSubscribe"] ?? [])],
      resourceNamesUnsubscribe: [...texts(step["resourceNamesUnsubscribe"] ?? [])],
      initialResourceVersions: new Map(initial),
    });
    this.#hear(this.#machine.step({ t: "request", request }));
  }

  /** To be told whenever the store has changed. */
  changed(): void {
    this.#hear(this.#machine.step({ t: "changed" }));
  }

  /** The next response, answered; null when there is none. @throws Error when the server has ended the stream */
  next(): DeltaDiscoveryResponse | null {
    const response = this.#responses.shift();
    if (response === undefined) {
      if (this.#ended !== null) throw new Error(`the stream has ended: ${this.#ended}`);
      return null;
    }
    for (const { name, version } of response.resources) this.held.set(name, version);
    for (const name of response.removedResources) this.held.delete(name);
    const { typeUrl, nonce: responseNonce } = response;
    const request = createDeltaDiscoveryRequest({ typeUrl, responseNonce });
    this.#hear(this.#machine.step({ t: "request", request }));
    return response;
  }

  [Symbol.dispose](): void {
    this.#machine[Symbol.dispose]();
  }

  #hear(effects: readonly ServerEffect[]): void {
    for (const effect of effects) {
      if (effect.t === "close") this.#ended = effect.message;
      if (effect.t !== "send") continue;
      const { batch, nonce } = effect;
      const response = decodeDeltaDiscoveryResponse(encodeResponse(batch, { nonce, systemVersion: "" }));
      if (!response.ok) throw response.error;
      this.#responses.push(response.value);
    }
  }
}

/** What holds the resources that streams are told of. */
export interface Served {
  readonly store: ResourceStore;
  readonly types: ServedTypes;
}
