import process from "node:process";
import type { Socket } from "node:net";

/** How bytes leave a `NodeStream`. `onRoom` (given at construction) follows a `write` that returned false. */
export interface Output {
  /** Bytes taken and not yet handed to the system. */
  readonly bytes: number;
  write(head: Uint8Array, body: Uint8Array | null): boolean;
  /** Ends our direction behind what was taken. */
  end(): void;
}

/**
 * Writes to a TCP socket. What is written within one callback of the loop goes out in one system call: the rest of one frame
 * and the beginning of the next often arrive together.
 */
export class SocketOutput implements Output {
  readonly #socket: Socket;
  readonly #uncork: () => void;
  #corked = false;

  constructor(socket: Socket, onRoom: () => void) {
    this.#socket = socket;
    const uncork = (): void => {
      this.#corked = false;
      socket.uncork();
    };
    this.#uncork = uncork;
    socket.on("drain", onRoom);
  }

  get bytes(): number {
    return this.#socket.writableLength;
  }

  write(head: Uint8Array, body: Uint8Array | null): boolean {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    if (body === null) return this.#socket.write(head);
    this.#socket.write(head);
    return this.#socket.write(body);
  }

  end(): void {
    this.#socket.end(); // uncorks
  }
}

/** Largest TLS record; a write of whole records leaves no small one behind. */
const RECORD_BYTES = 16_384;
const BLOCK_BYTES = 5 * RECORD_BYTES;
/** A tail shorter than this behind whole records waits for company until the loop's turn is over. */
const SHORT_TAIL = 1024;
const MAX_FREE_BLOCKS = 64;
const HIGH_WATER_BYTES = 262_144;

/** Blocks shared by the connections of one data path, so that an idle connection holds none. */
export class BlockPool {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(BLOCK_BYTES);
  }

  give(block: Uint8Array): void {
    if (this.#free.length < MAX_FREE_BLOCKS) this.#free.push(block);
  }
}

/**
 * Writes to a TLS socket, one block at a time. node:tls joins what was written in pieces by allocating and copying, per write;
 * copying into a kept block is half the price, fills whole records and gathers small frames into one.
 * @see bench/relay.ts
 */
export class RecordOutput implements Output {
  bytes = 0;
  readonly #socket: Socket;
  readonly #pool: BlockPool;
  readonly #onRoom: () => void;
  readonly #written: () => void;
  readonly #releaseTail: () => void;
  /** Blocks filled behind the one being written; writers stop at the mark, so there are few. */
  readonly #full: Uint8Array[] = [];
  #open: Uint8Array | null = null;
  #used = 0;
  #sending: Uint8Array | null = null;
  #sendingBytes = 0;
  #blocked = false;
  #ending = false;
  /** What is open is a short tail that waits. */
  #tailWaits = false;
  #tailTimer = false;

  constructor(socket: Socket, pool: BlockPool, onRoom: () => void) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onRoom = onRoom;
    const written = (): void => this.#onWritten();
    const releaseTail = (): void => {
      this.#tailTimer = false;
      this.#tailWaits = false;
      if (this.#sending === null) this.#send();
    };
    this.#written = written;
    this.#releaseTail = releaseTail;
  }

  write(head: Uint8Array, body: Uint8Array | null): boolean {
    this.#gather(head);
    if (body !== null) this.#gather(body);
    this.#tailWaits = false;
    if (this.#sending === null) this.#send();
    if (this.bytes >= HIGH_WATER_BYTES) this.#blocked = true;
    return !this.#blocked;
  }

  end(): void {
    this.#ending = true;
    this.#tailWaits = false;
    if (this.#sending === null) this.#send();
    if (this.bytes === this.#sendingBytes) this.#socket.end();
  }

  #gather(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    for (let at = 0; at < bytes.length;) {
      this.#open ??= this.#pool.take();
      const part = Math.min(bytes.length - at, BLOCK_BYTES - this.#used);
      this.#open.set(at === 0 && part === bytes.length ? bytes : bytes.subarray(at, at + part), this.#used);
      this.#used += part;
      at += part;
      if (this.#used === BLOCK_BYTES) this.#closeBlock();
    }
  }

  #closeBlock(): void {
    if (this.#open !== null) this.#full.push(this.#open);
    this.#open = null;
    this.#used = 0;
  }

  #send(): void {
    const full = this.#full.shift();
    if (full !== undefined) {
      this.#write(full, BLOCK_BYTES);
      return;
    }
    const block = this.#open;
    if (block === null) return;
    const tail = this.#used % RECORD_BYTES;
    const keep = this.#used > RECORD_BYTES && tail < SHORT_TAIL ? tail : 0;
    const bytes = this.#used - keep;
    this.#open = null;
    this.#used = keep;
    if (keep > 0) {
      this.#open = this.#pool.take();
      this.#open.set(block.subarray(bytes, bytes + keep));
      this.#holdTail();
    }
    this.#write(block, bytes);
  }

  #holdTail(): void {
    this.#tailWaits = true;
    if (this.#tailTimer) return;
    this.#tailTimer = true;
    setImmediate(this.#releaseTail);
  }

  #write(block: Uint8Array, bytes: number): void {
    this.#sending = block;
    this.#sendingBytes = bytes;
    this.#socket.write(block.subarray(0, bytes), this.#written);
  }

  #onWritten(): void {
    this.bytes -= this.#sendingBytes;
    if (this.#sending !== null) this.#pool.give(this.#sending);
    this.#sending = null;
    this.#sendingBytes = 0;
    if (!this.#tailWaits) this.#send();
    if (this.#ending && this.bytes === this.#sendingBytes) this.#socket.end();
    if (!this.#blocked || this.bytes > HIGH_WATER_BYTES / 2) return;
    this.#blocked = false;
    this.#onRoom();
  }
}
