import { type ApiClient, type KubeMetrics, SECRETS, startReflector } from "@lateen/kube";
import { disposable } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import { CA_SECRET, PLUGGED_SECRET } from "./secret-store.ts";

/** Follows the two Secrets that the authority may be kept in. What is in them is not held here. */
export function watchSecrets(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly changed: () => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Disposable {
  const reflectors = [CA_SECRET, PLUGGED_SECRET].map((name) =>
    startReflector<string>({
      client: o.client,
      resource: SECRETS,
      namespace: o.namespace,
      fieldSelector: `metadata.name=${name}`,
      form: "metadata",
      decode: (raw) => ({ t: "good", value: versionOf(raw) }),
      onChange: () => o.changed(),
      log: o.log,
      metrics: o.metrics,
    }),
  );
  return disposable(() => {
    for (const reflector of reflectors) reflector[Symbol.dispose]();
  });
}

const versionOf = (raw: unknown): string =>
  (raw as { readonly metadata?: { readonly resourceVersion?: string } }).metadata?.resourceVersion ?? "";
