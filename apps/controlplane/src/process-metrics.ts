import { existsSync, readFileSync } from "node:fs";
import type { Registry } from "@lateen/telemetry";
import type { DiscoveryService } from "./discovery/discovery-service.ts";
import type { GrpcListener } from "./discovery/grpc-server.ts";
import type { MeshFeed } from "./mesh-feed.ts";

/** What the process is, knows and holds. @see control-plane 9.3 */
export function registerProcessMetrics(
  registry: Registry,
  o: {
    readonly feed: MeshFeed;
    readonly discovery: DiscoveryService;
    readonly listener: GrpcListener;
    readonly nowMs: () => number;
  },
): Disposable {
  const version = ownVersion();
  registry
    .gauge({ name: "pilot_info", help: "1 for the running version", labels: ["version"] })
    .with({ version })
    .set(1);
  const build = { name: "istio_build", help: "1 for the running build", labels: ["component", "tag"] } as const;
  registry.gauge(build).with({ component: "pilot", tag: version }).set(1);
  const gauge = (name: string, help: string): { set(value: number): void } => registry.gauge({ name, help }).with({});
  const uptime = gauge("istiod_uptime_seconds", "Seconds since the start");
  const services = gauge("pilot_services", "Services known");
  const unread = gauge("lateen_xds_unread_bytes", "Bytes of responses that clients have not read");
  const waiting = gauge("lateen_xds_waiting_responses", "Responses that wait until others are read");
  const connections = gauge("lateen_grpc_connections", "Connections of clients");
  const refused = gauge("lateen_grpc_refused_connections", "Connections that were turned away since the start");
  const startedMs = o.nowMs();
  return registry.onCollect(() => {
    uptime.set((o.nowMs() - startedMs) / 1_000);
    services.set(o.feed.model.services.size);
    unread.set(o.discovery.unread.bytes);
    waiting.set(o.discovery.unread.waiting);
    connections.set(o.listener.connections);
    refused.set(o.listener.refused);
  });
}

/** That of the package in which this code lies, whether as a source, built or bundled. */
export function ownVersion(): string {
  let folder = new URL("./", import.meta.url);
  while (!existsSync(new URL("package.json", folder)) && folder.pathname !== "/") folder = new URL("../", folder);
  return (JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { version: string }).version;
}
