import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { MeshError, Result } from "@lateen/errors";
import type { Credentials, CredentialsOptions, DataPath, SecureOptions } from "./port.ts";
import type { Listener, SecureStream, SocketStream } from "./streams.ts";

/** What a driver's test brings along. */
export interface DataPathRig {
  readonly path: DataPath;
  /** Key pairs of the roles that the cases play. All but `stranger` chain to the same root, which all trust. */
  readonly credentials: {
    readonly client: CredentialsOptions;
    readonly server: CredentialsOptions;
    /** A chain under a root that nobody else trusts. */
    readonly stranger: CredentialsOptions;
    readonly expired: CredentialsOptions;
    /** Its leaf is for servers only. */
    readonly serverOnly: CredentialsOptions;
  };
  close(): void | Promise<void>;
}

const DEADLINE_MS = 10_000;
export const HANDSHAKE_MS = 5000;
export const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
export const LISTEN = { ...SOCKET, dualStack: false, reusePort: false, transparent: "off", backlog: 128 } as const;

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One end: what it received, and promises of its events. */
export class End implements StreamHandler {
  readonly stream: ByteStream;
  text = "";
  closed: CloseReason | null = null;
  ended = false;
  #waiters: (() => void)[] = [];

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.attach(this);
  }

  onData(bytes: Uint8Array): void {
    this.text += String.fromCharCode(...bytes);
    this.#wake();
  }
  onEnd(): void {
    this.ended = true;
    this.#wake();
  }
  onWritable(): void {}
  onClose(reason: CloseReason): void {
    this.closed = reason;
    this.#wake();
  }

  say(text: string): void {
    this.stream.write(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    while (!condition()) await within(what, new Promise<void>((resolve) => this.#waiters.push(resolve)));
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** What a case plays with: listeners and streams of the rig, all let go at its end. */
export class Stage {
  readonly rig: DataPathRig;
  readonly path: DataPath;
  readonly #undo: (() => void)[] = [];

  constructor(rig: DataPathRig) {
    this.rig = rig;
    this.path = rig.path;
  }

  listen(ip: string, onStream: (s: SocketStream) => void): Listener {
    const listener = this.path.listen({ ...LISTEN, address: { ip, port: 0 } }, (s) => {
      this.#undo.push(() => s.abort());
      onStream(s);
    });
    this.#undo.push(() => listener.close());
    return listener;
  }

  connect(ip: string, port: number, timeoutMs = HANDSHAKE_MS): Promise<Result<SocketStream>> {
    return within(
      "connect",
      new Promise((resolve) => {
        this.path.connect({ ...SOCKET, to: { ip, port }, from: null, timeoutMs }, (result) => {
          if (result.ok) this.#undo.push(() => result.value.abort());
          resolve(result);
        });
      }),
    );
  }

  /** A connected pair of sockets: the client's end first. */
  async sockets(ip = "127.0.0.1"): Promise<readonly [SocketStream, SocketStream]> {
    const accepted = Promise.withResolvers<SocketStream>();
    const listener = this.listen(ip, accepted.resolve);
    const near = must(await this.connect(ip, listener.address.port));
    return [near, await within("accept", accepted.promise)];
  }

  secure(stream: ByteStream, role: "client" | "server", o: Partial<Side> = {}): Promise<Result<SecureStream>> {
    const options: SecureOptions = {
      role,
      credentials: o.credentials ?? this.path.credentials(this.rig.credentials[o.as ?? role]),
      alpn: o.alpn ?? "h2",
      timeoutMs: o.timeoutMs ?? HANDSHAKE_MS,
      verifyPeer: o.verifyPeer ?? (() => null),
      ...(o.resumeKey === undefined ? {} : { resumeKey: o.resumeKey }),
    };
    return within(`handshake of the ${role}`, new Promise((resolve) => this.path.secure(stream, options, resolve)));
  }

  /** Both handshakes of a pair. */
  async handshake(
    client: Partial<Side> = {},
    server: Partial<Side> = {},
  ): Promise<readonly [Result<SecureStream>, Result<SecureStream>]> {
    const [near, far] = await this.sockets();
    return Promise.all([this.secure(near, "client", client), this.secure(far, "server", server)]);
  }

  close(): void {
    for (const undo of this.#undo.reverse()) undo();
  }
}

export interface Side {
  readonly as: keyof DataPathRig["credentials"];
  /** Made before, in place of those of `as`. */
  readonly credentials: Credentials;
  readonly alpn: string;
  readonly timeoutMs: number;
  readonly verifyPeer: SecureOptions["verifyPeer"];
  readonly resumeKey: string;
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

export function errorOf<T>(result: Result<T>, what: string): MeshError {
  check(!result.ok, `${what}: succeeded`);
  return result.error;
}

/** The server must refuse, saying why; the client sees its handshake fail or, TLS 1.3 allowing that, its stream close. */
export async function refusedByServer(
  stage: Stage,
  client: Partial<Side>,
  server: Partial<Side>,
  why: RegExp,
): Promise<void> {
  let handedUp = false;
  const [near, far] = await stage.handshake(client, server);
  if (near.ok) {
    const end = new End(near.value);
    end.stream.attach({ ...handlers(end), onData: () => (handedUp = true) });
    end.say("hello");
    await end.until("the client's stream to be over", () => end.closed !== null || end.ended);
    check(end.closed?.t !== "aborted", "closed by the client itself");
  }
  const error = errorOf(far, "the server's handshake");
  check(why.test(error.message), `the server says "${error.message}", not ${String(why)}`);
  check(!handedUp, "bytes were handed up");
}

export const handlers = (end: End): StreamHandler => ({
  onData: (b) => end.onData(b),
  onEnd: () => end.onEnd(),
  onWritable: () => end.onWritable(),
  onClose: (r) => end.onClose(r),
});
