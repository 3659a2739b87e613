import { type ApiClient, formatFailure } from "@lateen/kube";

const ALWAYS_REJECT = "internal.istio.io/webhook-always-reject";
const NAME = "invalid-gateway";

/**
 * Whether the API server asks one of these webhooks: by a dry run of a Gateway that each control plane of Istio's API refuses.
 * Webhooks of a revision are asked about objects that are labelled for it, others about those without a label.
 * @see control-plane 7.2
 */
export async function probeWebhook(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly revision: string;
  readonly webhooks: readonly string[];
  readonly signal: AbortSignal;
}): Promise<{ readonly ok: true } | { readonly ok: false; readonly why: string }> {
  let why = "";
  for (const labels of [{ "istio.io/rev": o.revision }, {}]) {
    const answer = await o.client.json({
      method: "POST",
      path: `/apis/networking.istio.io/v1/namespaces/${o.namespace}/gateways`,
      query: { dryRun: "All" },
      body: {
        apiVersion: "networking.istio.io/v1",
        kind: "Gateway",
        metadata: { name: NAME, namespace: o.namespace, labels, annotations: { [ALWAYS_REJECT]: "true" } },
        spec: {},
      },
      signal: o.signal,
    });
    if (answer.ok) why ||= "the API server does not ask it yet";
    else if (o.webhooks.some((name) => refusedBy(name, answer.error.message))) return { ok: true };
    else why = formatFailure(answer.error);
  }
  return { ok: false, why };
}

/** The API server names the webhook that refused. */
const refusedBy = (name: string, message: string): boolean =>
  message.includes(`admission webhook "${name}" denied the request`);
