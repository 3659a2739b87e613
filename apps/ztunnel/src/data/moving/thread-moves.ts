import type { DataPath } from "@lateen/datapath";
import type { HboneConnection } from "@lateen/hbone";
import type { FromThread, ToThread } from "../../messages.ts";
import type { OpenConnection } from "../open-connection.ts";
import type { ServedPod } from "../served-pod.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { FrozenBundle } from "./bundle.ts";
import { type Candidate, carrierOf, freezeBundle } from "./freeze.ts";
import { type PreparedBundle, prepareBundle } from "./restore.ts";

export interface MovesWorld {
  readonly path: Pick<DataPath, "mover">;
  readonly pods: ReadonlyMap<string, ServedPod>;
  readonly post: (message: FromThread) => void;
  /** The machine's monotonic clock, the same in every process. */
  readonly clockMs: () => number;
  readonly closeFd: (fd: number) => void;
  readonly duplicateFd: (fd: number) => number;
}

type Subject = HboneConnection | OpenConnection;

type MoveMessage = Extract<ToThread, { t: "next-offer" | "offer-outcome" | "prepare" | "run" | "let-go" }>;

interface Found {
  readonly pod: ServedPod;
  readonly candidate: Candidate;
}

/** What a data thread does in a hand-over: gives bundles away one at a time, or takes them up. */
export class ThreadMoves {
  readonly #world: MovesWorld;
  /** What the last search found, and how much of it was looked at. */
  #found: readonly Found[] = [];
  #at = 0;
  /** Stay here: the successor does not want them. */
  #staying = new WeakSet<Subject>();
  readonly #out = new Map<number, { readonly bundle: FrozenBundle; readonly subject: Subject }>();
  readonly #prepared = new Map<number, PreparedBundle>();
  #nextKey = 1;

  constructor(world: MovesWorld) {
    this.#world = world;
  }

  receive(m: MoveMessage): void {
    switch (m.t) {
      case "next-offer":
        if (m.mode === "first") this.#begin();
        return this.#next();
      case "offer-outcome":
        return this.#outcome(m.key, m.outcome);
      case "prepare":
        return this.#world.post({ t: "prepared", id: m.id, error: this.#prepare(m) });
      case "run":
        return this.#run(m.id);
      case "let-go":
        this.#prepared.get(m.id)?.letGo();
        this.#prepared.delete(m.id);
    }
  }

  // ---- giving

  /** A hand-over begins: what an earlier successor did not want is offered again. */
  #begin(): void {
    this.#staying = new WeakSet();
    this.#found = [];
    this.#at = 0;
  }

  /** Makes the next bundle stand still and offers it, or says that there is none now. */
  #next(): void {
    if (this.#offerNext() || this.#offerNext(this.#search())) return;
    this.#world.post({ t: "no-offer", ...this.#remaining() });
  }

  /** Looks at what was found and not looked at yet. @returns whether it offered something */
  #offerNext(found = this.#found): boolean {
    const { mover } = this.#world.path;
    if (found !== this.#found) this.#at = 0;
    this.#found = found;
    while (mover !== null && this.#at < found.length) {
      const { pod, candidate } = found[this.#at++]!; // the line above checked it
      const subject = subjectOf(candidate);
      if (this.#staying.has(subject) || isOver(candidate) || this.#isOut(subject)) continue;
      const { context, tunnels } = pod;
      const frozen = freezeBundle({ mover, pod: context, tunnels, clockMs: this.#world.clockMs }, candidate);
      if (!frozen.ok) continue; // looked at again by the next search
      this.#offer(frozen.value, subject);
      return true;
    }
    return false;
  }

  #offer(bundle: FrozenBundle, subject: Subject): void {
    const key = this.#nextKey++;
    this.#out.set(key, { bundle, subject });
    const { uid, state } = bundle;
    // Duplicates: while they are under way our own may be closed, and their numbers given to others.
    const fds = bundle.fds.map(this.#world.duplicateFd);
    this.#world.post({ t: "offer", key, uid, state, fds });
  }

  /** What became of an offer. */
  #outcome(key: number, outcome: "given" | "kept"): void {
    const out = this.#out.get(key);
    this.#out.delete(key);
    if (out === undefined) return;
    if (outcome === "kept") this.#staying.add(out.subject);
    out.bundle[outcome]();
  }

  #search(): readonly Found[] {
    return [...this.#world.pods.values()].flatMap((pod): Found[] => {
      const { tunnels, context } = pod;
      return [
        ...Array.from(tunnels.inbound, ([tunnel, about]) => ({
          pod,
          candidate: { t: "inbound", tunnel, about } as const,
        })),
        ...tunnels.outbound.map((about) => ({
          pod,
          candidate: { t: "outbound", tunnel: about.tunnel, about } as const,
        })),
        ...connectionsOf(context.thread, context.info.uid)
          .filter((c) => c.carried && carrierOf(c) === null)
          .map((connection) => ({ pod, candidate: { t: "plain", connection } as const })),
      ];
    });
  }

  /** What is not out: `later` may be movable in a moment, `left` are connections. */
  #remaining(): { readonly later: number; readonly left: number } {
    const outOf = new Set(Array.from(this.#out.values(), ({ subject }) => subject));
    let [later, left] = [0, 0];
    const movable = this.#world.path.mover !== null;
    for (const { context, tunnels } of this.#world.pods.values()) {
      later += context.beginning;
      for (const tunnel of [...tunnels.inbound.keys(), ...tunnels.outbound.map((o) => o.tunnel)])
        if (!this.#staying.has(tunnel) && !outOf.has(tunnel)) later += 1;
      for (const c of connectionsOf(context.thread, context.info.uid)) {
        const carrier = carrierOf(c);
        if (outOf.has(c) || (carrier !== null && outOf.has(carrier))) continue;
        left += 1;
        if (carrier === null && !this.#staying.has(c)) later += 1;
      }
    }
    return { later: movable ? later : 0, left };
  }

  #isOut(subject: Subject): boolean {
    for (const out of this.#out.values()) if (out.subject === subject) return true;
    return false;
  }

  // ---- taking

  /** Owns the descriptors. @returns why not */
  #prepare(m: Extract<ToThread, { t: "prepare" }>): string | null {
    const { path, pods, clockMs, closeFd } = this.#world;
    const proxy = pods.get(m.uid);
    if (path.mover === null || proxy === undefined) {
      m.fds.forEach(closeFd);
      return proxy === undefined ? "this pod is not served here" : "this driver cannot move connections";
    }
    const prepared = prepareBundle({ mover: path.mover, proxy, clockMs }, m, closeFd);
    if (!prepared.ok) return prepared.error.message;
    this.#prepared.set(m.id, prepared.value);
    return null;
  }

  /** The bundle is ours. */
  #run(id: number): void {
    const prepared = this.#prepared.get(id);
    this.#prepared.delete(id);
    if (prepared === undefined) return;
    const stalledMs = prepared.run();
    const { connections, tunnel } = prepared;
    this.#world.post({ t: "moved", id, connections, tunnel, stalledMs });
  }
}

const connectionsOf = (thread: ThreadContext, uid: string): readonly OpenConnection[] =>
  thread.connections.of(uid) as readonly OpenConnection[];

const subjectOf = (candidate: Candidate): Subject =>
  candidate.t === "plain" ? candidate.connection : candidate.tunnel;

const isOver = (candidate: Candidate): boolean =>
  candidate.t === "plain" ? candidate.connection.over : candidate.tunnel.closed;
