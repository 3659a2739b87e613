import type { Cancel, Mover } from "@lateen/datapath";
import { type TakerEffect, type TakerInput, type TakerState, takerStart, takerStep } from "@lateen/handover";
import { type StateFormat, fromVersion } from "../../handover/state-format.ts";
import type { Took, TookBundle } from "../../messages.ts";
import type { ServedPod } from "../served-pod.ts";
import { Channel, type ChannelLoop } from "./channel.ts";
import { type PreparedBundle, prepareBundle } from "./restore.ts";
import { THREAD_ROLE } from "./thread-giver.ts";

/** Bundles that may be under way; how many connections stand still at a time is the giver's to limit. */
const WINDOW = 8;
const TICK_MS = 500;

export interface TakerWorld extends ChannelLoop {
  readonly mover: Mover;
  readonly pods: ReadonlyMap<string, ServedPod>;
  readonly format: StateFormat;
  readonly nowMs: () => number;
  /** The machine's monotonic clock, the same in every process. */
  readonly clockMs: () => number;
}

export interface TakeOptions {
  /** Of the channel; owned. */
  readonly fd: number;
  readonly version: number;
}

type Offered = Extract<TakerEffect, { t: "offered" }>;

/** Takes up what a data thread of the predecessor gives: each bundle is made ready, claimed, and goes on at once. */
export class ThreadTaker {
  readonly #world: TakerWorld;
  readonly #o: TakeOptions;
  readonly #over: (took: Took) => void;
  readonly #channel: Channel;
  readonly #prepared = new Map<number, PreparedBundle>();
  readonly #bundles: TookBundle[] = [];
  readonly #declined: string[] = [];
  #state: TakerState;
  #left: number | null = null;
  #tick: Cancel;

  /** @param over hears how it ended, once */
  constructor(world: TakerWorld, o: TakeOptions, over: (took: Took) => void) {
    this.#world = world;
    this.#o = o;
    this.#over = over;
    const versions = { newest: o.version, oldest: o.version };
    const [state, hello] = takerStart({ versions, role: THREAD_ROLE, program: "", nowMs: world.nowMs() });
    this.#state = state;
    this.#tick = world.after(TICK_MS, () => this.#onTick());
    this.#channel = new Channel(world, o.fd, {
      onMessage: (bytes, fds) => this.#input({ t: "message", bytes, fds }),
      onClosed: (why) => this.#input({ t: "closed", why }),
    });
    for (const effect of hello) this.#perform(effect);
  }

  #onTick(): void {
    this.#tick = this.#world.after(TICK_MS, () => this.#onTick());
    this.#input({ t: "tick", nowMs: this.#world.nowMs() });
  }

  #input(input: TakerInput): void {
    const [state, effects] = takerStep(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(e: TakerEffect): void {
    switch (e.t) {
      case "send":
        return this.#channel.send(e.bytes, [], () => undefined);
      case "welcomed":
        return this.#input({ t: "list" });
      case "listed":
        return this.#input({ t: "move", window: WINDOW });
      case "offered":
        return this.#decide(e.id, this.#prepare(e));
      // From the moment that the word is out it is ours, and not before.
      case "commit":
        return this.#channel.send(e.bytes, [], (sent) => this.#settle(e.id, sent ? "run" : "let go"));
      case "ended":
        this.#left = e.left;
        return this.#goodbye();
      case "discard":
        return e.fds.forEach(this.#world.closeFd);
      case "over":
        return this.#end(e.outcome, e.why);
    }
  }

  /** Owns the descriptors. @returns why not */
  #prepare({ id, name, kind, state, fds }: Offered): string | null {
    const { pods, mover, clockMs, format, closeFd } = this.#world;
    const proxy = pods.get(name);
    const own = fromVersion(format, this.#o.version, kind, state);
    if (proxy === undefined || !own.ok) {
      fds.forEach(closeFd);
      return own.ok ? "this pod is not served here" : own.error.message;
    }
    const prepared = prepareBundle({ mover, proxy, clockMs }, { state: own.value, fds }, closeFd);
    if (!prepared.ok) return prepared.error.message;
    this.#prepared.set(id, prepared.value);
    return null;
  }

  #decide(id: number, why: string | null): void {
    if (why !== null) this.#declined.push(why);
    this.#input({ t: "decided", id, why });
  }

  #settle(id: number, what: "run" | "let go"): void {
    const prepared = this.#prepared.get(id);
    this.#prepared.delete(id);
    if (prepared === undefined) return;
    if (what === "let go") return prepared.letGo();
    const { connections, tunnel } = prepared;
    this.#bundles.push({ connections, tunnel, stalledMs: prepared.run() });
    this.#goodbye();
  }

  /** When everything that was offered runs here, or stays there. */
  #goodbye(): void {
    if (this.#left !== null && this.#prepared.size === 0) this.#input({ t: "bye" });
  }

  #end(outcome: Took["outcome"], why: string): void {
    this.#tick();
    this.#channel.close(); // settles those whose word could not be sent
    for (const prepared of this.#prepared.values()) prepared.letGo();
    this.#prepared.clear();
    this.#over({ outcome, why, left: this.#left ?? -1, declined: this.#declined, bundles: this.#bundles });
  }
}
