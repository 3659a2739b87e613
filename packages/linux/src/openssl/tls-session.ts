import { Code, MeshError } from "@lateen/errors";
import { type Pointer, openssl } from "./native-openssl.ts";

/**
 * A session that a server gave a ticket for: what a client needs to resume it, once (RFC 8446 appendix C.4). Outlives the context and
 * the connection that it came from. Free it.
 */
export class TlsSession {
  readonly #ssl = openssl();
  #pointer: Pointer;
  /** For how long the server takes the ticket, by its own word. */
  readonly lifetimeSec: number;

  /** For `TlsConnection` only. @param pointer with a reference that now belongs to this */
  constructor(pointer: Pointer) {
    this.#pointer = pointer;
    this.lifetimeSec = this.#ssl.sessionLifetimeSec(pointer);
  }

  /** For `TlsConnection` only. @throws MeshError BUG when it was freed */
  get pointer(): Pointer {
    if (this.#pointer === 0) throw new MeshError(Code.Bug, "Cannot use a TLS session that was freed");
    return this.#pointer;
  }

  /** Idempotent. */
  free(): void {
    const pointer = this.#pointer;
    this.#pointer = 0;
    if (pointer !== 0) this.#ssl.sessionFree(pointer);
  }
}
