import { type Backoff, sleep } from "@lateen/lifecycle";
import type { SeqpacketSocket } from "@lateen/linux";
import type { Logger } from "@lateen/telemetry";
import {
  MAX_MESSAGE_BYTES,
  type ProxiedPod,
  type ProxyEffect,
  type ProxyInput,
  type ProxyState,
  decodeWorkloadRequest,
  encodeHello,
  encodeWorkloadResponse,
  isProxyReady,
  proxyStart,
  proxyStep,
  VERSION_1,
} from "@lateen/zds";

/** What the pod manager needs of the world. */
export interface PodWorld {
  /** Connects to the agent's socket. @throws when nobody listens there */
  readonly connect: () => Promise<SeqpacketSocket>;
  readonly netnsId: (fd: number) => string;
  readonly closeFd: (fd: number) => void;
  /** Starts the pod on every data thread. @returns null or why not */
  readonly start: (pod: ProxiedPod) => Promise<string | null>;
  /** Resolves when no thread uses the pod's namespace any more. */
  readonly stop: (pod: ProxiedPod) => Promise<void>;
  readonly fatal: (why: string) => void;
  readonly log: Logger;
}

/** Pods that could not start are tried again this often (dataplane 3.3). */
const RETRY_MS = 5_000;

/** Follows the CNI agent: performs what the ZDS machine decides and feeds back what happened. */
export class PodManager {
  readonly #world: PodWorld;
  readonly #changed: () => void;
  #state: ProxyState = proxyStart;
  #agent: SeqpacketSocket | null = null;
  /** Ends the present connection. */
  #dropped = new AbortController();

  /** @param changed called after every change of `state` */
  constructor(world: PodWorld, changed: () => void) {
    this.#world = world;
    this.#changed = changed;
  }

  get state(): ProxyState {
    return this.#state;
  }

  get ready(): boolean {
    return isProxyReady(this.#state);
  }

  /** Connects, and again whenever the connection ends, until the signal. */
  async run(signal: AbortSignal, backoff: Backoff): Promise<void> {
    const retry = setInterval(() => this.#input({ t: "tick" }), RETRY_MS);
    try {
      while (!signal.aborted && this.#state.phase !== "ended") {
        const served = await this.#serve(signal);
        if (served) backoff.reset();
        if (!signal.aborted) await sleep(backoff.nextMs(), { signal }).catch(() => undefined);
      }
    } finally {
      clearInterval(retry);
    }
  }

  /** One connection from hello to its end. @returns whether it was ever open */
  async #serve(signal: AbortSignal): Promise<boolean> {
    const { log } = this.#world;
    const agent = await this.#world.connect().catch((error: unknown) => {
      log.debug("cannot connect to the CNI agent", { error: String(error) });
      return null;
    });
    if (agent === null) return false;
    using connection = agent;
    this.#dropped = new AbortController();
    this.#agent = connection;
    log.info("connected to the CNI agent");
    this.#input({ t: "connected" });
    await this.#listen(connection, AbortSignal.any([signal, this.#dropped.signal])).catch((error: unknown) => {
      if (!signal.aborted) log.warn("connection to the CNI agent broke", { error: String(error) });
    });
    this.#agent = null;
    this.#input({ t: "disconnected" });
    return true;
  }

  async #listen(agent: SeqpacketSocket, signal: AbortSignal): Promise<void> {
    for (;;) {
      const incoming = await agent.receive(MAX_MESSAGE_BYTES, signal);
      if (incoming.t === "end") return;
      if (incoming.t === "truncated") {
        this.#input({ t: "undecodable", why: incoming.why, fds: [] });
        continue;
      }
      const fds = incoming.fds.map((fd) => ({ fd, id: this.#world.netnsId(fd) }));
      const request = decodeWorkloadRequest(incoming.bytes);
      if (request.ok) this.#input({ t: "message", request: request.value, fds });
      else this.#input({ t: "undecodable", why: request.error.message, fds });
    }
  }

  #send(bytes: Uint8Array): void {
    const agent = this.#agent;
    if (agent === null) return;
    agent.send(bytes, [], this.#dropped.signal).catch((error: unknown) => {
      this.#world.log.warn("cannot answer the CNI agent", { error: String(error) });
      this.#dropped.abort();
    });
  }

  #input(input: ProxyInput): void {
    const [state, effects] = proxyStep(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#changed();
  }

  #perform(effect: ProxyEffect): void {
    switch (effect.t) {
      case "hello":
        return this.#send(encodeHello({ version: VERSION_1 }));
      case "ack":
        return this.#send(encodeWorkloadResponse({ t: "ack", error: effect.error }));
      case "start":
        void this.#start(effect.pod);
        return;
      case "stop":
        this.#world.log.info("pod proxy stopped", { uid: effect.pod.uid });
        // Only then: until then a thread may still open sockets by this number, which the kernel would give to another.
        void this.#world.stop(effect.pod).then(() => this.#world.closeFd(effect.pod.netns.fd));
        return;
      case "discard":
        for (const fd of effect.fds) this.#world.closeFd(fd);
        return;
      case "drop":
        this.#world.log.warn("dropping the connection to the CNI agent", { error: effect.why });
        return this.#dropped.abort();
      case "fatal":
        return this.#world.fatal(effect.why);
    }
  }

  async #start(pod: ProxiedPod): Promise<void> {
    const error = await this.#world.start(pod).catch((cause: unknown) => String(cause));
    const { name, namespace } = pod.info;
    if (error === null) this.#world.log.info("pod proxy started", { uid: pod.uid, pod: `${namespace}/${name}` });
    else this.#world.log.error("pod proxy cannot start", { uid: pod.uid, pod: `${namespace}/${name}`, error });
    this.#input({ t: "started", pod, error });
  }
}
