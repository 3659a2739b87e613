import {
  type Authority,
  type Issued,
  type Rotation,
  type RotationClients,
  type RotationPhase,
  rotationGate,
} from "@lateen/ca";
import type { Clock } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import { Capability } from "@lateen/xds";
import { PROXY_CONFIG_TYPE } from "@lateen/xds-types";
import type { DiscoveryStream } from "../discovery/discovery-stream.ts";

/** What replicas tell each other of the proxies that are connected to them. */
export interface ProxyReport {
  /** Of the rotation's state. */
  readonly serial: number;
  /** Every certificate of these proxies, `POD.NAMESPACE`, carries the bundle of that state. */
  readonly acknowledged: readonly string[];
  /** These cannot say so. */
  readonly mute: readonly string[];
}

/** What differs between a folder on one machine and a cluster. */
export interface RotationWorld {
  /** Whether this replica is the one that goes on. */
  readonly leads: () => boolean;
  /** A phase lasts at least so long. */
  readonly settleMs: number;
  /** Tells the other replicas; null: nothing any more. */
  readonly publish: (report: ProxyReport | null) => void;
  readonly others: () => readonly ProxyReport[];
}

export interface RotationKeeperOptions {
  readonly authority: Authority;
  readonly world: RotationWorld;
  readonly streams: () => readonly Pick<DiscoveryStream, "node" | "state">[];
  /** Node proxies that there are, connected or not: `POD.NAMESPACE`. */
  readonly proxies: () => Iterable<string>;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "warn">;
}

/** The rotation for people. */
export interface RotationStatus {
  readonly kind: Authority["kind"];
  readonly phase: RotationPhase;
  readonly serial: number;
  readonly direction: "forward" | "back";
  readonly since: string;
  readonly leads: boolean;
  readonly last: { readonly outcome: string; readonly ended: string } | null;
  /** Until there is nothing left the phase lasts; of plugged-in keys: until then the next change is not safe. */
  readonly waitingFor: readonly string[];
}

const EVERY_MS = 1_000;

/** Takes a rotation through its gates, as long as this replica leads, and tells the leader of its proxies otherwise. */
export class RotationKeeper implements Disposable {
  readonly #o: RotationKeeperOptions;
  #timer: Disposable;
  #isOver = false;
  #logged = -1;

  constructor(o: RotationKeeperOptions) {
    this.#o = o;
    this.#timer = o.clock.after(EVERY_MS, () => void this.#tick());
  }

  status(): RotationStatus {
    const { rotation, kind } = this.#o.authority;
    const { phase, serial } = rotation;
    const last = phase === "none" ? rotation.last : null;
    const sinceMs = phase === "none" ? this.#o.authority.changedMs : rotation.sinceMs;
    return {
      ...{ kind, phase, serial, since: iso(sinceMs), leads: this.#o.world.leads() },
      direction: phase === "none" ? "forward" : rotation.direction,
      last: last === null ? null : { outcome: last.outcome, ended: iso(last.endedMs) },
      waitingFor: this.#waitingFor(),
    };
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer[Symbol.dispose]();
  }

  async #tick(): Promise<void> {
    const { authority, world, clock, log } = this.#o;
    const { rotation } = authority;
    world.publish(rotation.phase === "none" ? null : this.#own(rotation.serial));
    if (rotation.serial !== this.#logged && (rotation.phase !== "none" || this.#logged >= 0))
      log.info("rotation of the root", { phase: rotation.phase, serial: rotation.serial });
    this.#logged = rotation.serial;
    if (rotation.phase !== "none" && world.leads() && this.#waitingFor().length === 0) {
      const next = await authority.step("advance", rotation.serial);
      if (!next.ok) log.warn("the rotation does not go on yet", { error: next.error.message });
    }
    if (!this.#isOver) this.#timer = clock.after(EVERY_MS, () => void this.#tick());
  }

  #waitingFor(): readonly string[] {
    const { authority, clock, world } = this.#o;
    const { rotation, kind, changedMs, issued } = authority;
    if (rotation.phase === "none" && kind === "own") return [];
    const state = rotation.phase === "none" ? asPhase(changedMs, issued) : rotation;
    const at = { nowMs: clock.nowMs(), settleMs: world.settleMs };
    return rotationGate(state, { ...at, ...this.#clients(rotation.serial) });
  }

  /** What proxies connected here say of the bundle that is in force. */
  #own(serial: number): ProxyReport {
    const verdicts = this.#verdicts();
    const of = (verdict: string): readonly string[] =>
      [...verdicts].flatMap(([name, v]) => (v === verdict ? [name] : [])).sort();
    return { serial, acknowledged: of(YES), mute: of(MUTE) };
  }

  #clients(serial: number): RotationClients {
    const verdicts = this.#verdicts();
    const others = this.#o.world.others().filter((report) => report.serial === serial);
    const elsewhere = new Map<string, string>();
    for (const { acknowledged, mute } of others) {
      for (const name of mute) elsewhere.set(name, MUTE);
      for (const name of acknowledged) elsewhere.set(name, YES);
    }
    const lacking: { name: string; why: string }[] = [];
    const mute: string[] = [];
    for (const name of [...new Set([...this.#o.proxies(), ...verdicts.keys()])].sort()) {
      const verdict = verdicts.get(name) ?? elsewhere.get(name) ?? "is not connected";
      if (verdict === MUTE) mute.push(name);
      else if (verdict !== YES) lacking.push({ name, why: verdict });
    }
    return { lacking, mute };
  }

  /** Of a proxy with several streams, such as one that is being replaced, all must have acknowledged. */
  #verdicts(): ReadonlyMap<string, string> {
    const all = new Map<string, string>();
    for (const stream of this.#o.streams()) {
      if (stream.node.type !== "ztunnel") continue;
      const before = all.get(stream.node.pod) ?? YES;
      all.set(stream.node.pod, before === YES ? verdictOf(stream) : before);
    }
    return all;
  }
}

const YES = "acknowledged";
const MUTE = "mute";

function verdictOf(stream: Pick<DiscoveryStream, "node" | "state">): string {
  if (stream.node.capabilities?.has(Capability.TrustBundle) !== true) return MUTE;
  const bundle = stream.state().get(PROXY_CONFIG_TYPE);
  if (bundle === undefined || bundle.nonceSent === "") return "has not asked for the roots yet";
  if (bundle.lastError !== null) return `refused the roots: ${bundle.lastError.slice(0, 200)}`;
  return bundle.awaiting || bundle.nonceAcked !== bundle.nonceSent ? "renews its certificates" : YES;
}

/** Plugged-in keys have no phases of ours; what was issued before their last change tells when the next is safe. */
const asPhase = (changedMs: number, issued: Issued): Exclude<Rotation, { phase: "none" }> => ({
  ...{ phase: "retire", serial: 0, sinceMs: changedMs, direction: "forward", retiredPem: "" },
  current: { keyPem: "", certPem: "" },
  expiredMs: changedMs + issued.longestMs,
  othersExpiredMs: Math.min(changedMs + issued.longestMs, issued.othersUntilMs),
});

const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
