import { testCredentials } from "@lateen/certificates/test-credentials";
import { type Plain, decodeCbor, encodeCbor } from "@lateen/cbor";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import type { SecureStream, SocketStream } from "@lateen/datapath";
import type { Result } from "@lateen/errors";
import { seqpacketPair } from "@lateen/linux";
import { eachTurn } from "@lateen/testkit";
import { afterEach, expect } from "vitest";
import { FastDataPath } from "./fast-data-path.ts";

export const credentials = await testCredentials(Date.now());
export const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
export const LISTEN = { ...SOCKET, dualStack: false, reusePort: false, transparent: "off", backlog: 128 } as const;
const byteAt = (i: number): number => (i * 7 + (i >>> 8) * 13) & 0xff;

/** Paths that turn in the runtime's loop; each stands for a process. */
class Machines {
  readonly faults: unknown[] = [];
  readonly #paths: FastDataPath[] = [];
  readonly #stop = eachTurn(() => {
    for (const path of this.#paths) path.turn(0);
  });

  path(): FastDataPath {
    const path = new FastDataPath({ onFault: (fault) => this.faults.push(fault) });
    this.#paths.push(path);
    return path;
  }

  close(): void {
    this.#stop();
    for (const path of this.#paths) path[Symbol.dispose]();
  }
}

/** New ones for each test of a file, in which nothing must have thrown by its end. */
export function machinesOfEachTest(): Pick<Machines, "path"> {
  let machines = new Machines();
  afterEach(() => {
    machines.close();
    const { faults } = machines;
    machines = new Machines();
    expect(faults).toEqual([]);
  });
  return { path: () => machines.path() };
}

/** A descriptor as another process gets it. */
export async function passed(fd: number): Promise<number> {
  const [a, b] = seqpacketPair();
  using _a = a;
  using _b = b;
  await a.send(Uint8Array.of(1), [fd], AbortSignal.timeout(5000));
  const got = await b.receive(8, AbortSignal.timeout(5000));
  if (got.t !== "message" || got.fds[0] === undefined) throw new Error("no descriptor came");
  return got.fds[0];
}

export const travelled = (state: Plain): Plain => {
  const decoded = decodeCbor(encodeCbor(state));
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
};
export const must = <T, E>(r: Result<T, E>): T => {
  if (!r.ok) throw new Error(String(r.error));
  return r.value;
};

/** One end of a connection, wherever it lives: sends a pattern, checks the other's. */
export class End implements StreamHandler {
  stream: ByteStream;
  sent = 0;
  received = 0;
  wrong = 0;
  ended = false;
  room = true;
  closed: CloseReason | null = null;
  #goal = 0;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.attach(this);
  }
  onData(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== byteAt(this.received + i)) this.wrong += 1;
    this.received += bytes.length;
  }
  onEnd(): void {
    this.ended = true;
  }
  onWritable(): void {
    this.room = true;
    this.#go();
  }
  onClose(reason: CloseReason): void {
    this.closed = reason;
  }
  /** Sends until so many bytes have gone, as fast as it may. */
  send(goal: number): void {
    this.#goal = goal;
    this.#go();
  }
  #go(): void {
    while (this.room && this.sent < this.#goal) {
      const size = Math.min(50_000, this.#goal - this.sent);
      const at = this.sent;
      this.sent += size;
      this.room = this.stream.write(Uint8Array.from({ length: size }, (_, i) => byteAt(at + i)));
    }
  }
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

export async function sockets(near: FastDataPath, far: FastDataPath): Promise<readonly [SocketStream, SocketStream]> {
  const accepted = Promise.withResolvers<SocketStream>();
  const listener = far.listen({ ...LISTEN, address: { ip: "127.0.0.1", port: 0 } }, accepted.resolve);
  const connected = await new Promise<Result<SocketStream>>((resolve) => {
    near.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5000 }, resolve);
  });
  const pair = [must(connected), await accepted.promise] as const;
  listener.close();
  return pair;
}

export function secure(path: FastDataPath, stream: ByteStream, role: "client" | "server"): Promise<SecureStream> {
  const options = { role, credentials: path.credentials(credentials[role]), alpn: "h2", timeoutMs: 5000 } as const;
  return new Promise((resolve) => {
    path.secure(stream, { ...options, verifyPeer: () => null }, (r) => resolve(must(r)));
  });
}
