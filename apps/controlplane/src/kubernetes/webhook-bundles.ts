import { Buffer } from "node:buffer";
import {
  type ApiClient,
  type ApiResource,
  type KubeMetrics,
  MUTATING_WEBHOOKS,
  type Reflector,
  VALIDATING_WEBHOOKS,
  type WorkOutcome,
  type WorkQueue,
  createWorkQueue,
  formatFailure,
  objectAccess,
  startReflector,
  workDone,
  writtenAs,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";
import { z } from "zod";

const OWNER = "lateen-webhooks";

const configuration = z.looseObject({
  webhooks: z
    .array(
      z.looseObject({
        name: z.string(),
        clientConfig: z.looseObject({
          caBundle: z.string().optional(),
          service: z.looseObject({ namespace: z.string(), name: z.string() }).optional(),
        }),
      }),
    )
    .default([]),
});
/** Bundle by name of those webhooks that are served by us. */
type Bundles = ReadonlyMap<string, string>;

/**
 * The roots in the webhook configurations of this revision, so that the API server trusts us: only in webhooks that call our own
 * Service, and only that one field.
 * @see control-plane 6.8, 7.2
 */
export function webhookBundles(o: {
  readonly client: ApiClient;
  readonly revision: string;
  readonly namespace: string;
  /** Services that reach this control plane. */
  readonly services: readonly string[];
  readonly rootsPem: () => string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Disposable & { readonly queue: WorkQueue; allChanged(): void } {
  const kinds = new Map<string, Reflector<Bundles>>();
  const queue = createWorkQueue({ name: "write a webhook's bundle", work, log: o.log });
  for (const resource of [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS]) kinds.set(resource.kind, follow(resource));

  function follow(resource: ApiResource): Reflector<Bundles> {
    return startReflector<Bundles>({
      client: o.client,
      resource,
      labelSelector: `istio.io/rev=${o.revision}`,
      decode(raw) {
        const parsed = configuration.safeParse(raw);
        if (!parsed.success) return { t: "bad", why: "its webhooks cannot be read" };
        const ours = parsed.data.webhooks.filter(({ clientConfig: { service: s } }) => {
          return s !== undefined && s.namespace === o.namespace && o.services.includes(s.name);
        });
        return { t: "good", value: new Map(ours.map((w) => [w.name, w.clientConfig.caBundle ?? ""])) };
      },
      onChange: (changes) => changes.forEach(({ key }) => queue.add(`${resource.kind}/${key}`)),
      log: o.log,
      metrics: o.metrics,
    });
  }

  async function work(key: string, signal: AbortSignal): Promise<WorkOutcome> {
    const [kind = "", name = ""] = key.split("/", 2);
    const reflector = kinds.get(kind);
    const bundles = reflector?.get(name);
    if (reflector === undefined || bundles === undefined) return workDone();
    const caBundle = Buffer.from(o.rootsPem()).toString("base64");
    const wrong = [...bundles].filter(([, bundle]) => bundle !== caBundle);
    if (wrong.length === 0) return workDone();
    const webhooks = [...bundles.keys()].map((webhook) => ({ name: webhook, clientConfig: { caBundle } }));
    const object = { ...writtenAs(reflector.resource), metadata: { name }, webhooks };
    const answer = await objectAccess(o.client, reflector.resource).apply(object, { owner: OWNER, signal });
    o.metrics.wrote(OWNER, answer.ok ? "ok" : "failed");
    if (answer.ok || answer.error.status === 404) return workDone();
    return { t: "again", why: formatFailure(answer.error), afterMs: answer.error.retryAfterMs ?? 0 };
  }

  return {
    queue,
    allChanged() {
      for (const [kind, reflector] of kinds) for (const [name] of reflector.entries()) queue.add(`${kind}/${name}`);
    },
    [Symbol.dispose]() {
      for (const reflector of kinds.values()) reflector[Symbol.dispose]();
    },
  };
}
