import { type Counter, type Family, type Labelled, createRegistry } from "@lateen/telemetry";
import {
  type ConnectionFacts,
  type ResponseFlag,
  TRAFFIC_LABELS,
  type TrafficLabel,
  trafficLabels,
} from "./connection-facts.ts";

/** Label sets shown per metric; hostile names cannot fill the memory beyond it. */
const MAX_SERIES = 10_000;

type TrafficCounter = Labelled<Counter, TrafficLabel>;

/** Counts one connection from open to close. */
export interface ConnectionMeter {
  closed(flag: ResponseFlag, bytes: { readonly received: number; readonly sent: number }): void;
}

/** The traffic metrics of one data thread (dataplane 11.3). Labels are resolved once per connection. */
export class Traffic {
  readonly #registry = createRegistry({ maxSeries: MAX_SERIES });
  readonly #opened = this.#counter("istio_tcp_connections_opened", "Connections opened");
  readonly #closed = this.#counter("istio_tcp_connections_closed", "Connections closed");
  readonly #failed = this.#counter(
    "istio_tcp_connections_failed",
    "Connections closed for another reason than their end",
  );
  readonly #received = this.#counter("istio_tcp_received_bytes", "Bytes from downstream to upstream");
  readonly #sent = this.#counter("istio_tcp_sent_bytes", "Bytes from upstream to downstream");

  opened(facts: ConnectionFacts): ConnectionMeter {
    const labels = trafficLabels(facts);
    this.#opened.with({ ...labels, response_flags: "-" }).inc();
    return this.#meter(() => labels);
  }

  /** A connection that another process counted as opened: its labels can wait, it cannot. */
  resumed(facts: ConnectionFacts): ConnectionMeter {
    return this.#meter(() => trafficLabels(facts));
  }

  #meter(labels: () => ReturnType<typeof trafficLabels>): ConnectionMeter {
    return {
      closed: (flag, bytes) => {
        const ended = { ...labels(), response_flags: flag };
        this.#closed.with(ended).inc();
        if (flag !== "-") this.#failed.with(ended).inc();
        this.#received.with(ended).inc(bytes.received);
        this.#sent.with(ended).inc(bytes.sent);
      },
    };
  }

  families(): readonly Family[] {
    return this.#registry.families();
  }

  #counter(name: string, help: string): TrafficCounter {
    return this.#registry.counter({ name, help, labels: TRAFFIC_LABELS });
  }
}
