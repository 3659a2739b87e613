import type { Registry } from "@lateen/telemetry";
import type { ReflectorNote } from "./reflector-machine.ts";

/** What following and writing look like in numbers. */
export interface KubeMetrics {
  objects(kind: string, good: number, bad: number): void;
  changed(kind: string, changes: readonly { readonly before: unknown; readonly after: unknown }[]): void;
  noted(kind: string, event: ReflectorNote): void;
  wrote(what: string, outcome: "ok" | "failed" | "unchanged"): void;
  leading(lease: string, leads: boolean): void;
}

/** Kinds of Kubernetes itself are counted apart, as Istio's dashboards do. */
const REGISTRY_KINDS: ReadonlySet<string> = new Set(["Pod", "Service", "Node", "Namespace", "EndpointSlice"]);
/** What is an error of following, to alert on. */
const ERRORS: ReadonlySet<ReflectorNote> = new Set(["failed", "throttled", "stalled", "expired", "rewound"]);

/** @see control-plane 9.3 for the names that dashboards use */
export function createKubeMetrics(registry: Registry): KubeMetrics {
  const events = {
    cfg: registry.counter({
      name: "pilot_k8s_cfg_events",
      help: "Changes of configuration objects",
      labels: ["type", "event"],
    }),
    reg: registry.counter({
      name: "pilot_k8s_reg_events",
      help: "Changes of pods, services and the like",
      labels: ["type", "event"],
    }),
  };
  const syncErrors = registry.counter({ name: "controller_sync_errors", help: "Failures to follow the API server" });
  const objects = registry.gauge({
    name: "lateen_kube_objects",
    help: "Objects held",
    labels: ["kind", "state"],
  });
  const notes = registry.counter({
    name: "lateen_kube_follow",
    help: "What happened while following a kind",
    labels: ["kind", "event"],
  });
  const writes = registry.counter({
    name: "lateen_kube_writes",
    help: "Writes to the API server, by writer",
    labels: ["writer", "outcome"],
  });
  const leading = registry.gauge({
    name: "lateen_kube_leading",
    help: "1 while this process leads",
    labels: ["lease"],
  });
  return {
    objects(kind, good, bad) {
      objects.with({ kind, state: "good" }).set(good);
      objects.with({ kind, state: "bad" }).set(bad);
    },
    changed(kind, changes) {
      const family = REGISTRY_KINDS.has(kind) ? events.reg : events.cfg;
      for (const { before, after } of changes) {
        const event = before === undefined ? "add" : after === undefined ? "delete" : "update";
        family.with({ type: kind, event }).inc();
      }
    },
    noted(kind, event) {
      notes.with({ kind, event }).inc();
      if (ERRORS.has(event)) syncErrors.with({}).inc();
    },
    wrote: (writer, outcome) => writes.with({ writer, outcome }).inc(),
    leading: (lease, leads) => leading.with({ lease }).set(leads ? 1 : 0),
  };
}
