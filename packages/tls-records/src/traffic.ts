import { Code, MeshError } from "@lateen/errors";
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

/**
 * One direction's keys: its secret, how many records were sealed or opened under it, and the cipher made of it. The cipher is
 * made when it is first used, and again after `rest`: of a connection that stands still only the secret is kept.
 */
export class Traffic<M extends Block> {
  readonly suite: Suite;
  /** Of the next record. */
  sequence: number;
  /** Private, so that nobody logs it by accident. */
  #secret: Uint8Array;
  #cipher: RecordCipher<M> | null = null;
  readonly #ports: RecordPorts<M>;
  readonly #direction: "seal" | "open";

  constructor(
    ports: RecordPorts<M>,
    suite: Suite,
    direction: "seal" | "open",
    from: { readonly secret: Uint8Array; readonly sequence: number },
  ) {
    this.suite = suite;
    this.sequence = from.sequence;
    this.#secret = copyOf(from.secret);
    this.#ports = ports;
    this.#direction = direction;
  }

  get secret(): Uint8Array {
    return this.#secret;
  }

  /** @throws MeshError BUG after `free` */
  get cipher(): RecordCipher<M> {
    return this.#cipher ?? this.#makeCipher();
  }

  /** Goes on under the next secret. @see RFC 8446 section 7.2 */
  update(): void {
    const next = nextSecret(this.#ports.hmac, this.suite, this.#secret);
    this.#secret.fill(0);
    this.#secret = next;
    this.sequence = 0;
    const keys = trafficKeys(this.#ports.hmac, this.suite, next);
    this.#cipher?.rekey(keys.key, keys.iv);
  }

  /** Lets go of the cipher until it is used again. */
  rest(): void {
    this.#cipher?.free();
    this.#cipher = null;
  }

  /** For good. Idempotent. */
  free(): void {
    this.rest();
    this.#secret.fill(0);
    this.#secret = NOTHING;
  }

  #makeCipher(): RecordCipher<M> {
    const { suite } = this;
    if (this.#secret.length === 0) throw new MeshError(Code.Bug, "Cannot use TLS records that were freed");
    const keys = trafficKeys(this.#ports.hmac, suite, this.#secret);
    this.#cipher = this.#ports.cipher({
      cipher: suite.cipher,
      direction: this.#direction,
      key: keys.key,
      iv: keys.iv,
    });
    return this.#cipher;
  }
}

const NOTHING = new Uint8Array(0);
