import { type GiverEffect, type GiverInput, giverStart, giverStep } from "./giver.ts";
import { type Kind, MAX_MESSAGE_BYTES, type Versions } from "./messages.ts";
import { type TakerEffect, type TakerInput, takerStart, takerStep } from "./taker.ts";

/** What can be handed over: a pod's listeners or a connection. Its descriptors are numbers of its own. */
export interface Item {
  readonly key: string;
  readonly kind: Kind;
  readonly state: Uint8Array;
  readonly fds: readonly number[];
}

interface Datagram {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** Memory of which a slice is a view, as some runtimes have it. */
class Block extends Uint8Array {
  override slice(from?: number, to?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(from, to) as Uint8Array<ArrayBuffer>;
  }
}

/** A process with its machine: what it holds, what it drives, and what it has done. */
class Giver {
  state;
  alive = true;
  over: Extract<GiverEffect, { t: "over" }> | null = null;
  /** Driven by this process. A listener that was given is not, until it is taken back. */
  readonly driven = new Set<string>();
  readonly frozen = new Set<string>();
  readonly declined = new Set<string>();
  readonly given = new Set<string>();
  shut = false;
  wanted = 0;
  asked = false;

  constructor(items: readonly Item[], versions: Versions) {
    this.state = giverStart({ versions, role: "ztunnel", nowMs: 0 });
    for (const item of items) this.driven.add(item.key);
  }
}

class Taker {
  state;
  alive = true;
  over: Extract<TakerEffect, { t: "over" }> | null = null;
  version = 0;
  listed = false;
  ended: number | null = null;
  readonly prepared = new Map<number, Item>();
  readonly driven = new Map<string, Item>();
  /** Open descriptors. */
  readonly fds = new Set<number>();
  readonly first: readonly TakerEffect[];

  constructor(versions: Versions) {
    [this.state, this.first] = takerStart({ versions, role: "ztunnel", program: "test", nowMs: 0 });
  }
}

/**
 * Two processes and the socket between them, as the kernel has it: messages arrive whole and in order; what was sent before an
 * end is still read after it; nothing can be sent to an end that is closed or shut.
 */
export class World {
  readonly items: ReadonlyMap<string, Item>;
  readonly giver: Giver;
  readonly taker: Taker;
  readonly toTaker: Datagram[] = [];
  readonly toGiver: Datagram[] = [];
  readonly #window: number;
  readonly #block: Block | null;
  nowMs = 0;
  #turn = 0;

  constructor(
    items: readonly Item[],
    o: {
      readonly window: number;
      readonly giver?: Versions;
      readonly taker?: Versions;
      readonly memory?: "one block for all messages";
    },
  ) {
    this.items = new Map(items.map((item) => [item.key, item]));
    this.#window = o.window;
    this.#block = o.memory === undefined ? null : new Block(MAX_MESSAGE_BYTES);
    const one = { newest: 1, oldest: 1 };
    this.giver = new Giver(items, o.giver ?? one);
    this.taker = new Taker(o.taker ?? one);
    for (const effect of this.taker.first) this.#performTaker(effect);
  }

  // ---- what may happen next; each says whether it could

