import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { Cancel, SecureOptions, SecureStream } from "@lateen/datapath";
import { Code, type MeshError, type Result, fail, ok } from "@lateen/errors";
import { type TlsEngine, type TlsHandshake, handshakeError } from "@lateen/tls-handshake";
import { FastSocket } from "./fast-socket.ts";
import type { Loop } from "./loop.ts";
import { FastSecureStream } from "./secure-stream.ts";
import { QUANTUM } from "./turns.ts";

interface Thread {
  readonly loop: Loop;
  readonly tls: TlsEngine;
}

/** How long a carrier that is not a socket may take to pass an alert on. */
const LINGER_MS = 2000;

/** One handshake over a stream: it belongs to this until the records take over. */
class Handshake implements StreamHandler {
  readonly #loop: Loop;
  readonly #carrier: ByteStream;
  readonly #machine: TlsHandshake;
  readonly #done: (result: Result<SecureStream>) => void;
  readonly #stopTimer: Cancel;
  #over = false;

  constructor(t: Thread, carrier: ByteStream, options: SecureOptions, done: (result: Result<SecureStream>) => void) {
    this.#loop = t.loop;
    this.#carrier = carrier;
    this.#done = done;
    this.#machine = t.tls.handshake(options);
    t.loop.exemplars[options.role] = this;
    const { timeoutMs } = options;
    this.#stopTimer = t.loop.after(timeoutMs, () =>
      this.#fail(handshakeError(`not done within ${timeoutMs} ms`, Code.Timeout)),
    );
    if (options.role === "client") t.loop.defer(() => this.#step(null));
    carrier.attach(this);
  }

  onData(bytes: Uint8Array): void {
    if (!this.#over) this.#step(bytes);
  }

  #step(input: Uint8Array | null): void {
    if (this.#over) return;
    // A step keeps the thread busy for as long as a whole turn's bytes do.
    if (this.#carrier instanceof FastSocket) this.#loop.turns.charge(this.#carrier.tenant, QUANTUM);
    const step = this.#machine.step(input);
    if (step.send.length > 0) this.#carrier.write(step.send);
    if (step.t === "failed") this.#fail(step.error);
    if (step.t !== "done") return;
    this.#settle();
    const stream = new FastSecureStream(this.#loop, this.#carrier, step.records, step.peerChainDer);
    this.#done(ok(stream));
    stream.begin();
  }

  onEnd(): void {
    this.#fail(handshakeError("peer closed the connection"));
  }

  onWritable(): void {}

  onClose(reason: CloseReason): void {
    const why = reason.t === "failed" ? reason.why : "peer closed the connection";
    this.#fail(handshakeError(why));
  }

  #fail(error: MeshError): void {
    if (this.#over) return;
    this.#machine.lost();
    this.#settle();
    this.#leave();
    this.#done(fail(error));
  }

  #settle(): void {
    this.#over = true;
    this.#stopTimer();
    this.#machine.free();
  }

  /** What was written, the alert, goes out first. */
  #leave(): void {
    const carrier = this.#carrier;
    if (carrier instanceof FastSocket) {
      carrier.finish();
      return;
    }
    carrier.end();
    this.#loop.after(LINGER_MS, () => carrier.abort());
  }

  cancel(): void {
    if (this.#over) return;
    this.#settle();
    this.#carrier.abort();
  }
}

/** TLS 1.3 over any stream. @see DataPath.secure */
export function secureFast(
  thread: Thread,
  stream: ByteStream,
  options: SecureOptions,
  done: (result: Result<SecureStream>) => void,
): Cancel {
  const handshake = new Handshake(thread, stream, options, done);
  return () => handshake.cancel();
}
