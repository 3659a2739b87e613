import { type Priority, decodePem, encodePem, parseCertificate, serialDecimal } from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Clock } from "@lateen/lifecycle";
import { IdentityPlan, type PlanEffect, type PlanInput } from "./identity-plan.ts";
import type { WorkloadCertificate } from "./workload-certificate.ts";

/** What is known of one identity now. */
export type IdentityState =
  | { readonly t: "initializing" }
  | ({ readonly t: "available" } & WorkloadCertificate)
  | { readonly t: "unavailable"; readonly why: string };

export interface IdentityManagerOptions {
  readonly fetch: (identity: string, signal: AbortSignal) => Promise<Result<WorkloadCertificate>>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Told of every change, in order; null when the identity is forgotten. Must not throw. */
  readonly onChange: (identity: string, state: IdentityState | null) => void;
}

/** One entry of `certificates` in the config dump. @see dataplane 11.2 */
export interface CertificateDump {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly CertificateDumpItem[];
  readonly rootCerts: readonly CertificateDumpItem[];
}
export interface CertificateDumpItem {
  /** Base64 of the PEM text. */
  readonly pem: string;
  /** Decimal. */
  readonly serialNumber: string;
  /** RFC 3339. */
  readonly validFrom: string;
  readonly expirationTime: string;
}

/** Holds the certificates of one node and keeps them fresh. */
export interface IdentityManager extends Disposable {
  /** Asks for an identity: `realtime` when a connection waits for it, `warmup` when one may come. */
  want(identity: string, priority: Exclude<Priority, "background">): void;
  /** Asks for another certificate in place of the one that is held, which serves on until then. */
  renew(identity: string): void;
  /** Drops key and certificate; no connection of this identity is left. */
  forget(identity: string): void;
  /** Null when nobody wants it. */
  get(identity: string): IdentityState | null;
  /**
   * Asks for an identity and waits for its first result.
   * @returns UNAVAILABLE with why there is no certificate
   */
  wait(identity: string, signal?: AbortSignal): Promise<Result<WorkloadCertificate>>;
  /** By identity. */
  dump(): readonly CertificateDump[];
}

const MAX_WAITERS = 10_000;

/** Starts with no identity and does nothing until one is wanted. Disposal gives up every request and forgets every key. */
export function startIdentityManager(o: IdentityManagerOptions): IdentityManager {
  return new Manager(o);
}

type Waiter = { readonly identity: string; readonly done: (state: IdentityState) => void };

class Manager implements IdentityManager {
  readonly #o: IdentityManagerOptions;
  readonly #plan: IdentityPlan;
  readonly #states = new Map<string, IdentityState>();
  readonly #requests = new Map<number, AbortController>();
  readonly #waiters = new Set<Waiter>();
  #timer: Disposable | null = null;
  #stopped = false;

  constructor(o: IdentityManagerOptions) {
    this.#o = o;
    this.#plan = new IdentityPlan({ random: o.random });
  }

