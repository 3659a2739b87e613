import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";

/** Any byte stream as a `Duplex`, so that `node:tls` can run over it (TLS inside an HBONE stream). */
export class StreamDuplex extends Duplex implements StreamHandler {
  readonly #stream: ByteStream;
  #written: (() => void) | null = null;
  #ended = false;
  /** How the stream below ended, once it has. */
  closeReason: CloseReason | null = null;

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true, emitClose: true });
    this.#stream = stream;
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.destroyed) return;
    if (!this.push(Buffer.from(bytes))) this.#stream.pause(); // copied: the view is lent, node keeps what it is given
  }

  onEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  onWritable(): void {
    const done = this.#written;
    this.#written = null;
    done?.();
  }

  onClose(reason: CloseReason): void {
    this.closeReason = reason;
    if (reason.t === "ended" || reason.t === "aborted") this.destroy();
    else this.destroy(Object.assign(new Error(reason.why), { code: reason.t === "reset" ? "ECONNRESET" : "EIO" }));
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.#stream.write(chunk)) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    this.#ended = true;
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.closeReason === null) {
      // Ended in order, what was written may still wait below for its window: let it go out.
      if (this.#ended && error === null) this.#stream.resume();
      else this.#stream.abort();
    }
    done(error);
  }
}
