import type { SeqpacketSocket } from "@lateen/linux";

/** Sends messages one after the other, in the order they were given. */
export class Outbox {
  readonly #socket: SeqpacketSocket;
  readonly #signal: AbortSignal;
  #last: Promise<unknown> = Promise.resolve();

  constructor(socket: SeqpacketSocket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
  }

  /** @returns whether it could be sent; what was sent is the peer's to read, even if it is gone a moment later */
  send(bytes: Uint8Array, fds: readonly number[] = []): Promise<boolean> {
    const sent = this.#last.then(() =>
      this.#socket.send(bytes, fds, this.#signal).then(
        () => true,
        () => false,
      ),
    );
    this.#last = sent;
    return sent;
  }

  /** Everything that was given has been sent, or could not be. */
  async flushed(): Promise<void> {
    await this.#last;
  }
}
