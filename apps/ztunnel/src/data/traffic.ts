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

/** Remembered between the same two workloads: identities and Services of a peer are few, strangers' are not remembered. */
const MAX_CACHED = 256;

type TrafficCounter = Labelled<Counter, TrafficLabel>;

/** Counts one connection from open to close. */
export interface ConnectionMeter {
  closed(flag: ResponseFlag, bytes: { readonly received: number; readonly sent: number }): void;
}

/** Counters of connections that have all labels but `response_flags` in common, made when they are first needed. */
interface Series {
  readonly labels: Omit<Record<TrafficLabel, string>, "response_flags">;
  opened: Counter | null;
  readonly ended: Map<ResponseFlag, EndCounters>;
}

interface EndCounters {
  readonly closed: Counter;
  readonly failed: Counter | null;
  readonly received: Counter;
  readonly sent: Counter;
}

/** Stands for a workload that is not known, as a key. */
const UNKNOWN = {};

/** The traffic metrics of one data thread (dataplane 11.3). Labels are resolved once for all connections between the same two. */
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
  /** By source and destination workload, which are replaced when they change, then by what else the labels depend on. */
  readonly #series = new WeakMap<object, WeakMap<object, Map<string, Series>>>();

  opened(facts: ConnectionFacts): ConnectionMeter {
    const series = this.#seriesOf(facts);
    series.opened ??= this.#opened.with({ ...series.labels, response_flags: "-" });
    series.opened.inc();
    return this.#meter(series);
  }

  /** A connection that another process counted as opened. */
  resumed(facts: ConnectionFacts): ConnectionMeter {
    return this.#meter(this.#seriesOf(facts));
  }

  #meter(series: Series): ConnectionMeter {
    return {
      closed: (flag, bytes) => {
        const ended = series.ended.get(flag) ?? this.#endCounters(series, flag);
        ended.closed.inc();
        ended.failed?.inc();
        ended.received.inc(bytes.received);
        ended.sent.inc(bytes.sent);
      },
    };
  }

  #endCounters(series: Series, flag: ResponseFlag): EndCounters {
    const labels = { ...series.labels, response_flags: flag };
    const made: EndCounters = {
      closed: this.#closed.with(labels),
      failed: flag === "-" ? null : this.#failed.with(labels),
      received: this.#received.with(labels),
      sent: this.#sent.with(labels),
    };
    series.ended.set(flag, made);
    return made;
  }

  #seriesOf(facts: ConnectionFacts): Series {
    const bySource = upsert(
      this.#series,
      facts.srcWorkload ?? UNKNOWN,
      () => new WeakMap<object, Map<string, Series>>(),
    );
    const byRest = upsert(bySource, facts.dstWorkload ?? UNKNOWN, () => new Map<string, Series>());
    const key = restKey(facts);
    const known = byRest.get(key);
    if (known !== undefined) return known;
    const made: Series = { labels: trafficLabels(facts), opened: null, ended: new Map() };
    if (byRest.size < MAX_CACHED) byRest.set(key, made);
    return made;
  }

  families(): readonly Family[] {
    return this.#registry.families();
  }

  #counter(name: string, help: string): TrafficCounter {
    return this.#registry.counter({ name, help, labels: TRAFFIC_LABELS });
  }
}

function upsert<V>(map: WeakMap<object, V>, key: object, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** Everything that the labels depend on beside the two workloads; what peers chose is quoted, so that no two are taken for one. */
function restKey({ direction, srcIdentity, srcBaggage, dstService: to, hboneAuthority }: ConnectionFacts): string {
  const service = to === null ? null : [to.namespace, to.name, to.hostname];
  return JSON.stringify([direction, hboneAuthority === null, srcIdentity, srcBaggage, service]);
}
