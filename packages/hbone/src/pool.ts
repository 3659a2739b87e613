import { Code, MeshError, type Result, fail } from "@lateen/errors";
import type {
  Cancel,
  ConnectTarget,
  HboneClient,
  HbonePool,
  HbonePoolOptions,
  HboneStream,
  PooledTunnel,
} from "./api.ts";
import {
  EMPTY_KEY,
  type KeyState,
  type PoolEffect,
  type PoolInput,
  type PoolLimits,
  observe,
  planPool,
} from "./pool-plan.ts";

type Done = (result: Result<HboneStream>) => void;

const DEFAULT_MAX_STREAMS = 100;
const DEFAULT_IDLE_MS = 5 * 60_000;
/** Requests that may wait for one key's connect. */
const MAX_WAITING = 10_000;

/** One request, from `connect` to its answer. */
interface Want {
  readonly target: ConnectTarget;
  done: Done | null;
  /** Undoes what is under way once a tunnel was assigned. */
  cancel: Cancel | null;
  /** A tunnel that closed under the request was replaced once already. */
  retried: boolean;
}

/** Tunnels, waiting requests and the running connects of one key. */
interface Slot {
  readonly key: string;
  state: KeyState;
  readonly wants: Want[];
  readonly cancelDials: Set<Cancel>;
}

interface Tunnel {
  readonly key: string;
  readonly client: HboneClient;
}

class Pool implements HbonePool {
  readonly #dial: HbonePoolOptions["dial"];
  readonly #limits: PoolLimits;
  readonly #slots = new Map<string, Slot>();
  /** Every tunnel that is not closed, retired ones too: they still need ticks. */
  readonly #tunnels = new Map<number, Tunnel>();
  #nextId = 1;
  #nowMs: number;
  #stopped: MeshError | null = null;

