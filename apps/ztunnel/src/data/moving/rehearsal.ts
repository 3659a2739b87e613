import { seqpacketDescriptors } from "@lateen/linux";
import { STATE_FORMAT } from "../../handover/state-format.ts";
import type { CredentialsPem, FromThread } from "../../messages.ts";
import { LittleMesh, type LittleMeshWorld, stopPods, twinPods } from "./little-mesh.ts";
import type { MovesWorld, ThreadMoves } from "./thread-moves.ts";

/** How often everything is moved: until the runtime has compiled what is on the way. */
const ROUNDS = 24;
const CHUNK_BYTES = 3_000;
/** On a machine that has more to do, it is over after this, however far it came: in the background it takes from nobody. */
const MAX_MS = 6_000;

export interface RehearsalWorld extends LittleMeshWorld {
  /** The moves of a thread that serves these pods. */
  readonly moves: (pods: MovesWorld["pods"], post: MovesWorld["post"]) => ThreadMoves;
}

/** One of the two processes that a thread plays. */
interface Side {
  readonly pods: MovesWorld["pods"];
  readonly moves: ThreadMoves;
}

/**
 * Hands over the connections of a little mesh from a data thread to itself, to and fro while they are used, by the very functions
 * of a hand-over. A fresh process runs all its code slowly for some dozens of times; here it does so before anybody's connection
 * stands still for it.
 */
export class Rehearsal {
  readonly #world: RehearsalWorld;
  readonly #done: (problem: string | null) => void;
  readonly #mesh: LittleMesh;
  readonly #sides: readonly [Side, Side];
  readonly #chunk = new Uint8Array(CHUNK_BYTES).fill(1);
  readonly #startedMs: number;
  /** Bytes that are still to come back in this round, and ends of moves that are to be heard of. */
  #awaited = 0;
  #open = 0;
  #round = 0;
  #problem: string | null = null;
  #over = false;
  #closed = false;

  /** @param done hears why it could not be rehearsed to the end, or null */
  constructor(world: RehearsalWorld, done: (problem: string | null) => void) {
    this.#world = world;
    this.#done = done;
    this.#startedMs = world.path.nowMs();
    this.#mesh = new LittleMesh(world, {
      ready: () => this.#next(),
      failed: (why) => this.#fail(why),
      heard: (_client, bytes) => this.#heard(bytes.length),
    });
    const twin = twinPods(world, (fault) => this.#fail(String(fault)));
    const side = (pods: MovesWorld["pods"]): Side => ({
      pods,
      moves: world.moves(pods, (message) => this.#ended(message)),
    });
    this.#sides = [side(this.#mesh.pods), side(twin)];
  }

  begin(pem: CredentialsPem): void {
    const { mover } = this.#world.path;
    if (mover === null) return this.#close();
    this.#attempt(() => this.#mesh.begin(mover, pem));
  }

  /** All say something, and are handed over while it is under way. */
  #handOver(): void {
    const [even, odd] = this.#sides;
    const [from, to] = this.#round % 2 === 0 ? [even, odd] : [odd, even];
    this.#round += 1;
    this.#open = 2;
    this.#awaited = this.#mesh.clients.length * CHUNK_BYTES;
    for (const client of this.#mesh.clients) client.send(this.#chunk);
    const [ours, theirs] = seqpacketDescriptors();
    const version = STATE_FORMAT.own;
    from.moves.receive({ t: "give", fd: ours, version, patienceMs: MAX_MS });
    to.moves.receive({ t: "take", fd: theirs, version });
  }

  #heard(bytes: number): void {
    this.#awaited -= bytes;
    this.#look();
  }

  #ended(message: FromThread): void {
    if (message.t !== "gave" && message.t !== "took") return;
    const { outcome, why } = message.t === "gave" ? message.gave : message.took;
    this.#open -= 1;
    if (outcome !== "done") this.#fail(why);
    this.#look();
  }

  /** What comes next begins in a turn of its own. */
  #look(): void {
    if (this.#open > 0) return;
    if (this.#over) this.#close();
    else if (this.#awaited === 0) this.#world.path.defer(() => this.#next());
  }

  #next(): void {
    const late = this.#world.path.nowMs() - this.#startedMs > MAX_MS;
    if (this.#over) return;
    if (this.#round === ROUNDS || late) this.#close();
    else this.#attempt(() => this.#handOver());
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (fault) {
      this.#fail(String(fault));
    }
  }

  /** It ends once nothing is under way. */
  #fail(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#problem = why;
    if (this.#open === 0) this.#close();
    else for (const { moves } of this.#sides) moves.receive({ t: "stop-giving" });
  }

  #close(): void {
    this.#over = true;
    if (this.#closed) return;
    this.#closed = true;
    this.#mesh.end();
    for (const { pods } of this.#sides) stopPods(pods);
    this.#done(this.#problem);
  }
}
