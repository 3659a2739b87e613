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
import { probeWebhook } from "./webhook-probe.ts";

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
        failurePolicy: z.string().optional(),
      }),
    )
    .default([]),
});
/** Those webhooks of a configuration that are served by us, by their names. */
type Webhooks = ReadonlyMap<string, { readonly caBundle: string; readonly failurePolicy: string }>;
const CLOSED = "Fail";

/**
 * The roots in the webhook configurations of this revision, so that the API server trusts us: only in webhooks that call our own
 * Service, and only that one field. Those that validate are also closed once the API server was seen to ask us: before, an
 * object that nobody could check is taken; from then on it is refused.
 * @see control-plane 6.8, 7.2
 */
export function webhookBundles(o: {
  readonly client: ApiClient;
  readonly revision: string;
  readonly namespace: string;
  /** Services that reach this control plane. */
  readonly services: readonly string[];
  readonly rootsPem: () => string;
  /** Whether configurations for validation are ours to write. */
  readonly validating: boolean;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Disposable & { readonly queue: WorkQueue; allChanged(): void } {
  const kinds = new Map<string, Reflector<Webhooks>>();
  const queue = createWorkQueue({ name: "write a webhook's bundle", work, log: o.log });
  const resources = o.validating ? [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS] : [MUTATING_WEBHOOKS];
  for (const resource of resources) kinds.set(resource.kind, follow(resource));

  function follow(resource: ApiResource): Reflector<Webhooks> {
    return startReflector<Webhooks>({
      client: o.client,
      resource,
      labelSelector: `istio.io/rev=${o.revision}`,
      decode(raw) {
        const parsed = configuration.safeParse(raw);
        if (!parsed.success) return { t: "bad", why: "its webhooks cannot be read" };
        const ours = parsed.data.webhooks.filter(({ clientConfig: { service: s } }) => {
          return s !== undefined && s.namespace === o.namespace && o.services.includes(s.name);
        });
        const webhooks = ours.map(({ name, clientConfig: { caBundle = "" }, failurePolicy = CLOSED }) => {
          return [name, { caBundle, failurePolicy }] as const;
        });
        return { t: "good", value: new Map(webhooks) };
      },
      onChange: (changes) => changes.forEach(({ key }) => queue.add(`${resource.kind}/${key}`)),
      log: o.log,
      metrics: o.metrics,
    });
  }

  async function work(key: string, signal: AbortSignal): Promise<WorkOutcome> {
    const [kind = "", name = ""] = key.split("/", 2);
    const reflector = kinds.get(kind);
    const webhooks = reflector?.get(name);
    if (reflector === undefined || webhooks === undefined || webhooks.size === 0) return workDone();
    const caBundle = Buffer.from(o.rootsPem()).toString("base64");
    const trusted = [...webhooks.values()].every((webhook) => webhook.caBundle === caBundle);
    const validates = kind === VALIDATING_WEBHOOKS.kind;
    const closed = validates && [...webhooks.values()].every((webhook) => webhook.failurePolicy === CLOSED);
    if (!trusted) return write(reflector.resource, name, { webhooks, caBundle, closed }, signal);
    if (closed || !validates) return workDone();
    // It may be some time until the API server has noticed what was written.
    const probe = await probeWebhook({ ...o, webhooks: [...webhooks.keys()], signal });
    if (!probe.ok) return { t: "again", why: probe.why };
    return write(reflector.resource, name, { webhooks, caBundle, closed: true }, signal);
  }

  async function write(
    resource: ApiResource,
    name: string,
    of: { readonly webhooks: Webhooks; readonly caBundle: string; readonly closed: boolean },
    signal: AbortSignal,
  ): Promise<WorkOutcome> {
    const webhooks = [...of.webhooks.keys()].map((webhook) => ({
      name: webhook,
      clientConfig: { caBundle: of.caBundle },
      ...(of.closed ? { failurePolicy: CLOSED } : {}),
    }));
    const object = { ...writtenAs(resource), metadata: { name }, webhooks };
    const answer = await objectAccess(o.client, resource).apply(object, { owner: OWNER, signal });
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
