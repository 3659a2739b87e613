import { copyOf } from "./copy.ts";
import { type Hmac, nextSecret, trafficKeys } from "./key-schedule.ts";
import type { Block, RecordCipher } from "./record-format.ts";
import type { CipherName, Suite } from "./suites.ts";

/** What records need of the world. */
export interface RecordPorts<M extends Block> {
  readonly hmac: Hmac;
  readonly cipher: (o: {
    readonly cipher: CipherName;
    readonly direction: "seal" | "open";
    readonly key: Uint8Array;
    readonly iv: Uint8Array;
  }) => RecordCipher<M>;
}

/** One direction's keys: its secret, how many records were sealed or opened under it, and the cipher made of it. */
export class Traffic<M extends Block> {
  readonly suite: Suite;
  readonly cipher: RecordCipher<M>;
  /** Of the next record. */
  sequence: number;
  /** Private, so that nobody logs it by accident. */
  #secret: Uint8Array;
  readonly #hmac: Hmac;

  constructor(
    ports: RecordPorts<M>,
    suite: Suite,
    direction: "seal" | "open",
    from: { readonly secret: Uint8Array; readonly sequence: number },
  ) {
    this.suite = suite;
    this.sequence = from.sequence;
    this.#secret = copyOf(from.secret);
    this.#hmac = ports.hmac;
    const keys = trafficKeys(ports.hmac, suite, this.#secret);
    this.cipher = ports.cipher({ cipher: suite.cipher, direction, key: keys.key, iv: keys.iv });
  }

  get secret(): Uint8Array {
    return this.#secret;
  }

  /** Goes on under the next secret. @see RFC 8446 section 7.2 */
  update(): void {
    const next = nextSecret(this.#hmac, this.suite, this.#secret);
    this.#secret.fill(0);
    this.#secret = next;
    const keys = trafficKeys(this.#hmac, this.suite, next);
    this.cipher.rekey(keys.key, keys.iv);
    this.sequence = 0;
  }

  free(): void {
    this.#secret.fill(0);
    this.cipher.free();
  }
}
