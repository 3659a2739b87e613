import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, IoVector, Memory, Poller, threadSocketFactory } from "@lateen/linux";
import { OutputBlock, outputBytes, putBytes } from "@lateen/tls-records";
import { BlockPool } from "./out-queue.ts";
import { Scratch } from "./scratch.ts";
import type { Cancel } from "./timer-wheel.ts";
import { Timers } from "./timers.ts";
import { type Source, Turns } from "./turns.ts";

interface Faulty {
  /** An exception came out of something that was called for it: it is to be over, whatever state it is in. */
  fault(): void;
}

/** A descriptor in the loop. */
export interface Pollable extends Faulty {
  /** Something happened to the descriptor: bits of epoll. */
  ready(events: number): void;
}

/** Something with bytes collected that must leave before the memory they lie in is used again. */
export interface Flushable extends Faulty {
  flush(): void;
}

/** Takes bytes where they were received, instead of a view of them. */
export interface RawReader {
  /** From `at` to `to` of the loop's receive memory; as `onData` in all else. */
  received(at: number, to: number): void;
}

/** A descriptor's place in the loop. */
export interface Place {
  readonly slot: number;
  readonly generation: number;
}

/** Everything that can happen, each once per change: no interest ever needs changing, and nothing is reported in vain again. */
const EVERY_EDGE = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const MAX_EVENTS = 512;
/**
 * Bytes received in one turn lie here until they were sent on. A little less than 16 records hold, so that frame heads fit in: a
 * few bytes more would make a record, and a call to send it, of their own.
 */
const RECEIVE_BYTES = 16 * 16_384 - 144;
/** A read gets at least this much room; else what is collected leaves first. */
const MIN_READ = 65_536;
const STAGE_BYTES = 65_536;
/** Bytes opened elsewhere than where they were received; beyond it, what was collected leaves first. */
const MAX_SCRATCH = 1_048_576;
/** Rounds of deferred work before the world outside is looked at again. */
const MAX_ROUNDS = 16;
/** Records sealed before they are sent, and blocks for that; a tunnel with much to send needs one. */
const RECORDS = 16;
const MAX_OUTPUTS = 4;
const REST_AFTER_MS = 10_000;
const NOTHING_TO_DO = (): void => undefined;
const KEPT_VECTORS = 128;
const VECTOR_PIECES = 128;

/**
 * The loop of one data thread: waits on descriptors, gives each tenant its turn, runs deferred work and timers, and sends what
 * was written at the end of each batch. Nothing in it uses the runtime's own loop.
 */
export class Loop implements Disposable {
  readonly turns: Turns;
  readonly blocks = new BlockPool();
  /** Makes the sockets, inside pods' namespaces too. */
  readonly sockets = threadSocketFactory();
  /** Where sockets receive. What lies here is lent to handlers, and good until the next flush. */
  readonly received = new Memory(RECEIVE_BYTES);
  /** Used of it in this batch. */
  #filled = 0;
  readonly #stage = new Memory(STAGE_BYTES);
  #staged = 0;
  readonly #poller = new Poller(MAX_EVENTS);
  readonly #timers = new Timers();
  readonly #onFault: (fault: unknown) => void;
  readonly #places: (Pollable | null)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  // Lists with counts of their own: to empty an array costs a call into the runtime, and what it held room for.
  #tasks: (() => void)[] = [];
  #taskCount = 0;
  #spareTasks: (() => void)[] = [];
  readonly #sealers: (Flushable | null)[] = [];
  #sealerCount = 0;
  readonly #sockets: (Flushable | null)[] = [];
  #socketCount = 0;
  readonly #vectors: IoVector[] = [];
  readonly #outputs: OutputBlock<Memory>[] = [];
  #outputsMade = 0;
  readonly #scratch = new Scratch();
  /** Callers of `scratch` that may still use what they were given. */
  #borrowers = 0;
  /** Reported by the kernel so far. */
  events = 0;
  /** Taken from sockets so far. */
  receivedBytes = 0;
  #stopped = false;
  #closed = false;

  /**
   * One each of what lives for a moment, or is let go of at rest: while there is one of them, V8 keeps the code that it has compiled
   * for them when it collects garbage (ADR 0016).
   */
  readonly exemplars: Record<"dial" | "client" | "server" | "output" | "vector", object | null> = {
    dial: null,
    client: null,
    server: null,
    output: new OutputBlock(new Memory(outputBytes(1))),
    vector: new IoVector(1),
  };
  /** How long a TLS connection stands still before it lets go of its ciphers. */
  readonly restAfterMs: number;

