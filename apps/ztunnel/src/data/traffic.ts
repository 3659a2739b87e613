import type { SpiffeIdentity } from "@lateen/identity";
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

/** Series remembered between the same two: more than one or two only when a stranger's proxy says something new each time. */
const MAX_REMEMBERED = 256;

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

/** Stands for what is not known, as a key. */
const UNKNOWN = {};
const TUNNELLED = { inbound: "inbound tunnel", outbound: "outbound tunnel" } as const;

/** Series by the objects that their labels come from. These are replaced when they change, and take what hangs on them along. */
class Branch {
  readonly series = new Map<string, Series>();
  readonly #branches = new WeakMap<object, Branch>();

  at(key: object | null): Branch {
    const known = this.#branches.get(key ?? UNKNOWN);
    if (known !== undefined) return known;
    const made = new Branch();
    this.#branches.set(key ?? UNKNOWN, made);
    return made;
  }
}

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
  /** By source and destination workload, peer and Service. */
  readonly #series = new Branch();

  opened(facts: ConnectionFacts): ConnectionMeter {
    const series = this.#seriesOf(facts);
    series.opened ??= this.#opened.with({ ...series.labels, response_flags: "-" });
    series.opened.inc();
    return this.#meter(() => series);
  }

  /** A connection that another process counted as opened: its labels can wait, it cannot. */
  resumed(facts: ConnectionFacts): ConnectionMeter {
    return this.#meter(() => this.#seriesOf(facts));
  }

  #meter(of: () => Series): ConnectionMeter {
    return {
      closed: (flag, bytes) => {
        const series = of();
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
    const { srcWorkload, dstWorkload, dstService } = facts;
    const of = this.#series.at(srcWorkload).at(dstWorkload).at(identityKey(facts)).at(dstService);
    const key = restKey(facts);
    const known = of.series.get(key);
    if (known !== undefined) return known;
    const made: Series = { labels: trafficLabels(facts), opened: null, ended: new Map() };
    if (of.series.size < MAX_REMEMBERED) of.series.set(key, made);
    return made;
  }

  families(): readonly Family[] {
    return this.#registry.families();
  }

  #counter(name: string, help: string): TrafficCounter {
    return this.#registry.counter({ name, help, labels: TRAFFIC_LABELS });
  }
}

/** Each tunnel reads its peer's identity anew: the workload's own, when they say the same, is there as long as the workload. */
function identityKey({ srcWorkload, srcIdentity }: ConnectionFacts): SpiffeIdentity | null {
  const own = srcWorkload?.identity;
  if (srcIdentity === null || own === undefined) return srcIdentity;
  const same =
    own.serviceAccount === srcIdentity.serviceAccount &&
    own.namespace === srcIdentity.namespace &&
    own.trustDomain === srcIdentity.trustDomain;
  return same ? own : srcIdentity;
}

/** What the labels depend on beside the objects. Baggage is a peer's choice, quoted so that no two are taken for one. */
function restKey({ direction, srcWorkload, srcBaggage, hboneAuthority }: ConnectionFacts): string {
  const own = hboneAuthority === null ? direction : TUNNELLED[direction];
  return srcWorkload !== null || srcBaggage === null ? own : `${own} ${JSON.stringify(srcBaggage)}`;
}
