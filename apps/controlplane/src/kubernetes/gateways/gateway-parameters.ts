import { CLASS_DEFAULTS_LABEL, type Overlay } from "@lateen/gateway-deployment";
import { type ApiClient, CONFIG_MAPS, type Decoded, type KubeMetrics, startReflector } from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";
import { followNamed } from "./named-objects.ts";

/** ConfigMaps that customise Gateways: defaults of classes, and those that single Gateways name. */
export interface GatewayParameters extends Disposable {
  synced(o: { readonly signal: AbortSignal }): Promise<void>;
  /** The oldest one for a class. */
  ofClass(name: string): Overlay | undefined;
  /** One that was asked for. @returns null as long as it is not known whether it exists */
  named(key: string): Overlay | undefined | null;
  /** From now on just these are followed, by `namespace/name`. */
  follow(keys: ReadonlySet<string>): void;
}

interface ClassDefaults extends Overlay {
  readonly className: string;
  readonly created: string;
}

/** @param o.onNamed hears `namespace/name` of a ConfigMap that was asked for, once it is known and when it changes */
export function followParameters(o: {
  readonly client: ApiClient;
  /** The control plane's own: defaults of classes stand there. */
  readonly namespace: string;
  readonly onClassDefaults: () => void;
  readonly onNamed: (key: string) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): GatewayParameters {
  const common = { client: o.client, resource: CONFIG_MAPS, log: o.log, metrics: o.metrics };
  const defaults = startReflector<ClassDefaults>({
    ...common,
    namespace: o.namespace,
    labelSelector: CLASS_DEFAULTS_LABEL,
    decode: readDefaults,
    onChange: o.onClassDefaults,
  });
  const named = followNamed<Overlay>({ ...common, decode: overlayOf, onChange: o.onNamed });
  return {
    synced: (wait) => defaults.synced(wait),
    ofClass: (name) =>
      [...defaults.entries()]
        .filter(([, d]) => d.className === name)
        .sort(([a, x], [b, y]) =>
          x.created === y.created ? (a < b ? -1 : 1) : x.created < y.created ? -1 : 1,
        )[0]?.[1],
    named: (key) => named.get(key),
    follow: (keys) => named.follow(keys),
    [Symbol.dispose]() {
      defaults[Symbol.dispose]();
      named[Symbol.dispose]();
    },
  };
}

interface RawMap {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly creationTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
}

function overlayOf(raw: unknown): Overlay {
  const { metadata, data = {} } = raw as RawMap;
  return { namespace: metadata.namespace, name: metadata.name, data };
}

function readDefaults(raw: unknown): Decoded<ClassDefaults> {
  const { metadata } = raw as RawMap;
  const className = metadata.labels?.[CLASS_DEFAULTS_LABEL] ?? "";
  return { t: "good", value: { ...overlayOf(raw), className, created: metadata.creationTimestamp ?? "" } };
}