  /** @param onFault hears of exceptions that came out of handlers, each of which cost one connection */
  constructor(onFault: (fault: unknown) => void, restAfterMs = REST_AFTER_MS) {
    this.#onFault = onFault;
    this.restAfterMs = restAfterMs;
    this.turns = new Turns((source) => this.#serve(source));
    this.register(this.#timers.fd, this.#timers, EPOLLIN | EPOLLET);
  }

  nowMs(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): Cancel {
    return this.#timers.after(ms, run);
  }

  defer(run: () => void): void {
    this.#tasks[this.#taskCount++] = run;
  }

  // ---- descriptors

  /** Puts a descriptor into the loop. @param events which are awaited */
  register(fd: number, pollable: Pollable, events = EVERY_EDGE): Place {
    const slot = this.#freeSlots.pop() ?? this.#places.length;
    const generation = (this.#generations[slot] ?? 0) + 1;
    this.#places[slot] = pollable;
    this.#generations[slot] = generation;
    this.#poller.add(fd, events, slot, generation);
    return { slot, generation };
  }

  /** Somebody else answers for the descriptor from now on. */
  handOver(place: Place, to: Pollable): void {
    this.#places[place.slot] = to;
  }

  /** Takes a descriptor out, before it is closed or passed on. Events of it that were fetched already are dropped. */
  remove(fd: number, place: Place): void {
    if (this.#generations[place.slot] !== place.generation) return;
    this.#places[place.slot] = null;
    this.#generations[place.slot] = (place.generation + 1) & 0x3fff_ffff;
    this.#freeSlots.push(place.slot);
    this.#poller.remove(fd);
  }

  get descriptors(): number {
    return this.#places.length - this.#freeSlots.length;
  }

  // ---- memory of a batch

  /** Room to receive into, from `filled` on. Sends what was collected when too little is left. Never from inside a handler. */
  room(): number {
    if (RECEIVE_BYTES - this.#filled < MIN_READ) {
      this.flush();
      this.#endBatch();
    }
    return RECEIVE_BYTES - this.#filled;
  }

  get filled(): number {
    return this.#filled;
  }

  /** What was received at `at`, to be lent. */
  view(at: number, length: number): Uint8Array {
    return new Uint8Array(this.received.buffer, this.received.offset + at, length);
  }

  /** Where lent bytes begin in the receive memory; -1 when they lie elsewhere. A call into the runtime: not for a few bytes. */
  placeOf(bytes: Uint8Array): number {
    return bytes.buffer === this.received.buffer ? bytes.byteOffset - this.received.offset : -1;
  }

  /** Takes note that these bytes are in use until the next flush. */
  fill(to: number): void {
    this.#filled = to;
  }

  /** Adds a copy of a few bytes to a vector, in memory that is good until the next flush. */
  stage(bytes: Uint8Array, vector: IoVector): boolean {
    if (this.#staged + bytes.length > STAGE_BYTES) return false;
    putBytes(this.#stage.bytes, this.#staged, bytes);
    vector.add(this.#stage, this.#staged, bytes.length);
    this.#staged += bytes.length;
    return true;
  }

  takeVector(): IoVector {
    return this.#vectors.pop() ?? new IoVector(VECTOR_PIECES);
  }

  giveVector(vector: IoVector): void {
    vector.clear();
    if (this.#vectors.length < KEPT_VECTORS) this.#vectors.push(vector);
  }

  /** A block to seal records into, until it was sent. When all are in use, one of those is sent first. */
  takeOutput(): OutputBlock<Memory> {
    if (this.#outputs.length === 0 && this.#outputsMade === MAX_OUTPUTS)
      for (let i = 0; i < this.#sealerCount; i++) this.#flushOne(this.#sealers[i]!);
    const free = this.#outputs.pop();
    if (free !== undefined) return free;
    this.#outputsMade += 1;
    return new OutputBlock(new Memory(outputBytes(RECORDS)));
  }

  giveOutput(block: OutputBlock<Memory>): void {
    block.clear();
    this.#outputs.push(block);
  }

  /** Lets go of whatever is kept for the next burst. */
  releaseSpare(): void {
    this.blocks.clear();
    this.#vectors.length = 0;
    if (this.#sealerCount === 0) this.#sealers.length = 0;
    if (this.#socketCount === 0) this.#sockets.length = 0;
    this.#outputsMade -= this.#outputs.length;
    this.#outputs.length = 0;
    this.#scratch.release();
  }

  /**
   * Memory for bytes that are opened elsewhere than where they were received.
   * @param use is given it, and where its part of it begins: as good as what was received, to lend and to point to
   */
  withScratch(bytes: number, use: (memory: Memory, at: number) => void): void {
    if (this.#scratch.bytes + bytes > MAX_SCRATCH && this.#borrowers === 0) {
      this.flush();
      this.#scratch.reset();
    }
    const memory = this.#scratch.take(bytes);
    this.#borrowers += 1;
    try {
      use(memory, this.#scratch.at);
    } finally {
      this.#borrowers -= 1;
    }
  }

  /** The socket has collected bytes. */
  dirtySocket(socket: Flushable): void {
    this.#sockets[this.#socketCount++] = socket;
  }

  /** A layer above sockets has collected bytes, which it will hand to its socket. */
  dirtySealer(sealer: Flushable): void {
    this.#sealers[this.#sealerCount++] = sealer;
  }

  /** Sends everything that was collected. What a running handler was lent stays good. */
  flush(): void {
    for (let i = 0; i < this.#sealerCount; i++) {
      this.#flushOne(this.#sealers[i]!); // the list grows meanwhile: TLS may carry TLS
      this.#sealers[i] = null;
    }
    this.#sealerCount = 0;
    for (let i = 0; i < this.#socketCount; i++) {
      this.#flushOne(this.#sockets[i]!);
      this.#sockets[i] = null;
    }
    this.#socketCount = 0;
    this.#staged = 0;
  }

  #flushOne(flushable: Flushable | null): void {
    if (flushable === null) return;
    try {
      flushable.flush();
    } catch (fault) {
      this.#fault(fault, flushable);
    }
  }

  // ---- turning

  /** Waits at most `maxWaitMs` (-1: for ever) and does what there is to do. */
  turn(maxWaitMs: number): void {
    const count = this.#poller.wait(this.#waitMs(maxWaitMs));
    this.events += count;
    for (let i = 0; i < count; i++) {
      const slot = this.#poller.token(i);
      const target = this.#places[slot];
      if (target === null || target === undefined || this.#generations[slot] !== this.#poller.extra(i)) continue;
      try {
        target.ready(this.#poller.events(i));
      } catch (fault) {
        this.#fault(fault, target);
      }
    }
    this.turns.step();
    this.#settle();
    // Last: whoever waits for bytes does not wait for timers.
    if (this.#timers.advance(this.attempt)) this.#settle();
  }

  /** Turns until `stop`. Holds up the thread. */
  run(): void {
    while (!this.#stopped) this.turn(-1);
  }

  /** Lets `run` return after the present turn. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs something that belongs to no stream; what it throws is heard and costs nothing else. */
  readonly attempt = (run: () => void): void => {
    try {
      run();
    } catch (fault) {
      this.#onFault(fault);
    }
  };

  #waitMs(max: number): number {
    if (this.#taskCount > 0 || this.turns.waiting) return 0;
    this.#timers.arm();
    return max;
  }

  /** Runs something for a stream, which it costs when it throws. */
  guard(of: Faulty, run: () => void): void {
    try {
      run();
    } catch (fault) {
      this.#fault(fault, of);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  #serve(source: Source): number {
    try {
      return source.serve();
    } catch (fault) {
      this.#fault(fault, source);
      return 0;
    }
  }

  /** Runs deferred work and sends what was written, until both are done. */
  #settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.#runTasks();
      this.flush();
      this.#endBatch();
      if (this.#taskCount === 0) return;
    }
  }

  /** All that was lent in it has been sent, or copied. */
  #endBatch(): void {
    this.#filled = 0;
    this.#scratch.reset();
  }

  #runTasks(): void {
    const count = this.#taskCount;
    if (count === 0) return;
    const tasks = this.#tasks;
    this.#tasks = this.#spareTasks;
    this.#taskCount = 0;
    this.#spareTasks = tasks;
    for (let i = 0; i < count; i++) {
      const run = tasks[i]!; // one of `count`
      tasks[i] = NOTHING_TO_DO;
      this.attempt(run);
    }
  }

  #fault(fault: unknown, of: Faulty): void {
    try {
      of.fault();
    } finally {
      this.#onFault(fault);
    }
  }

  /** Ends everything that is in the loop, and the loop. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopped = true;
    for (const pollable of this.#places) pollable?.fault();
    this.#poller[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
    this.sockets[Symbol.dispose]();
  }
}
