import type { ByteStream } from "@lateen/byte-stream";
import type { Plain } from "@lateen/cbor";
import type { FrozenStream, LentListener, Listener, Mover, SecureStream, SocketStream } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { closeStream, streamPair } from "@lateen/linux";
import { recordPorts } from "@lateen/tls-handshake";
import { TlsRecords } from "@lateen/tls-records";
import { FastListener } from "./fast-listener.ts";
import { FastSocket } from "./fast-socket.ts";
import type { Loop } from "./loop.ts";
import { FastSecureStream } from "./secure-stream.ts";
import { readInnerState, readSecureState, readSocketState } from "./stream-state.ts";

type Movable = FastSocket | FastSecureStream;

const isMovable = (s: ByteStream): s is Movable => s instanceof FastSocket || s instanceof FastSecureStream;

function movable(s: ByteStream): Movable {
  if (isMovable(s)) return s;
  throw new MeshError(Code.Bug, "Cannot move a stream: it is not one of this driver's");
}

function own(listener: Listener): FastListener {
  if (listener instanceof FastListener) return listener;
  throw new MeshError(Code.Bug, "Cannot share a listener: it is not one of this driver's");
}

/** Moves sockets, TLS streams and listeners of one loop. */
export class FastMover implements Mover {
  readonly #loop: Loop;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  freeze(stream: ByteStream): Result<FrozenStream, string> {
    return isMovable(stream) ? stream.freeze() : fail("it is not a socket of this thread");
  }

  freezeInner(stream: ByteStream): Result<Plain, string> {
    return stream instanceof FastSecureStream ? stream.freezeInner() : fail("it is not a TLS stream of this thread");
  }

  thaw(stream: ByteStream): void {
    movable(stream).thaw();
  }

  forget(stream: ByteStream): void {
    movable(stream).forget();
  }

  pair(tenant: string): readonly [SocketStream, SocketStream] {
    const [a, b] = streamPair();
    return [this.#paired(tenant, a), this.#paired(tenant, b)];
  }

  #paired(tenant: string, fd: number): FastSocket {
    return new FastSocket(this.#loop, { fd, tenant: this.#loop.turns.hold(tenant), remote: null, place: null });
  }

  restoreSocket(state: Plain, fd: number): Result<SocketStream> {
    const read = readSocketState(state);
    if (!read.ok) {
      closeStream(fd);
      return read;
    }
    return ok(FastSocket.restore(this.#loop, fd, read.value));
  }

  restoreSecure(state: Plain, fd: number): Result<SecureStream> {
    const read = readSecureState(state);
    const records = read.ok ? TlsRecords.restore(recordPorts, read.value.records) : read;
    if (!read.ok || !records.ok) {
      closeStream(fd);
      return records as Result<never>;
    }
    const socket = FastSocket.restore(this.#loop, fd, read.value.socket);
    return ok(FastSecureStream.restore(this.#loop, socket, records.value, read.value));
  }

  restoreInner(state: Plain, carrier: ByteStream): Result<SecureStream> {
    const read = readInnerState(state);
    const records = read.ok ? TlsRecords.restore(recordPorts, read.value.records) : read;
    if (!read.ok || !records.ok) return records as Result<never>;
    return ok(FastSecureStream.restoreInner(this.#loop, carrier, records.value, read.value));
  }

  descriptor(listener: Listener): number {
    return own(listener).fd;
  }

  lend(listener: Listener): void {
    own(listener).lend();
  }

  takeBack(listener: Listener): void {
    own(listener).takeBack();
  }

  yieldAccepts(listener: Listener, on: boolean): void {
    own(listener).yields = on;
  }

  adopt(lent: LentListener, onStream: (stream: SocketStream) => void): Listener {
    const { fd, transparent, shared = false } = lent;
    try {
      const tenant = this.#loop.turns.hold(lent.tenant ?? "");
      const address = { ip: "0.0.0.0", port: 0 };
      return new FastListener(this.#loop, { fd, tenant, transparent, address, shared }, onStream);
    } catch (error) {
      closeStream(fd);
      throw error;
    }
  }
}
