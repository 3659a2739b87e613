import { Roster } from "@lateen/lifecycle";
import type { Workload } from "@lateen/workload-model";
import type { PodInfo } from "../messages.ts";
import { HandshakeGate } from "./handshake-gate.ts";
import type { ThreadContext } from "./thread-context.ts";

/** How long a connection waits for the control plane to name its own workload (dataplane 6.1). */
const WORKLOAD_WAIT_MS = 5_000;
/** Connections of one pod that may wait at a time. */
const MAX_WAITERS = 1_024;

/** One pod on one data thread: who it is, where its sockets are made, and its own workload once it is known. */
export class PodContext {
  readonly thread: ThreadContext;
  readonly info: PodInfo;
  /** Descriptor of the pod's network namespace, owned by the control thread. */
  readonly netns: number;
  readonly handshakes = new HandshakeGate();
  readonly #waiters = new Set<() => void>();
  readonly #opening = new Roster<() => void>();
  /** As it was found since the last change of the store. */
  #own: Workload | null = null;
  #stopped = false;

  constructor(thread: ThreadContext, info: PodInfo, netns: number) {
    this.thread = thread;
    this.info = info;
    this.netns = netns;
  }

  /** The pod's own workload, matched by name, namespace and service account, never by IP (dataplane 6.1). */
  workload(): Workload | null {
    return (this.#own ??= this.thread.workloads.localWorkload(this.info));
  }

  /** Calls back with the own workload: now, when the control plane delivers it, or with null after 5 s. */
  whenWorkload(done: (own: Workload | null) => void): void {
    const own = this.#stopped ? null : this.workload();
    if (own !== null || this.#stopped || this.#waiters.size >= MAX_WAITERS) return done(own);
    const finish = (): void => {
      const now = this.#stopped ? null : this.workload();
      if (now === null && !this.#stopped) return;
      this.#waiters.delete(finish);
      cancel();
      done(now);
    };
    const cancel = this.thread.path.after(WORKLOAD_WAIT_MS, () => {
      this.#waiters.delete(finish);
      done(null);
    });
    this.#waiters.add(finish);
  }

  /** To be called after every change of the workload store. */
  workloadsChanged(): void {
    this.#own = null;
    for (const waiter of [...this.#waiters]) waiter();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** What is not a connection yet, but may become one. */
  get beginning(): number {
    return this.#opening.size + this.#waiters.size;
  }

  /** Remembers how to end something that is not a carried connection yet, for when the pod stops. @returns forgets it */
  opening(abort: () => void): () => void {
    const seat = this.#opening.add(abort);
    return () => this.#opening.remove(seat);
  }

  /**
   * Nothing of this pod begins any more, and what was beginning ends: its namespace's descriptor number may belong to another
   * pod from now on.
   */
  stop(): void {
    this.#stopped = true;
    for (const waiter of [...this.#waiters]) waiter();
    for (const abort of this.#opening.members()) abort();
  }
}
