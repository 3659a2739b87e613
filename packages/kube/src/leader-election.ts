import { type Clock, sleep } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import type { ApiClient } from "./api-client.ts";
import { type ApiFailure, formatFailure } from "./api-failure.ts";
import type { KubeMetrics } from "./kube-metrics.ts";
import { ISTIO_LEASE, LeaseMachine, type LeaseRecord, type LeaseTiming, readLease } from "./lease-machine.ts";
import { LEASES, type ObjectAccess, objectAccess, writtenAs } from "./objects.ts";
import { monotonicClock } from "./monotonic-clock.ts";

export interface ElectionOptions {
  readonly client: ApiClient;
  /** Of the Lease. */
  readonly namespace: string;
  readonly name: string;
  /** Of this process; no other may have it. */
  readonly identity: string;
  /**
   * Called each time this process begins to lead; `signal` aborts when it must stop. Two may lead for a moment after all: what a
   * leader does must be harmless when done twice.
   */
  readonly onLead: (signal: AbortSignal) => void;
  readonly timing?: LeaseTiming;
  readonly log: Logger;
  readonly metrics?: KubeMetrics;
  readonly clock?: Clock;
  /** For the times in the record, which people read. */
  readonly wallMs?: () => number;
  readonly random?: () => number;
}

/** Takes part in an election until disposed; gives the lease back then, so that another can lead at once. */
export interface Election extends AsyncDisposable {
  readonly leads: boolean;
  /** Whoever holds the lease, as far as known; empty: nobody. */
  readonly holder: string;
}

/** Jitter of the pauses between tries, as in client-go. */
const JITTER = 1.2;

/** @see control-plane 7.4 */
export function joinElection(o: ElectionOptions): Election {
  const candidate = new Candidate(o);
  candidate.start();
  return candidate;
}

class Candidate implements Election {
  readonly #o: ElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #clock: Clock;
  readonly #machine: LeaseMachine;
  readonly #leases: ObjectAccess;
  readonly #stop = new AbortController();
  #leading: AbortController | null = null;
  #deadline: Disposable | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(o: ElectionOptions) {
    this.#o = o;
    this.#timing = o.timing ?? ISTIO_LEASE;
    this.#clock = o.clock ?? monotonicClock;
    this.#machine = new LeaseMachine(o.identity, this.#timing);
    this.#leases = objectAccess(o.client, LEASES);
  }

  get leads(): boolean {
    return this.#leading !== null;
  }

  get holder(): string {
    return this.#machine.holder;
  }

  start(): void {
    this.#o.metrics?.leading(this.#o.name, false);
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { signal } = this.#stop;
    const led = this.leads;
    this.#stop.abort(new Error("the election is left"));
    await this.#running.catch(() => undefined); // ends with the signal
    this.#end("leaving");
    if (led && signal.aborted) await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const random = this.#o.random ?? Math.random;
    while (!signal.aborted) {
      await this.#try(signal);
      const pauseMs = this.leads ? this.#timing.retryMs : this.#timing.retryMs * (1 + random() * (JITTER - 1));
      await sleep(pauseMs, { signal, clock: this.#clock });
    }
  }

  /** One look at the record and the write that follows from it. */
  async #try(signal: AbortSignal): Promise<void> {
    const { namespace, name, log } = this.#o;
    const beganMs = this.#clock.nowMs();
    const deadlineMs = this.#timing.renewDeadlineMs;
    const found = await this.#leases.get({ namespace, name }, { signal, deadlineMs });
    if (!found.ok && found.error.status !== 404) return this.#failed(found.error);
    const record = found.ok ? readLease(found.value) : null;
    if (found.ok && record === null) return void log.error("the lease cannot be read", { lease: name });
    const decision = this.#machine.decide(record, this.#clock.nowMs());
    if (decision.t === "wait") {
      if (this.leads) this.#end(`${record?.holder} holds it`);
      return;
    }
    const version = decision.t === "update" ? decision.version : "";
    const written = await this.#write({
      version,
      holder: this.#o.identity,
      leaseMs: this.#timing.leaseMs,
      renewTime: this.#wallTime(),
      acquireTime: decision.t === "update" ? (decision.acquireTime ?? this.#wallTime()) : this.#wallTime(),
      transitions: decision.t === "update" ? decision.transitions : 0,
    });
    if (!written.ok) return this.#failed(written.error);
    this.#machine.wrote(written.value, beganMs);
    this.#begin();
  }

  async #write(
    record: LeaseRecord,
  ): Promise<{ readonly ok: true; readonly value: LeaseRecord } | { readonly ok: false; readonly error: ApiFailure }> {
    const { namespace, name } = this.#o;
    const object = {
      ...writtenAs(LEASES),
      metadata: { name, namespace, ...(record.version === "" ? {} : { resourceVersion: record.version }) },
      spec: {
        holderIdentity: record.holder,
        leaseDurationSeconds: Math.max(1, Math.ceil(record.leaseMs / 1_000)),
        acquireTime: record.acquireTime,
        renewTime: record.renewTime,
        leaseTransitions: record.transitions,
      },
    };
    const o = { owner: "lateen-election", deadlineMs: this.#timing.renewDeadlineMs };
    const answer = await (record.version === "" ? this.#leases.create(object, o) : this.#leases.replace(object, o));
    if (!answer.ok) return answer;
    const { metadata } = answer.value as { readonly metadata: { readonly resourceVersion: string } };
    return { ok: true, value: { ...record, version: metadata.resourceVersion } };
  }

  /** Lost races are ordinary; a leader goes on until its time is up. */
  #failed(failure: ApiFailure): void {
    const { log, name } = this.#o;
    const lostRace = failure.status === 409;
    if (lostRace) log.debug("another was faster", { lease: name });
    else log.warn("cannot reach the lease", { lease: name, error: formatFailure(failure) });
  }

  #begin(): void {
    this.#deadline?.[Symbol.dispose]();
    const untilMs = this.#machine.leadsUntilMs ?? 0;
    const now = this.#clock.nowMs();
    if (this.#stop.signal.aborted || untilMs <= now) return this.#end("the renewal came too late");
    this.#deadline = this.#clock.after(untilMs - now, () => this.#end("it could not be renewed in time"));
    if (this.#leading !== null) return;
    this.#leading = new AbortController();
    this.#o.log.info("leading", { lease: this.#o.name });
    this.#o.metrics?.leading(this.#o.name, true);
    this.#o.onLead(this.#leading.signal);
  }

  #end(why: string): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = null;
    this.#machine.lost();
    const leading = this.#leading;
    if (leading === null) return;
    this.#leading = null;
    this.#o.log.info("no longer leading", { lease: this.#o.name, why });
    this.#o.metrics?.leading(this.#o.name, false);
    leading.abort(new Error(`no longer leading: ${why}`));
  }

  /** Leaves the record to nobody, if it is still ours. */
  async #release(): Promise<void> {
    const { namespace, name, identity, log } = this.#o;
    const found = await this.#leases.get({ namespace, name });
    const record = found.ok ? readLease(found.value) : null;
    if (record?.holder !== identity) return;
    const time = this.#wallTime();
    const left = await this.#write({ ...record, holder: "", leaseMs: 1_000, renewTime: time, acquireTime: time });
    if (!left.ok) log.warn("cannot give the lease back, it runs out by itself", { error: formatFailure(left.error) });
  }

  /** MicroTime, as Leases hold it. */
  #wallTime(): string {
    const wallMs = (this.#o.wallMs ?? Date.now)();
    return new Date(wallMs).toISOString().replace("Z", "000Z");
  }
}
