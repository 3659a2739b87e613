import { type ApiClient, type ApiResource, type KubeMetrics, type Reflector, startReflector } from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";

/** Single objects of a kind that may be large or secret: only those that somebody refers to are followed. */
export interface NamedObjects<T> extends Disposable {
  /** @returns null as long as it is not known whether it exists */
  get(key: string): T | undefined | null;
  /** From now on just these are followed, by `namespace/name`. */
  follow(keys: ReadonlySet<string>): void;
}

/** Each is a watch of its own. */
const MAX_FOLLOWED = 1_000;

/** @param o.onChange hears the key of an object once it is known, and when it changes */
export function followNamed<T>(o: {
  readonly client: ApiClient;
  readonly resource: ApiResource;
  readonly decode: (raw: unknown) => T;
  readonly onChange: (key: string) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): NamedObjects<T> {
  const followed = new Map<string, Reflector<T>>();
  const start = (key: string): Reflector<T> =>
    startReflector<T>({
      ...{ client: o.client, resource: o.resource, log: o.log, metrics: o.metrics },
      namespace: key.slice(0, key.indexOf("/")),
      fieldSelector: `metadata.name=${key.slice(key.indexOf("/") + 1)}`,
      decode: (raw) => ({ t: "good", value: o.decode(raw) }),
      onChange: () => o.onChange(key),
    });
  return {
    get(key) {
      const reflector = followed.get(key);
      return reflector?.hasSynced ? reflector.get(key) : null;
    },
    follow(keys) {
      for (const [key, reflector] of followed) {
        if (keys.has(key)) continue;
        reflector[Symbol.dispose]();
        followed.delete(key);
      }
      for (const key of keys) {
        if (followed.has(key)) continue;
        if (followed.size >= MAX_FOLLOWED) {
          const kind = o.resource.kind;
          return o.log.error("Gateways refer to too many objects, the others are not heeded", {
            kind,
            most: MAX_FOLLOWED,
          });
        }
        followed.set(key, start(key));
      }
    },
    [Symbol.dispose]() {
      for (const reflector of followed.values()) reflector[Symbol.dispose]();
    },
  };
}