  deliverToGiver(): boolean {
    if (!this.giver.alive || this.giver.over !== null) return false;
    const next = this.toGiver.shift();
    if (next !== undefined) this.#giver({ t: "message", bytes: next.bytes, nowMs: this.nowMs });
    else if (this.giver.shut || !this.#takerOpen) this.#giver({ t: "closed", why: "the successor is gone" });
    else return false;
    return true;
  }

  deliverToTaker(): boolean {
    if (!this.#takerOpen) return false;
    const next = this.toTaker.shift();
    if (next !== undefined) {
      for (const fd of next.fds) this.taker.fds.add(fd);
      this.#block?.set(next.bytes);
      const bytes = this.#block?.subarray(0, next.bytes.length) ?? next.bytes;
      this.#taker({ t: "message", bytes, fds: next.fds });
    } else if (!this.#giverOpen) this.#taker({ t: "closed", why: "the predecessor is gone" });
    else return false;
    return true;
  }

  /** The predecessor's owner does one thing that was asked of it. */
  supply(): boolean {
    const { giver } = this;
    if (!giver.alive || giver.over !== null) return false;
    if (giver.asked) {
      giver.asked = false;
      for (const item of this.items.values()) if (item.kind === "listeners") this.#offer(item);
      this.#giver({ t: "listed", nowMs: this.nowMs });
      return true;
    }
    if (giver.wanted === 0) return false;
    giver.wanted -= 1;
    const connections = [...this.items.values()].filter((i) => i.kind === "connections");
    const next = connections.find((i) => giver.driven.has(i.key) && !giver.declined.has(i.key));
    if (next !== undefined) this.#offer(next);
    else if (!connections.some((i) => giver.frozen.has(i.key))) this.#exhausted(connections);
    else {
      giver.wanted += 1; // the last ones are under way
      return false;
    }
    return true;
  }

  #exhausted(connections: readonly Item[]): void {
    this.giver.wanted = 0;
    const left = connections.filter((i) => this.giver.driven.has(i.key)).length;
    this.#giver({ t: "exhausted", left, nowMs: this.nowMs });
  }

  #offer(item: Item): void {
    if (item.kind === "connections") {
      this.giver.driven.delete(item.key);
      this.giver.frozen.add(item.key);
    }
    const { key, kind, state, fds } = item;
    this.#giver({ t: "offer", key, kind, name: key, state, fds, nowMs: this.nowMs });
  }

  /** The successor's owner decides about the oldest offer. */
  decide(why: string | null): boolean {
    const [first] = this.taker.prepared;
    if (!this.#takerOpen || first === undefined) return false;
    const [id, item] = first;
    if (why !== null) this.#letGo(id, item);
    this.#taker({ t: "decided", id, why });
    return true;
  }

  /** The successor asks for what comes next. */
  ask(): boolean {
    const { taker } = this;
    if (!this.#takerOpen) return false;
    const { phase } = taker.state;
    if (phase === "greeted") this.#taker({ t: "list" });
    else if (phase === "listed") this.#taker({ t: "move", window: this.#window });
    else if (phase === "ended" && taker.prepared.size === 0) this.#taker({ t: "bye" });
    else return false;
    return true;
  }

  tick(ms: number): void {
    this.nowMs += ms;
    if (this.giver.alive && this.giver.over === null) this.#giver({ t: "tick", nowMs: this.nowMs });
    if (this.#takerOpen) this.#taker({ t: "tick", nowMs: this.nowMs });
  }

  crash(who: "giver" | "taker"): void {
    this[who].alive = false;
    this[who].driven.clear();
    if (who === "giver") this.giver.frozen.clear();
    else this.taker.prepared.clear();
  }

  /** One thing that can happen, with "yes" as every answer. @returns false when nothing can */
  settleOnce(): boolean {
    const first = this.#turn++ % 5;
    for (let i = 0; i < 5; i++) {
      const which = (first + i) % 5;
      if (which === 0 && this.deliverToGiver()) return true;
      if (which === 1 && this.deliverToTaker()) return true;
      if (which === 2 && this.supply()) return true;
      if (which === 3 && this.decide(null)) return true;
      if (which === 4 && this.ask()) return true;
    }
    return false;
  }

  /** Until nothing can happen any more. */
  settle(): void {
    while (this.settleOnce());
  }

  /** Says something in the other's name. */
  inject(to: "giver" | "taker", bytes: Uint8Array): void {
    (to === "giver" ? this.toGiver : this.toTaker).push({ bytes, fds: [] });
  }

  // ---- the kernel

  get #takerOpen(): boolean {
    return this.taker.alive && this.taker.over === null;
  }
  get #giverOpen(): boolean {
    return this.giver.alive && this.giver.over === null && !this.giver.shut;
  }

  #giver(input: GiverInput): void {
    const [state, effects] = giverStep(this.giver.state, input);
    this.giver.state = state;
    for (const effect of effects) this.#performGiver(effect);
  }

  #performGiver(e: GiverEffect): void {
    const { giver } = this;
    switch (e.t) {
      case "send":
        if (this.#takerOpen) this.toTaker.push(e);
        return;
      case "list":
        giver.asked = true;
        return;
      case "want":
        giver.wanted += e.count;
        return;
      case "given":
        giver.given.add(e.key);
        giver.frozen.delete(e.key);
        giver.driven.delete(e.key);
        return;
      case "kept":
        giver.frozen.delete(e.key);
        giver.driven.add(e.key);
        if (e.kind === "connections") giver.declined.add(e.key);
        return;
      case "leave":
        giver.shut = true;
        return;
      case "over":
        giver.over = e;
        if (e.outcome === "lost")
          for (const { key, kind } of this.items.values()) if (kind === "listeners") giver.driven.add(key);
    }
  }

  #taker(input: TakerInput): void {
    const [state, effects] = takerStep(this.taker.state, input);
    this.taker.state = state;
    for (const effect of effects) this.#performTaker(effect);
  }

  #performTaker(e: TakerEffect): void {
    const { taker } = this;
    switch (e.t) {
      case "send":
        if (this.#giverOpen) this.toGiver.push({ bytes: e.bytes, fds: [] });
        return;
      case "commit":
        return this.#commit(e.id, e.bytes);
      case "offered":
        taker.prepared.set(e.id, { key: e.name, kind: e.kind, state: e.state, fds: e.fds });
        return;
      case "welcomed":
        taker.version = e.version;
        return;
      case "listed":
        taker.listed = true;
        return;
      case "ended":
        taker.ended = e.left;
        return;
      case "discard":
        for (const fd of e.fds) taker.fds.delete(fd);
        return;
      case "over":
        taker.over = e;
        for (const [id, item] of taker.prepared) this.#letGo(id, item);
    }
  }

  #commit(id: number, bytes: Uint8Array): void {
    const item = this.taker.prepared.get(id);
    if (item === undefined) return;
    if (!this.#giverOpen) return this.#letGo(id, item);
    this.toGiver.push({ bytes, fds: [] });
    this.taker.prepared.delete(id);
    this.taker.driven.set(item.key, item);
  }

  #letGo(id: number, item: Item): void {
    this.taker.prepared.delete(id);
    for (const fd of item.fds) this.taker.fds.delete(fd);
  }
}
