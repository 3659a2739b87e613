import {
  type ApiClient,
  CONFIG_MAPS,
  type KubeMetrics,
  formatFailure,
  objectAccess,
  startReflector,
  writtenAs,
} from "@lateen/kube";
import type { Logger } from "@lateen/telemetry";
import { z } from "zod";
import type { ProxyReport, RotationWorld } from "../rotation/rotation-keeper.ts";

/** One key per replica; each replica owns its own. */
export const REPORTS_CONFIG_MAP = "lateen-ca-rotation";

const report = z.object({
  serial: z.number(),
  acknowledged: z.array(z.string()),
  mute: z.array(z.string()),
});

/**
 * What each replica knows of the proxies connected to it, in a ConfigMap: the leader must not go on with a rotation by its own
 * clients alone. That a proxy acknowledged a state stays true whatever becomes of the replica that says so.
 */
export function rotationReports(o: {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Of this replica. */
  readonly identity: string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}): Pick<RotationWorld, "publish" | "others"> & Disposable {
  const reports = startReflector<readonly (readonly [string, ProxyReport])[]>({
    client: o.client,
    resource: CONFIG_MAPS,
    namespace: o.namespace,
    fieldSelector: `metadata.name=${REPORTS_CONFIG_MAP}`,
    decode: (raw) => ({ t: "good", value: reportsIn(raw) }),
    log: o.log,
    metrics: o.metrics,
  });
  const access = objectAccess(o.client, CONFIG_MAPS);
  let written: string | null = null;
  let isBusy = false;

  async function write(text: string | null): Promise<void> {
    isBusy = true;
    const owner = `${REPORTS_CONFIG_MAP}-${o.identity}`;
    const object = {
      ...writtenAs(CONFIG_MAPS),
      metadata: { name: REPORTS_CONFIG_MAP, namespace: o.namespace },
      data: text === null ? {} : { [o.identity]: text },
    };
    const answer = await access.apply(object, { owner });
    o.metrics.wrote(REPORTS_CONFIG_MAP, answer.ok ? "ok" : "failed");
    if (answer.ok) written = text;
    else o.log.warn("cannot tell the other replicas of our proxies", { error: formatFailure(answer.error) });
    isBusy = false;
  }
  return {
    publish(own) {
      const text = own === null ? null : JSON.stringify(own);
      if (text !== written && !isBusy) void write(text);
    },
    others: () =>
      [...reports.entries()].flatMap(([, all]) => all.filter(([name]) => name !== o.identity).map(([, r]) => r)),
    [Symbol.dispose]: () => reports[Symbol.dispose](),
  };
}

/** A report that cannot be read counts for nothing: its proxies are waited for. */
function reportsIn(raw: unknown): readonly (readonly [string, ProxyReport])[] {
  const { data } = raw as { readonly data?: Readonly<Record<string, string>> };
  return Object.entries(data ?? {}).flatMap(([name, text]) => {
    try {
      return [[name, report.parse(JSON.parse(text))] as const];
    } catch {
      return []; // see above
    }
  });
}
