import {
  type GiverEffect,
  type GiverInput,
  type GiverState,
  type Kind,
  MAX_MESSAGE_BYTES,
  type Offer,
  type Versions,
  giverStart,
  giverStep,
} from "@lateen/handover";
import type { SeqpacketSocket } from "@lateen/linux";
import { Outbox } from "./outbox.ts";

export type Ending = { readonly outcome: "done" | "refused" | "lost"; readonly why: string };

/** Whose listeners and connections are given. */
export interface GiverOwner {
  /** Offer listeners in this format, then say `listed`. */
  list(version: number): void;
  /** Offer so many more connections, or say `exhausted`. */
  want(count: number, version: number): void;
  given(key: string, kind: Kind): void;
  kept(key: string, kind: Kind, why: string): void;
}

export interface GiverSessionOptions {
  readonly versions: Versions;
  readonly role: string;
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
}

const TICK_MS = 500;

/** One successor at the predecessor's socket: performs what the machine decides. */
export class GiverSession {
  readonly #socket: SeqpacketSocket;
  readonly #owner: GiverOwner;
  readonly #o: GiverSessionOptions;
  readonly #outbox: Outbox;
  #state: GiverState;
  #ending: Ending | null = null;

  constructor(socket: SeqpacketSocket, owner: GiverOwner, o: GiverSessionOptions, signal: AbortSignal) {
    this.#socket = socket;
    this.#owner = owner;
    this.#o = o;
    this.#outbox = new Outbox(socket, signal);
    this.#state = giverStart({ versions: o.versions, role: o.role, nowMs: o.nowMs() });
  }

  /** Serves until the hand-over is over, and closes the socket. Never throws. */
  async run(signal: AbortSignal): Promise<Ending> {
    const timer = setInterval(() => this.#input({ t: "tick", nowMs: this.#o.nowMs() }), TICK_MS);
    try {
      while (this.#ending === null) await this.#receive(signal);
    } catch (e) {
      this.#input({ t: "closed", why: e instanceof Error ? e.message : String(e) });
    }
    clearInterval(timer);
    await this.#outbox.flushed();
    this.#socket[Symbol.dispose]();
    return this.#ending ?? { outcome: "lost", why: "the hand-over was cut short" };
  }

  async #receive(signal: AbortSignal): Promise<void> {
    const got = await this.#socket.receive(MAX_MESSAGE_BYTES, signal);
    if (got.t !== "message") {
      this.#input({ t: "closed", why: got.t === "end" ? "the successor is gone" : got.why });
      return;
    }
    got.fds.forEach(this.#o.closeFd); // a successor has none to give
    this.#input({ t: "message", bytes: got.bytes, nowMs: this.#o.nowMs() });
  }

  /** Owns the descriptors: they are closed here once they were sent, or need not be. */
  offer(offer: Offer): void {
    this.#input({ t: "offer", ...offer, nowMs: this.#o.nowMs() });
    void this.#outbox.flushed().then(() => offer.fds.forEach(this.#o.closeFd));
  }

  listed(): void {
    this.#input({ t: "listed", nowMs: this.#o.nowMs() });
  }

  exhausted(left: number): void {
    this.#input({ t: "exhausted", left, nowMs: this.#o.nowMs() });
  }

  #input(input: GiverInput): void {
    const [state, effects] = giverStep(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(e: GiverEffect): void {
    switch (e.t) {
      case "send":
        void this.#outbox.send(e.bytes, e.fds);
        return;
      case "list":
        return this.#owner.list(e.version);
      case "want":
        return this.#owner.want(e.count, e.version);
      case "given":
        return this.#owner.given(e.key, e.kind);
      case "kept":
        return this.#owner.kept(e.key, e.kind, e.why);
      case "leave":
        return this.#socket.shut();
      case "over":
        this.#ending = { outcome: e.outcome, why: e.why };
    }
  }
}
