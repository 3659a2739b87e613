import { ipToBytes } from "@lateen/addresses";
import { type SpiffeIdentity, identityPrincipal } from "@lateen/identity";
import type { Connection } from "./authorization.ts";

/** A connection in the forms that policies compare, each made when first asked for and then kept. One per decision. */
export class Subject {
  readonly identity: SpiffeIdentity | null;
  /** SPIFFE namespace, empty without an identity. */
  readonly namespace: string;
  readonly destinationPort: number;
  readonly #connection: Connection;
  #principal: string | null = null;
  #source: Uint8Array | null = null;
  #destination: Uint8Array | null = null;

  constructor(connection: Connection) {
    this.identity = connection.identity;
    this.namespace = connection.identity === null ? "" : connection.identity.namespace;
    this.destinationPort = connection.destination.port;
    this.#connection = connection;
  }

  /** SPIFFE URI without its scheme; null without an identity. */
  get principal(): string | null {
    if (this.#principal === null && this.identity !== null) this.#principal = identityPrincipal(this.identity);
    return this.#principal;
  }

  get sourceBytes(): Uint8Array {
    return (this.#source ??= ipToBytes(this.#connection.source.ip));
  }

  get destinationBytes(): Uint8Array {
    return (this.#destination ??= ipToBytes(this.#connection.destination.ip));
  }
}
