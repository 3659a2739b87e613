import http from "node:http";
import { Code, MeshError } from "@lateen/errors";
import { type Backoff, createBackoff, sleep } from "@lateen/lifecycle";
import { z } from "zod";

/** A pod as the CNI agent of its node is told about it. */
export interface AgentPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly ips: readonly string[];
  /** Path of its network namespace, as the agent sees it. */
  readonly netns: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const podState = z.looseObject({
  uid: z.string(),
  state: z.enum(["enrolled", "pending", "failed", "removing"]),
  reason: z.string().nullish(),
  conditions: z.record(z.string(), z.boolean()).nullish(),
});
const podList = z.looseObject({ pods: z.array(podState), ztunnels: z.number().default(0) });
export type AgentPodState = z.output<typeof podState>;

/** What a node's agent is to capture, and how far it is. */
export interface NodeAgent extends Disposable {
  /** Adds a pod to the desired set. @returns when the agent has verified it, however often either restarts meanwhile */
  enrol(pod: AgentPod, signal: AbortSignal): Promise<void>;
  /** Takes a pod out of the desired set. @returns when the agent no longer holds it, or after a while without it */
  remove(uid: string): Promise<void>;
  /** Tells the agent everything anew: after it restarted, and now and then. */
  sync(): void;
  /** What the agent said last of each pod, by uid. */
  readonly states: ReadonlyMap<string, AgentPodState>;
  /** Why the agent could not be told, null when it was. */
  readonly problem: string | null;
  /** ztunnels connected to the agent. */
  readonly ztunnels: number;
}

const REFRESH_MS = 1_000;
const WAIT_MS = 1_000;
const ANSWER_DEADLINE_MS = 10_000;
const REMOVE_DEADLINE_MS = 3_000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Keeps an agent told, level-triggered: the whole desired set goes over whenever it changes, and again after every failure. */
export function openNodeAgent(o: { readonly socket: string; readonly onChange: () => void }): NodeAgent {
  return new Agent(o);
}

class Agent implements NodeAgent {
  readonly #socket: string;
  readonly #onChange: () => void;
  readonly #desired = new Map<string, AgentPod>();
  readonly #waiting = new Map<string, () => void>();
  readonly #closed = new AbortController();
  readonly #backoff: Backoff = createBackoff({ baseMs: 20, maxMs: 1_000, random: Math.random });
  #states: ReadonlyMap<string, AgentPodState> = new Map();
  #wake: (() => void) | null = null;
  #dirty = false;
  #problem: string | null = null;
  #ztunnels = 0;

  constructor(o: { readonly socket: string; readonly onChange: () => void }) {
    this.#socket = o.socket;
    this.#onChange = o.onChange;
    void this.#run();
  }

  get states(): ReadonlyMap<string, AgentPodState> {
    return this.#states;
  }
  get problem(): string | null {
    return this.#problem;
  }
  get ztunnels(): number {
    return this.#ztunnels;
  }

  enrol(pod: AgentPod, signal: AbortSignal): Promise<void> {
    this.#desired.set(pod.uid, pod);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(pod.uid);
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.delete(pod.uid);
        reject(signal.reason as Error);
      };
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      this.#waiting.set(pod.uid, done);
      this.sync();
    });
  }

  async remove(uid: string): Promise<void> {
    if (!this.#desired.delete(uid)) return;
    const endMs = performance.now() + REMOVE_DEADLINE_MS;
    this.#states = new Map(this.#states).set(uid, { uid, state: "removing" });
    this.sync();
    while (this.#states.has(uid) && performance.now() < endMs && !this.#closed.signal.aborted) await sleep(10);
  }

  sync(): void {
    this.#dirty = true;
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.#closed.abort(new MeshError(Code.Draining, "The mesh is going down"));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await this.#round();
        this.#say(null);
        this.#backoff.reset();
        if (!this.#dirty) await this.#pause(this.#waiting.size > 0 ? 0 : REFRESH_MS);
      } catch (e) {
        this.#dirty = true;
        this.#say(e instanceof Error ? e.message : String(e));
        await sleep(this.#backoff.nextMs());
      }
    }
  }

  /** The whole set over, then what became of it; with pods awaited, the answer comes as soon as the first is enrolled. */
  async #round(): Promise<void> {
    this.#dirty = false;
    await this.#request("PUT", "/v1/pods", { pods: [...this.#desired.values()] });
    const [first] = this.#waiting.keys();
    if (first !== undefined && this.#states.get(first)?.state !== "enrolled") await this.#await(first);
    this.#take(await this.#request("GET", "/v1/pods"));
  }

  /** The agent answers as soon as it is enrolled, or says after a while that it is not yet: then others get their turn. */
  async #await(uid: string): Promise<void> {
    const path = `/v1/pods/${encodeURIComponent(uid)}?wait=enrolled&timeoutMs=${WAIT_MS}`;
    await this.#request("GET", path).catch(() => this.#pause(50));
  }

  #take(answer: unknown): void {
    const { pods, ztunnels } = podList.parse(answer);
    this.#states = new Map(pods.map((p) => [p.uid, p]));
    this.#ztunnels = ztunnels;
    for (const p of pods) if (p.state === "enrolled") this.#waiting.get(p.uid)?.();
    this.#onChange();
  }

  #say(problem: string | null): void {
    if (this.#problem === problem) return;
    this.#problem = problem;
    this.#onChange();
  }

  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      const wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#wake = wake;
    });
  }

  #request(method: string, path: string, body?: unknown): Promise<unknown> {
    return requestJson({ socketPath: this.#socket, method, path, body, signal: this.#closed.signal });
  }
}

/** One JSON request over a unix socket. @throws MeshError UNAVAILABLE on any answer but 2xx, with the answer's text */
export function requestJson(o: {
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void =>
      reject(new MeshError(Code.Unavailable, `Cannot ${o.method} ${o.path} at "${o.socketPath}": ${why}`, {}, cause));
    const request = http.request(
      {
        socketPath: o.socketPath,
        method: o.method,
        path: o.path,
        agent: false,
        signal: o.signal,
        timeout: ANSWER_DEADLINE_MS,
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
          if (text.length > MAX_BODY_BYTES) request.destroy(new Error("the answer is too long"));
        });
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          if (status < 200 || status > 299) return failed(`${status} ${text.slice(0, 500)}`);
          try {
            resolve(text === "" ? null : JSON.parse(text));
          } catch (e) {
            failed("the answer is no JSON", e);
          }
        });
        response.on("error", (e) => failed(e.message, e));
      },
    );
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", (e) => failed(e.message, e));
    request.setHeader("content-type", "application/json");
    request.end(o.body === undefined ? undefined : JSON.stringify(o.body));
  });
}
