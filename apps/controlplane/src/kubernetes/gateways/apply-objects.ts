import { createHash } from "node:crypto";
import { ACCOUNT_ANNOTATION, GATEWAY_NAME_LABEL, MANAGED_LABEL, type PlannedObject } from "@lateen/gateway-deployment";
import { type ApiClient, type KubeMetrics, formatFailure, objectAccess } from "@lateen/kube";
import type { Gateway } from "@lateen/resources";
import { type GatewayChildren, childOf, childResource } from "./gateway-children.ts";

/** What became of one object. */
export type Applied =
  | { readonly t: "done" }
  /** Somebody has to do something about it: the name is taken. */
  | { readonly t: "refused"; readonly why: string }
  | { readonly t: "failed"; readonly why: string; readonly afterMs: number };

const DONE: Applied = { t: "done" };

/** Makes objects of Gateways what they should be, and remembers what it wrote so that it writes only differences. */
export class ObjectApplier {
  readonly #o: {
    readonly client: ApiClient;
    readonly children: GatewayChildren;
    /** Field manager. */
    readonly owner: string;
    readonly metrics: KubeMetrics;
  };
  /** What was applied, and what the object was right after, by `Kind/namespace/name`. */
  readonly #applied = new Map<string, { readonly wanted: string; readonly print: string; readonly gateway: string }>();

  constructor(o: {
    readonly client: ApiClient;
    readonly children: GatewayChildren;
    readonly owner: string;
    readonly metrics: KubeMetrics;
  }) {
    this.#o = o;
  }

  /** @param gateway `namespace/name` of one that is gone */
  forget(gateway: string): void {
    for (const [id, applied] of this.#applied) if (applied.gateway === gateway) this.#applied.delete(id);
  }

  async apply(object: PlannedObject, gateway: Gateway, signal: AbortSignal): Promise<Applied> {
    const { client, children, owner, metrics } = this.#o;
    const { name, namespace } = object.metadata;
    const id = `${object.kind}/${namespace}/${name}`;
    const wanted = createHash("sha256").update(JSON.stringify(object)).digest("base64");
    const before = this.#applied.get(id);
    const child = children.get(object.kind, `${namespace}/${name}`);
    if (child !== undefined && before?.wanted === wanted && before.print === child.print) return DONE;
    const access = objectAccess(client, childResource(object.kind));
    const found = await access.get({ namespace, name }, { signal });
    if (!found.ok && found.error.status !== 404) return failed(found.error);
    const claim = found.ok ? claimOf(found.value, object, gateway) : "ours";
    if (claim !== "ours") return claim === "shared" ? DONE : { t: "refused", why: claim };
    // Whoever changed it since makes this fail, and it is looked at anew.
    const at = found.ok ? { resourceVersion: childOf(found.value).resourceVersion } : {};
    const written = { ...object, metadata: { ...object.metadata, ...at } };
    const answer = await access.apply(written, { owner, signal });
    metrics.wrote(owner, answer.ok ? "ok" : "failed");
    if (!answer.ok) return failed(answer.error);
    const key = `${namespace}/${gateway.metadata.name}`;
    this.#applied.set(id, { wanted, print: childOf(answer.value).print, gateway: key });
    return DONE;
  }
}

/** `shared`: it serves as it is, and is not ours to write. */
function claimOf(raw: unknown, { kind, metadata }: PlannedObject, gateway: Gateway): "ours" | "shared" | string {
  const { labels = {} } = (raw as { readonly metadata: { readonly labels?: Readonly<Record<string, string>> } })
    .metadata;
  const named = kind === "ServiceAccount" && (gateway.metadata.annotations?.[ACCOUNT_ANNOTATION] ?? "") !== "";
  const where = `${kind} ${metadata.namespace}/${metadata.name}`;
  if (labels[MANAGED_LABEL] === undefined)
    return named ? "shared" : `${where} exists without the label ${MANAGED_LABEL}, so it is not taken over`;
  const other = labels[GATEWAY_NAME_LABEL];
  if (other === undefined || other === gateway.metadata.name) return "ours";
  return named ? "shared" : `${where} belongs to Gateway ${metadata.namespace}/${other}`;
}

function failed(error: Parameters<typeof formatFailure>[0]): Applied {
  return { t: "failed", why: formatFailure(error), afterMs: error.retryAfterMs ?? 0 };
}