  want(identity: string, priority: Exclude<Priority, "background">): void {
    if (this.#stopped) return;
    if (!this.#states.has(identity)) this.#states.set(identity, { t: "initializing" });
    this.#input({ t: "want", identity, priority });
  }

  renew(identity: string): void {
    this.#input({ t: "renew", identity });
  }

  forget(identity: string): void {
    this.#input({ t: "forget", identity });
  }

  get(identity: string): IdentityState | null {
    return this.#states.get(identity) ?? null;
  }

  async wait(identity: string, signal?: AbortSignal): Promise<Result<WorkloadCertificate>> {
    this.want(identity, "realtime");
    const state = this.#states.get(identity);
    if (state === undefined)
      return refused(this.#stopped ? "the manager has stopped" : "too many identities are wanted");
    return asResult(state.t === "initializing" ? await this.#first(identity, signal) : state);
  }

  dump(): readonly CertificateDump[] {
    return [...this.#states]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([identity, state]) => ({ identity, ...describe(state) }));
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    for (const request of this.#requests.values()) request.abort();
    this.#requests.clear();
    this.#states.clear();
    for (const waiter of this.#waiters) waiter.done({ t: "unavailable", why: "the manager has stopped" });
  }

  #first(identity: string, signal: AbortSignal | undefined): Promise<IdentityState> {
    if (this.#waiters.size >= MAX_WAITERS)
      return Promise.resolve({ t: "unavailable", why: `more than ${MAX_WAITERS} callers wait for certificates` });
    return new Promise((resolve) => {
      const giveUp = (): void => waiter.done({ t: "unavailable", why: "the caller gave up waiting" });
      const waiter: Waiter = {
        identity,
        done: (state) => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener("abort", giveUp);
          resolve(state);
        },
      };
      this.#waiters.add(waiter);
      if (signal?.aborted === true) return giveUp();
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  #input(input: PlanInput): void {
    if (this.#stopped) return;
    for (const effect of this.#plan.step(input, this.#o.clock.nowMs())) this.#run(effect);
  }

  #run(effect: PlanEffect): void {
    switch (effect.t) {
      case "fetch":
        return void this.#fetch(effect.identity, effect.fetch);
      case "cancel":
        this.#requests.get(effect.fetch)?.abort();
        this.#requests.delete(effect.fetch);
        return;
      case "available":
        return; // the state was set when the answer came
      case "unavailable":
        return this.#set(effect.identity, { t: "unavailable", why: effect.why });
      case "refused":
        this.#states.delete(effect.identity);
        this.#tell(effect.identity, { t: "unavailable", why: effect.why });
        return this.#o.onChange(effect.identity, { t: "unavailable", why: effect.why });
      case "forgotten":
        this.#states.delete(effect.identity);
        this.#tell(effect.identity, { t: "unavailable", why: "the identity left this node" });
        return this.#o.onChange(effect.identity, null);
      case "wake":
        this.#timer?.[Symbol.dispose]();
        this.#timer = effect.atMs === null ? null : this.#wakeAt(effect.atMs);
    }
  }

  #wakeAt(atMs: number): Disposable {
    return this.#o.clock.after(Math.max(0, atMs - this.#o.clock.nowMs()), () => this.#input({ t: "tick" }));
  }

  async #fetch(identity: string, fetch: number): Promise<void> {
    const request = new AbortController();
    this.#requests.set(fetch, request);
    const result = await this.#ask(identity, request.signal);
    if (!this.#requests.delete(fetch) || this.#stopped) return; // cancelled meanwhile
    if (!result.ok) return this.#input({ t: "failed", identity, fetch, why: result.error.message });
    const effects = this.#plan.step({ t: "fetched", identity, fetch, validity: result.value }, this.#o.clock.nowMs());
    if (effects.some((e) => e.t === "available" && e.identity === identity))
      this.#set(identity, { t: "available", ...result.value });
    for (const effect of effects) this.#run(effect);
  }

  async #ask(identity: string, signal: AbortSignal): Promise<Result<WorkloadCertificate>> {
    try {
      return await this.#o.fetch(identity, signal);
    } catch (e) {
      return refused(e instanceof Error ? e.message : String(e), e);
    }
  }

  #set(identity: string, state: IdentityState): void {
    this.#states.set(identity, state);
    this.#tell(identity, state);
    this.#o.onChange(identity, state);
  }

  #tell(identity: string, state: IdentityState): void {
    for (const waiter of this.#waiters) if (waiter.identity === identity) waiter.done(state);
  }
}

function asResult(state: IdentityState): Result<WorkloadCertificate> {
  if (state.t === "available") return ok(state);
  return refused(state.t === "unavailable" ? state.why : "there is no answer yet");
}

function refused(why: string, cause?: unknown): Result<never> {
  return fail(new MeshError(Code.Unavailable, why, {}, cause));
}

function describe(state: IdentityState): Omit<CertificateDump, "identity"> {
  switch (state.t) {
    case "initializing":
      return { state: "Initializing", certChain: [], rootCerts: [] };
    case "unavailable":
      return { state: `Unavailable: ${state.why}`, certChain: [], rootCerts: [] };
    case "available":
      return {
        state: "Available",
        certChain: dumpCertificates(state.chainPem),
        rootCerts: state.rootsPem.flatMap(dumpCertificates),
      };
  }
}

/** The certificates of a PEM text; what cannot be read is left out. */
export function dumpCertificates(pem: string): readonly CertificateDumpItem[] {
  const blocks = decodePem(pem);
  return (blocks.ok ? blocks.value : []).flatMap(({ der }) => {
    const parsed = parseCertificate(der);
    if (!parsed.ok) return [];
    const { notBeforeMs, notAfterMs } = parsed.value;
    return [
      {
        pem: btoa(encodePem("CERTIFICATE", der)),
        serialNumber: serialDecimal(parsed.value),
        validFrom: rfc3339(notBeforeMs),
        expirationTime: rfc3339(notAfterMs),
      },
    ];
  });
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.000Z$/, "Z");
}
