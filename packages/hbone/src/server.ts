import type { ByteStream } from "@lateen/byte-stream";
import { Code, MeshError } from "@lateen/errors";
import type { ConnectRequest, HboneOptions, HboneServer, HboneStream, HeaderField } from "./api.ts";
import { Connection } from "./connection.ts";
import { headerProblem } from "./message-rules.ts";
import type { HboneSnapshot } from "./snapshot.ts";
import { ENDED, type Fate, type StreamOwner, type StreamState } from "./stream-state.ts";
import { TunnelStream } from "./tunnel-stream.ts";

/** A CONNECT that was not answered yet. */
class Request implements ConnectRequest, StreamOwner {
  readonly authority: string;
  readonly headers: readonly HeaderField[];
  readonly carrier: ByteStream;
  onAbandoned: (() => void) | null = null;
  readonly #server: Server;
  readonly #state: StreamState;
  #answered = false;
  /** How the stream ended while the answer was awaited. */
  #fate: Fate = ENDED;

  constructor(server: Server, state: StreamState, authority: string, headers: readonly HeaderField[]) {
    this.authority = authority;
    this.headers = headers;
    this.carrier = server.carrierStream;
    this.#server = server;
    this.#state = state;
  }

  get waiting(): boolean {
    return !this.#answered;
  }

  get connection(): HboneServer {
    return this.#server;
  }

  accept(headers: readonly HeaderField[]): HboneStream {
    this.#answer(headers);
    const stream = new TunnelStream(this.#server, this.#state, this.headers);
    this.#server.machine.accept(this.#state, headers, stream);
    if (this.#state.over) stream.onOver(this.#fate);
    return stream;
  }

  refuse(status: number, headers: readonly HeaderField[] = []): void {
    if (!Number.isInteger(status) || status < 300 || status > 599)
      throw new MeshError(Code.Bug, `Cannot refuse with status ${status}`);
    this.#answer(headers);
    this.#server.machine.refuse(this.#state, status, headers);
  }

  #answer(headers: readonly HeaderField[]): void {
    const problem = headerProblem(headers);
    if (problem !== null) throw new MeshError(Code.BadInput, `Cannot answer CONNECT: ${problem}`);
    if (this.#answered) throw new MeshError(Code.Bug, "Cannot answer CONNECT: it was answered before");
    this.#answered = true;
  }

  // ---- StreamOwner, while the answer is awaited

  onData(): boolean {
    return true; // the machine lets no DATA pass before the answer
  }

  onEnd(): void {
    // remembered in the stream's state; `accept` reads it there
  }

  onRoom(): void {}

  onOver(fate: Fate): void {
    this.#fate = fate;
    if (!this.#answered) this.onAbandoned?.();
  }
}

class Server extends Connection implements HboneServer {
  readonly #onConnect: (request: ConnectRequest) => void;

  constructor(
    carrier: ByteStream,
    options: HboneOptions,
    onConnect: (request: ConnectRequest) => void,
    from: HboneSnapshot | null,
  ) {
    super("server", carrier, options, from);
    this.#onConnect = onConnect;
  }

  protected override waitingRequests(): Pick<HboneSnapshot, "requests" | "openings"> {
    const waiting = this.machine.streams.flatMap((s) =>
      s.owner instanceof Request && s.owner.waiting
        ? [{ id: s.id, authority: s.owner.authority, headers: s.owner.headers }]
        : [],
    );
    return { requests: waiting, openings: [] };
  }

  restore(from: HboneSnapshot): RestoredHboneServer {
    const { states, streams } = this.restoreStreams(from);
    const requests: ConnectRequest[] = [];
    for (const { id, authority, headers } of from.requests) {
      const s = states.get(id);
      if (s === undefined) continue;
      const request = new Request(this, s, authority, headers);
      s.owner = request;
      requests.push(request);
    }
    return { connection: this, streams, requests };
  }

  get carrierStream(): ByteStream {
    return this.carrier;
  }

  override onRequest(s: StreamState, authority: string, headers: readonly HeaderField[]): void {
    const request = new Request(this, s, authority, headers);
    s.owner = request;
    this.#onConnect(request);
  }

  override onResponse(): void {
    // a server's machine never reports one
  }
}

/**
 * HBONE server over an accepted stream, which must not be attached yet; owns it from here on.
 * @param onConnect called for each well-formed CONNECT; anything else is answered 400 here
 */
export function hboneServer(
  stream: ByteStream,
  options: HboneOptions,
  onConnect: (request: ConnectRequest) => void,
): HboneServer {
  return new Server(stream, options, onConnect, null);
}

/** A server's connection that another process had, with what its owner has to take up again. */
export interface RestoredHboneServer {
  readonly connection: HboneServer;
  /** Accepted CONNECTs by id, to be attached. */
  readonly streams: ReadonlyMap<number, HboneStream>;
  /** CONNECTs that nobody has answered yet, to be treated as if they had just come. */
  readonly requests: readonly ConnectRequest[];
}

/**
 * Goes on with a server's connection where `snapshot` found it.
 * @param stream the same carrier, restored; nothing may arrive before this returns and its streams are attached
 * @param from as `readHboneSnapshot` gave it
 * @throws MeshError BAD_INPUT when it is a client's
 */
export function restoreHboneServer(
  stream: ByteStream,
  from: HboneSnapshot,
  options: Omit<HboneOptions, "trust">,
  onConnect: (request: ConnectRequest) => void,
): RestoredHboneServer {
  return new Server(stream, { ...options, trust: from.machine.budgets.trust }, onConnect, from).restore(from);
}
