import { type Family, createRegistry } from "@lateen/telemetry";
import type { ProxyState } from "@lateen/zds";

/** The metrics of the control thread (dataplane 11.3). */
export interface OwnMetrics {
  xdsEnded(reason: string): void;
  pods(state: ProxyState): void;
  families(): readonly Family[];
}

export function ownMetrics(version: string): OwnMetrics {
  const registry = createRegistry();
  const build = registry.gauge({
    name: "istio_build",
    help: "Build of this component",
    labels: ["component", "tag"],
  });
  build.with({ component: "ztunnel", tag: version }).set(1);
  const terminations = registry.counter({
    name: "istio_xds_connection_terminations",
    help: "Ended streams to the control plane",
    labels: ["reason"],
  });
  const [active, pending] = (
    [
      ["workload_manager_active_proxy_count", "Pods with a running proxy"],
      ["workload_manager_pending_proxy_count", "Pods whose proxy cannot start yet"],
    ] as const
  ).map(([name, help]) => registry.gauge({ name, help }).with({}));
  return {
    xdsEnded: (reason) => terminations.with({ reason }).inc(),
    pods: (state) => {
      active?.set(state.running.size);
      pending?.set(state.pending.size);
    },
    families: () => registry.families(),
  };
}
