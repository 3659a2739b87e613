import type { Counter, Histogram, Labelled, Registry } from "@lateen/telemetry";
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, PROXY_CONFIG_TYPE, WORKLOAD_TYPE } from "@lateen/xds-types";

/** Names of types as dashboards know them. */
const SHORT: Readonly<Record<string, string>> = {
  [ADDRESS_TYPE]: "wds",
  [WORKLOAD_TYPE]: "wds",
  [AUTHORIZATION_TYPE]: "wads",
  [PROXY_CONFIG_TYPE]: "pcds",
};
export const shortType = (typeUrl: string): string => SHORT[typeUrl] ?? "other";

const TIMES = [0.01, 0.1, 1, 3, 5, 10, 20, 30];
const QUEUE_TIMES = [0.1, 0.5, 1, 3, 5, 10, 20, 30];
const SIZES = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/** What serving clients looks like in numbers. Times are in seconds. @see control-plane 9.3 */
export interface XdsMetrics {
  joined(version: string): void;
  left(version: string): void;
  /** A response was made and handed over. */
  pushed(typeUrl: string, bytes: number): void;
  /** A response has left: since it was made, and since it was handed to the transport. */
  sent(typeUrl: string, o: { readonly pushSec: number; readonly sendSec: number; readonly queueSec: number }): void;
  /** From a change until the client was sent it. */
  converged(sec: number): void;
  rejected(typeUrl: string): void;
  expiredNonce(typeUrl: string): void;
  writeTimeout(): void;
  internalError(): void;
  received(bytes: number): void;
  trigger(reason: "proxyrequest" | "config"): void;
  refused(why: "rate" | "streams" | "unauthenticated" | "unauthorized" | "node"): void;
}

export function createXdsMetrics(registry: Registry): XdsMetrics {
  const perType = typed(registry);
  const counters = {
    writeTimeout: single(registry, "pilot_xds_write_timeout", "Clients ended because they did not read"),
    internalErrors: single(registry, "pilot_total_xds_internal_errors", "Failures of the server itself"),
  };
  const clients = registry.gauge({ name: "pilot_xds", help: "Connected clients by version", labels: ["version"] });
  const versions = new Map<string, number>();
  const count = (version: string, by: number): void => {
    const now = (versions.get(version) ?? 0) + by;
    versions.set(version, now);
    clients.with({ version }).set(now);
    if (now > 0) return;
    versions.delete(version);
    clients.remove({ version });
  };
  const convergence = histogram(registry, "pilot_proxy_convergence_time", {
    help: "From a change until a client was sent it",
    bounds: QUEUE_TIMES,
  });
  const queue = histogram(registry, "pilot_proxy_queue_time", {
    help: "Wait for a place to leave",
    bounds: QUEUE_TIMES,
  });
  const largest = registry.gauge({ name: "pilot_xds_recv_max", help: "Bytes of the largest request" }).with({});
  const triggers = registry.counter({ name: "pilot_push_triggers", help: "Why clients are told", labels: ["type"] });
  const refusals = registry.counter({
    name: "lateen_xds_refused_streams",
    help: "Streams that were not served, by reason",
    labels: ["reason"],
  });
  return {
    joined: (version) => count(version, 1),
    left: (version) => count(version, -1),
    pushed(typeUrl, bytes) {
      perType.pushes(typeUrl).inc();
      perType.sizes(typeUrl).observe(bytes);
    },
    sent(typeUrl, { pushSec, sendSec, queueSec }) {
      perType.pushTime(typeUrl).observe(pushSec);
      perType.sendTime.observe(sendSec);
      queue.observe(queueSec);
    },
    converged: (sec) => convergence.observe(sec),
    rejected: (typeUrl) => perType.rejects(typeUrl).inc(),
    expiredNonce: (typeUrl) => perType.expired(typeUrl).inc(),
    writeTimeout: () => counters.writeTimeout.inc(),
    internalError: () => counters.internalErrors.inc(),
    received(bytes) {
      if (bytes > largest.value) largest.set(bytes);
    },
    trigger: (type) => triggers.with({ type }).inc(),
    refused: (reason) => refusals.with({ reason }).inc(),
  };
}

const single = (registry: Registry, name: string, help: string): Counter => registry.counter({ name, help }).with({});

const histogram = (
  registry: Registry,
  name: string,
  o: { readonly help: string; readonly bounds: readonly number[] },
): Histogram => registry.histogram({ name, ...o }).with({});

/** Metrics of each type. */
function typed(registry: Registry): {
  readonly pushes: (typeUrl: string) => Counter;
  readonly rejects: (typeUrl: string) => Counter;
  readonly expired: (typeUrl: string) => Counter;
  readonly pushTime: (typeUrl: string) => Histogram;
  readonly sizes: (typeUrl: string) => Histogram;
  readonly sendTime: Histogram;
} {
  const labels = ["type"] as const;
  const by =
    <M>(family: Labelled<M, "type">) =>
    (typeUrl: string): M =>
      family.with({ type: shortType(typeUrl) });
  const sizes = registry.histogram({
    name: "pilot_xds_config_size_bytes",
    help: "Bytes of responses",
    labels,
    bounds: SIZES,
  });
  return {
    pushes: by(registry.counter({ name: "pilot_xds_pushes", help: "Responses sent", labels })),
    rejects: by(registry.counter({ name: "pilot_total_xds_rejects", help: "Responses that clients refused", labels })),
    expired: by(registry.counter({ name: "pilot_xds_expired_nonce", help: "Answers to old responses", labels })),
    pushTime: by(registry.histogram({ name: "pilot_xds_push_time", help: "From made to sent", labels, bounds: TIMES })),
    sizes: (type) => sizes.with({ type }),
    sendTime: histogram(registry, "pilot_xds_send_time", { help: "From handed over to sent", bounds: TIMES }),
  };
}
