import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";

/** Any byte stream as a `Duplex`, so that `node:tls` can run over it (TLS inside an HBONE stream). */
export class StreamDuplex extends Duplex implements StreamHandler {
  readonly #stream: ByteStream;
  #written: (() => void) | null = null;
  #over = false;

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true, emitClose: true });
    this.#stream = stream;
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    if (!this.push(Buffer.from(bytes))) this.#stream.pause(); // copied: the view is lent, node keeps what it is given
  }

  onEnd(): void {
    this.push(null);
  }

  onWritable(): void {
    const done = this.#written;
    this.#written = null;
    done?.();
  }

  onClose(reason: CloseReason): void {
    this.#over = true;
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
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#over) this.#stream.abort();
    done(error);
  }
}
