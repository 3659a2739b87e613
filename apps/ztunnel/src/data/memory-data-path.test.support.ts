import type { SocketAddress } from "@lateen/addresses";
import { type ByteStream, ManualLoop, memoryPair } from "@lateen/byte-stream";
import { decodePem } from "@lateen/certificates";
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
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { FakeClock } from "@lateen/testkit";

type Accept = (stream: SocketStream) => void;

interface Handshake {
  readonly stream: ByteStream;
  readonly options: SecureOptions;
  readonly done: (result: Result<SecureStream>) => void;
  cancelled: boolean;
}

/** What a dial came to be, as the tests look at it. */
export interface Dial {
  readonly options: ConnectOptions;
  cancelled: boolean;
}

const asSocket = (stream: ByteStream, originalDst: SocketAddress): SocketStream =>
  Object.assign(stream, { originalDestination: () => originalDst });

/**
 * A network of pods in memory: namespaces are numbers, an address belongs to one of them, handshakes hand each side the other's
 * real certificates. Nothing happens before `settle`.
 */
export class MemoryNetwork implements DataPath {
  readonly mover = null;
  readonly clock = new FakeClock();
  readonly dials: Dial[] = [];
  /** Destinations whose dial is left without an answer, `ip:port`. */
  readonly silent = new Set<string>();
  /** Source addresses that the kernel does not give. */
  readonly refusedSources = new Set<string>();
  readonly #loop = new ManualLoop();
  readonly #misrouted = new Map<string, string>();
  readonly #netnsOf = new Map<string, number>();
  readonly #listeners = new Map<string, Accept>();
  readonly #handshakes = new Map<ByteStream, Handshake>();
  readonly #peers = new WeakMap<ByteStream, ByteStream>();
  #nextPort = 40_000;

  /** Gives an address to a namespace. */
  address(ip: string, netns: number): void {
    this.#netnsOf.set(ip, netns);
  }

  /** What is sent to `ip` arrives at `at`. */
  misroute(ip: string, at: string): void {
    this.#misrouted.set(ip, at);
  }

  /** Runs everything that is due: the loop's work, and microtasks, until both are quiet. */
  async settle(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      this.#loop.run();
      await Promise.resolve();
    }
  }

  /** Moves the clock on and lets what that started finish. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  /** An application that listens in a namespace. */
  serve(netns: number, port: number, accept: Accept): void {
    this.#listeners.set(`${netns}|${port}`, accept);
  }

  /**
   * A connection to one of the proxy's ports as the kernel's redirection would deliver it.
   * @returns the end of whoever opened it
   */
  captured(netns: number, port: number, ends: { readonly from: string; readonly to: SocketAddress }): ByteStream {
    const accept = this.#listeners.get(`${netns}|${port}`);
    if (accept === undefined) throw new Error(`nobody listens on ${port} of namespace ${netns}`);
    return this.#join({ ip: ends.from, port: this.#nextPort++ }, ends.to, accept);
  }

  get listening(): readonly string[] {
    return [...this.#listeners.keys()].sort();
  }

  listen(options: ListenOptions, onStream: Accept): Listener {
    const key = `${options.netns}|${options.address.port}`;
    if (this.#listeners.has(key)) throw new MeshError(Code.Unavailable, `Cannot listen: ${key} is in use`);
    this.#listeners.set(key, onStream);
    return { address: options.address, transparent: true, close: () => void this.#listeners.delete(key) };
  }

  connect(options: ConnectOptions, done: (result: Result<SocketStream>) => void): Cancel {
    const dial: Dial = { options, cancelled: false };
    this.dials.push(dial);
    this.#loop.defer(() => this.#answer(dial, done));
    return () => {
      dial.cancelled = true;
    };
  }

  credentials(options: CredentialsOptions): Credentials {
    const blocks = decodePem(options.chainPem);
    if (!blocks.ok) throw blocks.error;
    return { opaque: blocks.value.map((block) => block.der) };
  }

  secure(stream: ByteStream, options: SecureOptions, done: (result: Result<SecureStream>) => void): Cancel {
    const mine: Handshake = { stream, options, done, cancelled: false };
    const far = this.#peers.get(stream);
    const theirs = far && this.#handshakes.get(far);
    this.#handshakes.set(stream, mine);
    if (theirs) this.#loop.defer(() => this.#shakeHands(mine, theirs));
    return () => {
      mine.cancelled = true;
      stream.abort();
    };
  }

  after(ms: number, run: () => void): Cancel {
    const timer = this.clock.after(ms, run);
    return () => timer[Symbol.dispose]();
  }

  defer(run: () => void): void {
    this.#loop.defer(run);
  }

  nowMs(): number {
    return this.clock.nowMs();
  }

  #answer(dial: Dial, done: (result: Result<SocketStream>) => void): void {
    const { to, from, netns } = dial.options;
    if (dial.cancelled || this.silent.has(`${to.ip}:${to.port}`)) return;
    if (from !== null && this.refusedSources.has(from))
      return done(fail(new MeshError(Code.Denied, "Cannot setsockopt: EPERM", { source: from })));
    const there = to.ip === "127.0.0.1" ? netns : this.#netnsOf.get(to.ip);
    const accept = this.#listeners.get(`${there}|${to.port}`);
    if (accept === undefined) return done(fail(new MeshError(Code.Unavailable, "ECONNREFUSED")));
    const own = [...this.#netnsOf].find(([, ns]) => ns === netns)?.[0] ?? "127.0.0.1";
    const stream = this.#join(
      { ip: from ?? own, port: this.#nextPort++ },
      { ...to, ip: this.#misrouted.get(to.ip) ?? to.ip },
      accept,
    );
    done(ok(asSocket(stream, to)));
  }

  #join(first: SocketAddress, second: SocketAddress, accept: Accept): ByteStream {
    const [near, far] = memoryPair({ defer: this.#loop.defer, first, second });
    this.#peers.set(near, far);
    this.#peers.set(far, near);
    this.#loop.defer(() => accept(asSocket(far, second)));
    return near;
  }

  #shakeHands(...[a, b]: readonly [Handshake, Handshake]): void {
    const refusals = [this.#judge(a, b), this.#judge(b, a)];
    const why = refusals.find((refusal) => refusal !== null) ?? null;
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#handshakes.delete(self.stream);
      if (self.cancelled) continue;
      if (why === null) self.done(ok(Object.assign(self.stream, { peerChainDer: chainOf(other) })));
      else {
        self.stream.abort();
        self.done(fail(new MeshError(Code.Denied, `tls error: ${why}`)));
      }
    }
  }

  #judge(self: Handshake, other: Handshake): string | null {
    return self.options.verifyPeer(chainOf(other));
  }
}

const chainOf = (side: Handshake): readonly Uint8Array[] => side.options.credentials.opaque as readonly Uint8Array[];
