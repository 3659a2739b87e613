import { CLASS_DEFAULTS_LABEL, type Overlay } from "@lateen/gateway-deployment";
import {
  type ApiClient,
  CONFIG_MAPS,
  type Decoded,
  type KubeMetrics,
  type Reflector,
  startReflector,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

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

/** Each is a watch of its own; whoever wants more shares ConfigMaps. */
const MAX_FOLLOWED = 1_000;

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
  const named = new Map<string, Reflector<Overlay>>();
  const start = (key: string): Reflector<Overlay> =>
    startReflector<Overlay>({
      ...common,
      namespace: key.slice(0, key.indexOf("/")),
      fieldSelector: `metadata.name=${key.slice(key.indexOf("/") + 1)}`,
      decode: (raw) => ({ t: "good", value: overlayOf(raw) }),
      onChange: () => o.onNamed(key),
    });
  return {
    synced: (wait) => defaults.synced(wait),
    ofClass: (name) =>
      [...defaults.entries()]
        .filter(([, d]) => d.className === name)
        .sort(([a, x], [b, y]) =>
          x.created === y.created ? (a < b ? -1 : 1) : x.created < y.created ? -1 : 1,
        )[0]?.[1],
    named(key) {
      const reflector = named.get(key);
      return reflector?.hasSynced ? reflector.get(key) : null;
    },
    follow(keys) {
      for (const [key, reflector] of named) {
        if (keys.has(key)) continue;
        reflector[Symbol.dispose]();
        named.delete(key);
      }
      for (const key of keys) {
        if (named.has(key)) continue;
        if (named.size >= MAX_FOLLOWED) {
          o.log.error("too many ConfigMaps customise Gateways, the others are not heeded", { most: MAX_FOLLOWED });
          break;
        }
        named.set(key, start(key));
      }
    },
    [Symbol.dispose]() {
      defaults[Symbol.dispose]();
      for (const reflector of named.values()) reflector[Symbol.dispose]();
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