  constructor(options: HbonePoolOptions) {
    this.#dial = options.dial;
    this.#nowMs = options.nowMs;
    this.#limits = {
      maxStreams: options.maxStreamsPerTunnel ?? DEFAULT_MAX_STREAMS,
      idleMs: options.idleMs ?? DEFAULT_IDLE_MS,
    };
  }

  get tunnels(): number {
    let open = 0;
    for (const { client } of this.#tunnels.values()) if (!client.closed) open += 1;
    return open;
  }

  connect(key: string, target: ConnectTarget, done: Done): Cancel {
    const want: Want = { target, done, cancel: null, retried: false };
    const slot = this.#slot(key);
    if (this.#stopped !== null) finish(want, fail(this.#stopped));
    else if (slot.wants.length >= MAX_WAITING)
      finish(want, fail(new MeshError(Code.Unavailable, `Cannot queue request: ${MAX_WAITING} wait for a tunnel`)));
    else this.#want(slot, want);
    return () => this.#withdraw(slot, want);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, { client }] of this.#tunnels) {
      client.tick(nowMs);
      if (client.closed) this.#tunnels.delete(id);
    }
    for (const slot of this.#slots.values()) this.#step(slot, { t: "tick", nowMs });
  }

  entries(): readonly PooledTunnel[] {
    const open: PooledTunnel[] = [];
    for (const [id, { key, client }] of this.#tunnels) {
      if (client.closed) continue;
      const view = this.#slots.get(key)?.state.tunnels.find((t) => t.id === id);
      const idleMs = client.active > 0 || view === undefined ? 0 : Math.max(0, this.#nowMs - view.lastUsedMs);
      open.push({ key, tunnel: client, shared: view !== undefined, idleMs });
    }
    return open;
  }

  take(tunnel: HboneClient): void {
    for (const [id, { key, client }] of this.#tunnels) {
      if (client !== tunnel) continue;
      this.#tunnels.delete(id);
      const slot = this.#slots.get(key);
      if (slot !== undefined) slot.state = { ...slot.state, tunnels: slot.state.tunnels.filter((t) => t.id !== id) };
      return;
    }
  }

  adopt({ key, tunnel, shared, idleMs }: PooledTunnel): void {
    const id = this.#nextId++;
    this.#tunnels.set(id, { key, client: tunnel });
    if (!shared || this.#stopped !== null) return;
    const view = { id, active: tunnel.active, lastUsedMs: this.#nowMs - idleMs };
    this.#step(this.#slot(key), { t: "adopted", tunnel: view });
  }

  drain(): void {
    this.#stop(new MeshError(Code.Draining, "Cannot open stream: the pool drains"));
    for (const { client } of this.#tunnels.values()) client.drain();
  }

  abort(error = new MeshError(Code.Draining, "Cannot open stream: the pool is closed")): void {
    this.#stop(error);
    for (const { client } of this.#tunnels.values()) client.abort();
  }

  #stop(error: MeshError): void {
    this.#stopped ??= error;
    for (const slot of [...this.#slots.values()]) {
      for (const cancel of slot.cancelDials) cancel();
      slot.cancelDials.clear();
      for (const want of slot.wants.splice(0)) finish(want, fail(error));
    }
    this.#slots.clear();
  }

  #slot(key: string): Slot {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot: Slot = { key, state: EMPTY_KEY, wants: [], cancelDials: new Set() };
    if (this.#stopped === null) this.#slots.set(key, slot);
    return slot;
  }

  #want(slot: Slot, want: Want): void {
    slot.wants.push(want);
    this.#step(slot, { t: "want" });
  }

  #withdraw(slot: Slot, want: Want): void {
    if (want.done === null) return;
    want.done = null;
    want.cancel?.();
    const at = slot.wants.indexOf(want);
    if (at < 0) return;
    slot.wants.splice(at, 1);
    this.#step(slot, { t: "withdrawn" });
  }

  /** Decides, then acts, in order. */
  #step(slot: Slot, input: PoolInput): void {
    const seen = observe(slot.state, (id) => this.#activity(id), this.#nowMs);
    const [state, effects] = planPool(seen, input, this.#limits);
    slot.state = state;
    for (const effect of effects) this.#perform(slot, effect);
    if (slot.state.tunnels.length === 0 && slot.state.dials === 0 && slot.wants.length === 0)
      this.#slots.delete(slot.key);
  }

  #activity(id: number): number | null {
    const tunnel = this.#tunnels.get(id)?.client;
    return tunnel === undefined || tunnel.closed || !tunnel.ready ? null : tunnel.active;
  }

  #perform(slot: Slot, effect: PoolEffect): void {
    switch (effect.t) {
      case "assign":
        this.#assign(slot, effect.id);
        break;
      case "dial":
        this.#startDial(slot);
        break;
      case "refuse":
        for (const want of slot.wants.splice(0, effect.count)) finish(want, fail(effect.error));
        break;
      case "retire":
        this.#tunnels.get(effect.id)?.client.drain();
        break;
    }
  }

  #assign(slot: Slot, id: number): void {
    const want = slot.wants.shift();
    const tunnel = this.#tunnels.get(id)?.client;
    if (want === undefined || want.done === null || tunnel === undefined) return;
    want.cancel = tunnel.connect(want.target, (result) => {
      const unprocessed = !result.ok && result.error.facts["unprocessed"] === 1;
      if (!unprocessed || want.retried || want.done === null || this.#stopped !== null) {
        finish(want, result);
        return;
      }
      want.retried = true; // the peer never looked at it: the next tunnel may
      want.cancel = null;
      this.#want(this.#slot(slot.key), want);
    });
  }

  #startDial(slot: Slot): void {
    let cancel: Cancel | null = null;
    let settled = false;
    cancel = this.#dial(slot.key, (result) => {
      settled = true;
      if (cancel !== null) slot.cancelDials.delete(cancel);
      this.#dialed(slot, result);
    });
    if (!settled) slot.cancelDials.add(cancel);
  }

  #dialed(slot: Slot, result: Result<HboneClient>): void {
    if (this.#stopped !== null) {
      if (result.ok) result.value.abort();
      return;
    }
    if (!result.ok) {
      this.#step(slot, { t: "dialFailed", error: result.error });
      return;
    }
    const id = this.#nextId++;
    this.#tunnels.set(id, { key: slot.key, client: result.value });
    this.#step(slot, { t: "dialed", id, nowMs: this.#nowMs });
  }
}

function finish(want: Want, result: Result<HboneStream>): void {
  const done = want.done;
  want.done = null;
  done?.(result);
}

/** Shares tunnels between CONNECTs of the same key. @see dataplane contract 5.9 */
export function hbonePool(options: HbonePoolOptions): HbonePool {
  return new Pool(options);
}
