import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { TicketKeeper } from "@lateen/linux";
import { proofCounts } from "./client-sessions.ts";

/** Chains remembered, the longest unused forgotten first; the longest that is, in bytes. */
const MAX_CHAINS = 1024;
const MAX_CHAIN_BYTES = 8192;
const DIGEST_BYTES = 32;
const TIME_BYTES = 8;

/**
 * What a server's tickets say of a client: the digest of the chain that it showed in a full handshake, and when. The chain itself
 * stays here. Who comes back with a ticket of a chain that is not known (any more) goes through a full handshake.
 */
export class TicketChains {
  readonly #nowMs: () => number;
  /** By digest; the least recently used first. */
  readonly #known = new Map<string, readonly Uint8Array[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param shared gives of equal certificates the same value, so that each is in memory once */
  keeper(shared: (der: Uint8Array) => Uint8Array): TicketKeeper {
    return { write: (chain) => this.#write(chain.map(shared)), read: (data) => this.#read(Buffer.from(data)) };
  }

  #write(chain: readonly Uint8Array[]): Uint8Array | null {
    // OpenSSL puts the leaf into the ticket: a long one would not fit.
    if (chain.reduce((sum, der) => sum + der.length, 0) > MAX_CHAIN_BYTES) return null;
    const data = Buffer.alloc(DIGEST_BYTES + TIME_BYTES);
    data.set(digestOf(chain));
    data.writeDoubleBE(this.#nowMs(), DIGEST_BYTES);
    this.#use(nameOf(data), chain);
    return data;
  }

  #read(data: Buffer): readonly Uint8Array[] | null {
    if (data.length !== DIGEST_BYTES + TIME_BYTES) return null;
    if (!proofCounts(data.readDoubleBE(DIGEST_BYTES), this.#nowMs())) return null;
    const name = nameOf(data);
    const chain = this.#known.get(name);
    if (chain !== undefined) this.#use(name, chain);
    return chain ?? null;
  }

  #use(name: string, chain: readonly Uint8Array[]): void {
    this.#known.delete(name);
    this.#known.set(name, chain);
    if (this.#known.size > MAX_CHAINS) this.#known.delete(this.#known.keys().next().value ?? "");
  }
}

const nameOf = (data: Buffer): string => data.toString("latin1", 0, DIGEST_BYTES);

/** Their lengths, and how many, keep the certificates apart. */
function digestOf(chain: readonly Uint8Array[]): Uint8Array {
  const lengths = Buffer.from(`${chain.length}: ${chain.map((der) => `${der.length} `).join("")}`, "latin1");
  return hash("sha256", Buffer.concat([lengths, ...chain]), "buffer");
}
