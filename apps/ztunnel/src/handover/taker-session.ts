import {
  type Kind,
  MAX_MESSAGE_BYTES,
  MAX_PIECE_FDS,
  type TakerEffect,
  type TakerInput,
  type TakerState,
  type Versions,
  takerStart,
  takerStep,
} from "@lateen/handover";
import type { SeqpacketSocket } from "@lateen/linux";
import type { Ending } from "./giver-session.ts";
import { Outbox } from "./outbox.ts";

export interface Offered {
  readonly id: number;
  readonly kind: Kind;
  readonly name: string;
  readonly state: Uint8Array;
  readonly fds: readonly number[];
}

/** Who takes what is offered. */
export interface TakerOwner {
  welcomed(version: number): void;
  /** Make it ready, run nothing of it, and `decide`. The descriptors are the owner's. */
  offered(offer: Offered): void;
  /** It is ours: run it. */
  committed(id: number): void;
  /** It is not: let go of it without a word. */
  letGo(id: number): void;
  listed(): void;
  /** Everything has been offered; `left` connections stay where they are. */
  ended(left: number): void;
  over(ending: Ending): void;
}

export interface TakerSessionOptions {
  readonly versions: Versions;
  readonly role: string;
  readonly program: string;
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
}

const TICK_MS = 500;

/** The successor's side of one hand-over: performs what the machine decides. */
export class TakerSession {
  readonly #socket: SeqpacketSocket;
  readonly #owner: TakerOwner;
  readonly #o: TakerSessionOptions;
  readonly #ended = new AbortController();
  readonly #outbox: Outbox;
  readonly #undecided = new Set<number>();
  #state: TakerState;

  constructor(socket: SeqpacketSocket, owner: TakerOwner, o: TakerSessionOptions) {
    this.#socket = socket;
    this.#owner = owner;
    this.#o = o;
    this.#outbox = new Outbox(socket, new AbortController().signal);
    const { versions, role, program } = o;
    const [state, effects] = takerStart({ versions, role, program, nowMs: o.nowMs() });
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  /** Serves until the hand-over is over, and closes the socket. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#ended.signal]);
    const timer = setInterval(() => this.#input({ t: "tick", nowMs: this.#o.nowMs() }), TICK_MS);
    try {
      while (this.#state.phase !== "over") await this.#receive(either);
    } catch (e) {
      this.#input({ t: "closed", why: e instanceof Error ? e.message : String(e) });
    }
    clearInterval(timer);
    await this.#outbox.flushed();
    this.#socket[Symbol.dispose]();
  }

  async #receive(signal: AbortSignal): Promise<void> {
    const got = await this.#socket.receive(MAX_MESSAGE_BYTES, signal, MAX_PIECE_FDS);
    if (got.t === "end") return this.#input({ t: "closed", why: "the predecessor is gone" });
    if (got.t === "truncated") return this.#input({ t: "closed", why: got.why });
    this.#input({ t: "message", bytes: got.bytes, fds: got.fds });
  }

  list(): void {
    this.#input({ t: "list" });
  }

  move(window: number): void {
    this.#input({ t: "move", window });
  }

  decide(id: number, why: string | null): void {
    if (why !== null) this.#undecided.delete(id);
    this.#input({ t: "decided", id, why });
  }

  bye(): void {
    this.#input({ t: "bye" });
  }

  #input(input: TakerInput): void {
    const [state, effects] = takerStep(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(e: TakerEffect): void {
    switch (e.t) {
      case "send":
        void this.#outbox.send(e.bytes);
        return;
      case "commit":
        void this.#commit(e.id, e.bytes);
        return;
      case "offered":
        this.#undecided.add(e.id);
        return this.#owner.offered(e);
      case "welcomed":
        return this.#owner.welcomed(e.version);
      case "listed":
        return this.#owner.listed();
      case "ended":
        return this.#owner.ended(e.left);
      case "discard":
        return e.fds.forEach(this.#o.closeFd);
      case "over":
        return this.#over({ outcome: e.outcome, why: e.why });
    }
  }

  /** From the moment that the word is out it is ours, and not before. */
  async #commit(id: number, bytes: Uint8Array): Promise<void> {
    const sent = await this.#outbox.send(bytes);
    this.#undecided.delete(id);
    if (sent) this.#owner.committed(id);
    else this.#owner.letGo(id);
  }

  #over(ending: Ending): void {
    this.#ended.abort(new Error(ending.why));
    // Those whose word is still under way are settled by it.
    for (const id of this.#state.undecided.keys()) if (this.#undecided.delete(id)) this.#owner.letGo(id);
    this.#owner.over(ending);
  }
}
