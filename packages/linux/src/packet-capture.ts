import { Buffer } from "node:buffer";
import { performance } from "node:perf_hooks";
import { Code, MeshError } from "@lateen/errors";
import { exceptTcpPort } from "./capture-filter.ts";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { Memory } from "./memory.ts";
import { inNetns } from "./namespaces.ts";
import { type Watch, watchFd } from "./readiness.ts";
import { encodePacket } from "./sockaddr.ts";
import { errnoOf } from "./system-error.ts";

const ETH_P_ALL = 3;
const RECEIVE_BUFFER = 8 << 20;
/** Packets read before the event loop gets its turn again. */
const BATCH = 512;

/** One frame as it went over the interface. */
export interface CapturedPacket {
  /** Unix time. */
  readonly timeMs: number;
  /** From the link-layer header on, at most `snapBytes`. */
  readonly bytes: Buffer;
  /** Its length on the wire. */
  readonly wireBytes: number;
}

export interface CaptureOptions {
  readonly netns: number;
  /** Name of the interface inside the namespace. */
  readonly interfaceName: string;
  /** Bytes kept of each packet (default 65536). */
  readonly snapBytes?: number;
  /** `in` leaves out what this namespace sends: on `lo` each packet is seen once then. */
  readonly direction?: "both" | "in";
  /** TCP from or to this port is left out, by the kernel: the rest of a busy link is then read without losing any. */
  readonly exceptTcpPort?: number;
  /** Packets that may wait for the iterator (default 4096); further ones are dropped and counted. */
  readonly maxWaiting?: number;
}

export interface CaptureCounters {
  readonly received: number;
  /** Dropped because nobody took them in time: here, and in the kernel. */
  readonly dropped: number;
  readonly droppedByKernel: number;
}

/** A running capture. Iterate it once, or read `take()`; disposing of it ends the iteration. */
export interface Capture extends Disposable, AsyncIterable<CapturedPacket> {
  readonly counters: CaptureCounters;
  /** What was captured and not taken yet. Reads the kernel's queue first, so nothing that went by before is missing. */
  take(): CapturedPacket[];
}

class RunningCapture implements Capture {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #buffer: Buffer;
  readonly #maxWaiting: number;
  #waiting: CapturedPacket[] = [];
  #wake: (() => void) | null = null;
  #open = true;
  #received = 0;
  #dropped = 0;
  #droppedByKernel = 0;

  constructor(fd: number, o: CaptureOptions) {
    this.#fd = fd;
    this.#buffer = Buffer.allocUnsafeSlow(o.snapBytes ?? 65_536);
    this.#maxWaiting = o.maxWaiting ?? 4096;
    this.#watch = watchFd(fd);
    this.#watch.once("readable", this.#onReadable);
  }

  readonly #onReadable = (): void => {
    this.#readBatch();
    if (this.#waiting.length > 0) this.#wake?.();
    if (this.#open) this.#watch.once("readable", this.#onReadable);
  };

  /** @returns whether the kernel had no more */
  #readBatch(): boolean {
    for (let n = 0; n < BATCH; n++) {
      const wireBytes = libc.recv(this.#fd, this.#buffer, k.MSG_TRUNC);
      if (wireBytes === null) return true;
      this.#received++;
      if (this.#waiting.length >= this.#maxWaiting) this.#dropped++;
      else this.#waiting.push(this.#packet(wireBytes));
    }
    return false;
  }

  #packet(wireBytes: number): CapturedPacket {
    const bytes = Buffer.from(this.#buffer.subarray(0, Math.min(wireBytes, this.#buffer.length)));
    return { timeMs: performance.timeOrigin + performance.now(), bytes, wireBytes };
  }

  take(): CapturedPacket[] {
    while (this.#open && !this.#readBatch());
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  get counters(): CaptureCounters {
    if (this.#open) this.#countKernelDrops();
    return { received: this.#received, dropped: this.#dropped, droppedByKernel: this.#droppedByKernel };
  }

  /** The kernel's own counters start again at each question. */
  #countKernelDrops(): void {
    const stats = Buffer.alloc(8);
    libc.getsockopt(this.#fd, k.SOL_PACKET, k.PACKET_STATISTICS, stats);
    this.#droppedByKernel += stats.readUInt32LE(4);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<CapturedPacket> {
    for (;;) {
      const batch = this.#waiting;
      this.#waiting = [];
      yield* batch;
      if (this.#waiting.length > 0) continue;
      if (!this.#open) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#countKernelDrops();
    this.#open = false;
    this.#watch[Symbol.dispose]();
    libc.close(this.#fd);
    this.#wake?.();
  }
}

/** More room for bursts; beyond the system's limit only where that is allowed. */
function growReceiveBuffer(fd: number): void {
  try {
    libc.setsockoptInt(fd, k.SOL_SOCKET, k.SO_RCVBUFFORCE, RECEIVE_BUFFER);
  } catch (e) {
    if (errnoOf(e) !== "EPERM") throw e; // in a user namespace
    libc.setsockoptInt(fd, k.SOL_SOCKET, k.SO_RCVBUF, RECEIVE_BUFFER);
  }
}

/** The kernel copies the program: `struct sock_fprog` is its length in instructions and its address. */
function attachFilter(fd: number, program: Buffer): void {
  const memory = new Memory(program.length);
  memory.bytes.set(program);
  const fprog = Buffer.alloc(16);
  fprog.writeUInt16LE(program.length / 8, 0);
  fprog.writeBigUInt64LE(BigInt(memory.address), 8);
  libc.setsockopt(fd, k.SOL_SOCKET, k.SO_ATTACH_FILTER, fprog);
}

function packetSocket(o: CaptureOptions): number {
  return inNetns(o.netns, () => {
    const index = libc.interfaceIndex(o.interfaceName);
    if (index === null)
      throw new MeshError(Code.BadInput, `Cannot capture: the namespace has no interface "${o.interfaceName}"`);
    // Protocol 0 until it is bound: otherwise it would take packets of every interface in between.
    const fd = libc.socket(k.AF_PACKET, k.SOCK_RAW | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0);
    try {
      growReceiveBuffer(fd);
      if (o.direction === "in") libc.setsockoptInt(fd, k.SOL_PACKET, k.PACKET_IGNORE_OUTGOING, 1);
      if (o.exceptTcpPort !== undefined) attachFilter(fd, exceptTcpPort(o.exceptTcpPort));
      libc.bind(fd, encodePacket(ETH_P_ALL, index));
      return fd;
    } catch (e) {
      libc.close(fd);
      throw e;
    }
  });
}

/**
 * Captures what goes over an interface of a namespace, from this call on.
 * @throws MeshError BAD_INPUT without such an interface, DENIED without privilege
 */
export function openCapture(o: CaptureOptions): Capture {
  return new RunningCapture(packetSocket(o), o);
}
