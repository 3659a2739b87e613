import type { Memory } from "@lateen/linux";
import type { TlsRecords } from "@lateen/tls-records";
import type { Loop } from "./loop.ts";
import type { Cancel } from "./timer-wheel.ts";

/** Lets go of a connection's ciphers, most of what its TLS holds, once no record passed for a while. They come back by themselves. */
export class RestTimer {
  readonly #loop: Loop;
  readonly #records: TlsRecords<Memory>;
  readonly #look: () => void;
  #cancel: Cancel | null = null;
  #stopped = false;
  /** Records that had passed when it last looked. */
  #seen = -1;

  constructor(loop: Loop, records: TlsRecords<Memory>) {
    this.#loop = loop;
    this.#records = records;
    const look = (): void => this.#onTime();
    this.#look = look;
  }

  /** A record may have passed. */
  touch(): void {
    if (this.#cancel === null && !this.#stopped) this.#cancel = this.#loop.after(this.#loop.restAfterMs, this.#look);
  }

  /** For good: the connection is over. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  #onTime(): void {
    this.#cancel = null;
    const { sealer, opener } = this.#records;
    const passed = sealer.traffic.sequence + opener.traffic.sequence;
    if (passed === this.#seen) {
      this.#records.rest();
      return; // the next record sets the time again
    }
    this.#seen = passed;
    this.touch();
  }
}
