/** TLS handshakes of one pod that may be under way at once on one thread. */
export const MAX_HANDSHAKES = 512;
/** Of these, those of one peer address: one stranger who never finishes cannot lock the others out. */
export const MAX_HANDSHAKES_PER_PEER = 128;

/** Bounds half-open handshakes: they cost a descriptor and a key exchange before anybody has said who they are. */
export class HandshakeGate {
  readonly #byPeer = new Map<string, number>();
  #open = 0;

  /** @returns null when one more may begin, which `leave` then ends; else why not */
  enter(peerIp: string): string | null {
    const own = this.#byPeer.get(peerIp) ?? 0;
    if (this.#open >= MAX_HANDSHAKES) return `tls error: ${MAX_HANDSHAKES} handshakes of this pod are under way`;
    if (own >= MAX_HANDSHAKES_PER_PEER)
      return `tls error: ${MAX_HANDSHAKES_PER_PEER} handshakes with ${peerIp} are under way`;
    this.#open += 1;
    this.#byPeer.set(peerIp, own + 1);
    return null;
  }

  leave(peerIp: string): void {
    const own = this.#byPeer.get(peerIp) ?? 0;
    if (own === 0) return;
    this.#open -= 1;
    if (own === 1) this.#byPeer.delete(peerIp);
    else this.#byPeer.set(peerIp, own - 1);
  }
}
