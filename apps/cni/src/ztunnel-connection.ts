import type { Netns, SeqpacketSocket } from "@lateen/linux";
import {
  type AgentEffect,
  type AgentInput,
  type AgentState,
  type AgentUpdate,
  MAX_MESSAGE_BYTES,
  agentStart,
  agentStep,
  decodeHello,
  decodeWorkloadResponse,
  encodeWorkloadRequest,
} from "@lateen/zds";

/** What became of an update. `lost`: the connection ended first; the snapshot of the next one sets it right. */
export interface Outcome {
  readonly result: "done" | "refused" | "lost";
  readonly why: string;
}

/** What a connection asks of its owner and tells it. */
export interface ConnectionHooks {
  /** What the agent holds now; the connection owns the handles in it. */
  readonly snapshot: () => readonly AgentUpdate<Netns>[];
  readonly acknowledged: (uid: string) => void;
  readonly refused: (uid: string, why: string) => void;
  /** It has said hello: from here on it may be told of pods. */
  readonly greeted: () => void;
  readonly live: () => void;
  readonly closeFd: (fd: number) => void;
  readonly nowMs: () => number;
}

/** One proxy's ZDS connection: performs what the machine decides. */
export class ZtunnelConnection {
  readonly #socket: SeqpacketSocket;
  readonly #hooks: ConnectionHooks;
  readonly #ended = new AbortController();
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #state: AgentState<Netns>;
  #timer: NodeJS.Timeout | null = null;
  #nextId = 0;
  /** Why it ended. */
  why = "";

  constructor(socket: SeqpacketSocket, hooks: ConnectionHooks) {
    this.#socket = socket;
    this.#hooks = hooks;
    this.#state = agentStart(hooks.nowMs());
    this.#arm();
  }

  get open(): boolean {
    return this.#state.phase !== "closed";
  }

  /** Open, and known to be a proxy. */
  get greeted(): boolean {
    return this.#state.phase === "snapshot" || this.#state.phase === "live";
  }

  /** Sends an update, after those before it. Takes over the handle. */
  update(update: AgentUpdate<Netns>): Promise<Outcome> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#input({ t: "update", id, update, nowMs: this.#hooks.nowMs() });
    });
  }

  /** Serves until the connection ends. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#ended.signal]);
    try {
      while (this.open) await this.#receive(either);
    } catch (e) {
      this.#input({ t: "closed", why: e instanceof Error ? e.message : String(e) });
    } finally {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#socket[Symbol.dispose]();
    }
  }

  async #receive(signal: AbortSignal): Promise<void> {
    const got = await this.#socket.receive(MAX_MESSAGE_BYTES, signal);
    const nowMs = this.#hooks.nowMs();
    if (got.t === "end") return this.#input({ t: "closed", why: "the proxy closed the connection" });
    if (got.t === "truncated") return this.#input({ t: "unexpected", why: got.why });
    got.fds.forEach(this.#hooks.closeFd);
    if (got.fds.length > 0) return this.#input({ t: "unexpected", why: "the proxy sent descriptors" });
    if (this.#state.phase !== "hello")
      return this.#input({ t: "response", response: decodeWorkloadResponse(got.bytes), nowMs });
    const hello = decodeHello(got.bytes);
    this.#input({ t: "hello", hello, snapshot: hello.ok ? this.#hooks.snapshot() : [], nowMs });
    if (this.greeted) this.#hooks.greeted();
  }

  #input(input: AgentInput<Netns>): void {
    const [state, effects] = agentStep(this.#state, input);
    this.#state = state;
    if (input.t === "closed") this.#end(input.why);
    for (const effect of effects) this.#perform(effect);
    this.#arm();
  }

  #end(why: string): void {
    if (this.why === "") this.why = why;
    this.#ended.abort(new Error(why));
  }

  #perform(effect: AgentEffect<Netns>): void {
    switch (effect.t) {
      case "send": {
        const fds = effect.handle === null ? [] : [effect.handle.fd];
        this.#socket
          .send(encodeWorkloadRequest(effect.request), fds, this.#ended.signal)
          .catch((e: unknown) => this.#input({ t: "closed", why: e instanceof Error ? e.message : String(e) }));
        return;
      }
      case "release":
        return effect.handle[Symbol.dispose]();
      case "outcome": {
        const { id, result, why } = effect;
        this.#waiting.get(id)?.({ result, why });
        this.#waiting.delete(id);
        return;
      }
      case "acknowledged":
        return this.#hooks.acknowledged(effect.uid);
      case "refused":
        return this.#hooks.refused(effect.uid, effect.why);
      case "live":
        return this.#hooks.live();
      case "drop":
        return this.#end(effect.why);
    }
  }

  /** One timer, for the answer that the peer owes. */
  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { deadlineMs } = this.#state;
    if (deadlineMs === null) return;
    const tick = (): void => this.#input({ t: "tick", nowMs: this.#hooks.nowMs() });
    this.#timer = setTimeout(tick, Math.max(1, deadlineMs - this.#hooks.nowMs()));
  }
}
