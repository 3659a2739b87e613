import type {
  Cancel,
  ConnectOptions,
  Credentials,
  CredentialsOptions,
  DataPath,
  ListenOptions,
  Listener,
  SecureOptions,
  SecureStream,
  SocketStream,
} from "@lateen/datapath";
import type { ByteStream } from "@lateen/byte-stream";
import { cannotListen } from "@lateen/datapath/internal";
import { MeshError, type Result } from "@lateen/errors";
import { EPOLLIN, closeStream, errnoOf, setNoDelay } from "@lateen/linux";
import { TlsEngine } from "@lateen/tls-handshake";
import { Dial } from "./dial.ts";
import { FastListener } from "./fast-listener.ts";
import { FastMover } from "./fast-mover.ts";
import { Loop } from "./loop.ts";
import { secureFast } from "./secure.ts";

/** The same as the portable driver's. */
const SUITES = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";

export interface LoopStats {
  /** In the loop now: sockets, listeners, watched ones. */
  readonly descriptors: number;
  /** Events that the kernel reported since the loop began. A loop at rest gets none. */
  readonly events: number;
  /** Bytes that were received since it began. */
  readonly receivedBytes: number;
}

export interface FastDataPathOptions {
  /** Hears of each exception that came out of a callback; the connection that it was called for is over by then. */
  readonly onFault: (fault: unknown) => void;
  /** Wall clock for certificates, milliseconds since 1970. Default: the system's. */
  readonly wallMs?: () => number;
  /** How long a TLS connection stands still before it lets go of its ciphers, some kilobytes. Default: 10 seconds. */
  readonly restAfterMs?: number;
  /** Whether TLS sessions are resumed. Default: true. */
  readonly resume?: boolean;
  /** Paths of equal secrets take each other's session tickets. Default: a random one. */
  readonly ticketSecret?: Uint8Array;
}

/**
 * The data path on a loop of its own, for one thread. Nothing happens but in `turn` and `run`, which hold up the thread: promises,
 * timers and streams of the runtime stand still meanwhile. Disposing of it resets every connection and closes every descriptor.
 */
export class FastDataPath implements DataPath, Disposable {
  readonly mover: FastMover;
  readonly #loop: Loop;
  readonly #tls: TlsEngine;

  /** @throws MeshError UNAVAILABLE where this is not Linux on x64 or arm64 */
  constructor(options: FastDataPathOptions) {
    this.#loop = new Loop(options.onFault, options.restAfterMs);
    this.mover = new FastMover(this.#loop);
    const { resume = true, ticketSecret } = options;
    this.#tls = new TlsEngine({
      nowMs: options.wallMs ?? Date.now,
      suites: SUITES,
      resume,
      ...(ticketSecret === undefined ? {} : { ticketSecret }),
    });
  }

  listen(options: ListenOptions, onStream: (stream: SocketStream) => void): Listener {
    let made: { readonly fd: number; readonly transparent: boolean };
    try {
      made = this.#loop.sockets.listener(options);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === null || !MeshError.is(error)) throw error;
      const { message } = cannotListen(options, { code: errno });
      throw new MeshError(error.code, message, error.facts, error);
    }
    const { fd, transparent } = made;
    try {
      setNoDelay(fd);
      const tenant = this.#loop.turns.hold(options.tenant ?? "");
      return new FastListener(this.#loop, { fd, tenant, transparent, address: options.address }, onStream);
    } catch (error) {
      closeStream(fd);
      throw error;
    }
  }

  connect(options: ConnectOptions, done: (result: Result<SocketStream>) => void): Cancel {
    const dial = new Dial(this.#loop, options, done);
    return () => dial.cancel();
  }

  credentials(options: CredentialsOptions): Credentials {
    return this.#tls.credentials(options);
  }

  secure(stream: ByteStream, options: SecureOptions, done: (result: Result<SecureStream>) => void): Cancel {
    return secureFast({ loop: this.#loop, tls: this.#tls }, stream, options, done);
  }

  after(ms: number, run: () => void): Cancel {
    if (ms > 0) return this.#loop.after(ms, run);
    let cancelled = false;
    this.#loop.defer(() => {
      if (!cancelled) run();
    });
    return () => void (cancelled = true);
  }

  defer(run: () => void): void {
    this.#loop.defer(run);
  }

  nowMs(): number {
    return this.#loop.nowMs();
  }

  /** Calls `run` in each turn in which something can be read from a descriptor that is not ours, or the other end has gone. */
  watch(fd: number, run: () => void): Cancel {
    const place = this.#loop.register(fd, { ready: run, fault: () => undefined }, EPOLLIN);
    return () => this.#loop.remove(fd, place);
  }

  /** What the loop holds and has done. */
  get stats(): LoopStats {
    const { descriptors, events, receivedBytes } = this.#loop;
    return { descriptors, events, receivedBytes };
  }

  /** Runs something, and tells `onFault` what it throws. */
  guard(run: () => void): void {
    this.#loop.attempt(run);
  }

  /** Lets go of memory that is kept for the next burst. Not from inside a handler. */
  releaseSpare(): void {
    this.#loop.releaseSpare();
  }

  /** One turn: waits at most `maxWaitMs` (-1: for ever), then does what there is to do. */
  turn(maxWaitMs: number): void {
    this.#loop.turn(maxWaitMs);
  }

  /** Turns until `stop`. */
  run(): void {
    this.#loop.run();
  }

  stop(): void {
    this.#loop.stop();
  }

  [Symbol.dispose](): void {
    this.#loop[Symbol.dispose]();
    this.#tls[Symbol.dispose]();
  }
}
