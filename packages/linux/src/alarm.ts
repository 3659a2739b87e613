import { EFD_CLOEXEC, EFD_NONBLOCK } from "./constants.ts";
import * as libc from "./libc.ts";
import { Memory } from "./memory.ts";
import { native } from "./native.ts";
import { systemError } from "./system-error.ts";

const CLOCK_MONOTONIC = 1;
/** `struct itimerspec` of a 64-bit machine: interval and value, each seconds and nanoseconds of eight bytes. */
const SPEC_BYTES = 32;
const VALUE = 4;

/**
 * A descriptor that becomes readable at a time (`timerfd`). Waiting for it without an end costs the kernel less than a time limit
 * of each wait, for which it starts and stops a timer every time. Watch it for edges: then it need not be read.
 */
export class Alarm implements Disposable {
  readonly fd: number;
  readonly #spec = new Memory(SPEC_BYTES);
  readonly #words: Int32Array;
  #open = true;

  /** @throws MeshError UNAVAILABLE when the kernel gives none */
  constructor() {
    // Its flags have the values of an event descriptor's.
    this.fd = native().timerfdCreate(CLOCK_MONOTONIC, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.fd < 0) throw systemError("timerfd_create", native().errno());
    const { buffer, byteOffset } = this.#spec.bytes.fill(0);
    this.#words = new Int32Array(buffer, byteOffset, SPEC_BYTES / 4);
  }

  /** Rings once, in so many milliseconds, in place of what was set before. @param ms at least 0, below 2^31 */
  set(ms: number): void {
    const seconds = Math.floor(ms / 1_000);
    this.#words[VALUE] = seconds;
    this.#words[VALUE + 2] = Math.max(1, Math.floor((ms - 1_000 * seconds) * 1e6)); // 0 would be never
    if (native().timerfdSettime(this.fd, 0, this.#spec.address, 0) < 0)
      throw systemError("timerfd_settime", native().errno());
  }

  [Symbol.dispose](): void {
    if (this.#open) libc.close(this.fd);
    this.#open = false;
  }
}
