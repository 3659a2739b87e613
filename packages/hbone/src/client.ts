import type { ByteStream } from "@lateen/byte-stream";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { Cancel, ConnectTarget, HboneClient, HboneOptions, HboneStream, HeaderField } from "./api.ts";
import { Connection } from "./connection.ts";
import { ErrorCode } from "./constants.ts";
import { headerProblem, statusText } from "./message-rules.ts";
import type { HboneSnapshot } from "./snapshot.ts";
import type { Fate, StreamOwner, StreamState } from "./stream-state.ts";
import { TunnelStream } from "./tunnel-stream.ts";

type Done = (result: Result<HboneStream>) => void;

/** A CONNECT without its answer yet. */
class Opening implements StreamOwner {
  readonly target: ConnectTarget;
  #done: Done | null;

  constructor(target: ConnectTarget, done: Done) {
    this.target = target;
    this.#done = done;
  }

  get waiting(): boolean {
    return this.#done !== null;
  }

  finish(result: Result<HboneStream>): void {
    const done = this.#done;
    this.#done = null;
    done?.(result);
  }

  forget(): boolean {
    const waiting = this.#done !== null;
    this.#done = null;
    return waiting;
  }

  onData(): boolean {
    return true; // the machine lets no DATA pass before the answer
  }

  onEnd(): void {}

  onRoom(): void {}

  onOver(fate: Fate): void {
    this.finish(fail(new MeshError(Code.Unavailable, `CONNECT failed: ${fate.why}`, unprocessed(fate))));
  }
}

const unprocessed = ({ code, by }: Fate): Record<string, number> =>
  by === "peer" && code === ErrorCode.RefusedStream ? { unprocessed: 1 } : {};

const STATUS_CODES: Readonly<Record<number, Code>> = {
  400: Code.BadInput,
  401: Code.Denied,
  403: Code.Denied,
  404: Code.NoRoute,
};

class Client extends Connection implements HboneClient {
  get ready(): boolean {
    return this.machine.ready;
  }

  get maxStreams(): number {
    return this.machine.maxStreams;
  }

  connect(target: ConnectTarget, done: Done): Cancel {
    const opening = new Opening(target, done);
    const problem =
      target.authority === "" ? "empty authority" : headerProblem([["host", target.authority], ...target.headers]);
    if (problem !== null || !this.machine.ready) {
      this.soon(() => opening.finish(fail(cannotOpen(problem))));
      return () => void opening.forget();
    }
    const s = this.machine.open([[":method", "CONNECT"], [":authority", target.authority], ...target.headers], opening);
    return this.#cancel(s, opening);
  }

  #cancel(s: StreamState, opening: Opening): Cancel {
    return () => {
      if (opening.forget()) this.machine.reset(s, ErrorCode.Cancel, "cancelled");
    };
  }

  protected override waitingRequests(): Pick<HboneSnapshot, "requests" | "openings"> {
    return { requests: [], openings: this.waiting().map(({ id }) => id) };
  }

  waiting(): readonly { readonly id: number; readonly target: ConnectTarget }[] {
    return this.machine.streams.flatMap(({ id, owner }) =>
      owner instanceof Opening && owner.waiting ? [{ id, target: owner.target }] : [],
    );
  }

  restore(from: HboneSnapshot): RestoredHboneClient {
    const { states, streams } = this.restoreStreams(from);
    const openings = new Map<number, (target: ConnectTarget, done: Done) => Cancel>();
    for (const id of from.openings) {
      const s = states.get(id);
      if (s === undefined) continue;
      openings.set(id, (target, done) => {
        const opening = new Opening(target, done);
        s.owner = opening;
        return this.#cancel(s, opening);
      });
    }
    return { connection: this, streams, openings };
  }

  override onRequest(): void {
    // a client's machine never reports one
  }

  override onResponse(s: StreamState, status: number, headers: readonly HeaderField[]): void {
    const opening = s.owner;
    if (!(opening instanceof Opening)) return;
    if (status === 200) {
      const stream = new TunnelStream(this, s, headers);
      s.owner = stream;
      opening.finish(ok(stream));
      return;
    }
    s.owner = null;
    const code = STATUS_CODES[status] ?? Code.Unavailable;
    opening.finish(fail(new MeshError(code, `http status: ${statusText(status)}`, { status })));
  }
}

function cannotOpen(problem: string | null): MeshError {
  if (problem !== null) return new MeshError(Code.BadInput, `Cannot send CONNECT: ${problem}`);
  return new MeshError(Code.Unavailable, "Cannot send CONNECT: tunnel is closing or has no stream left", {
    unprocessed: 1,
  });
}

/** HBONE client over a connected stream, which must not be attached yet; owns it from here on. Sends its preface at once. */
export function hboneClient(stream: ByteStream, options: HboneOptions): HboneClient {
  return new Client("client", stream, options, null);
}

/** A client that another process had, with what its owner has to take up again. */
export interface RestoredHboneClient {
  readonly connection: HboneClient;
  /** Accepted CONNECTs by id, to be attached. */
  readonly streams: ReadonlyMap<number, HboneStream>;
  /** CONNECTs without an answer by id: each is given its target and `done` again, before a byte arrives. */
  readonly openings: ReadonlyMap<number, HboneClient["connect"]>;
}

/**
 * Goes on with a client's connection where `snapshot` found it.
 * @param stream the same carrier, restored; nothing may arrive before this returns and its streams are attached
 * @param from as `readHboneSnapshot` gave it
 * @throws MeshError BAD_INPUT when it is a server's
 */
export function restoreHboneClient(
  stream: ByteStream,
  from: HboneSnapshot,
  options: Omit<HboneOptions, "trust">,
): RestoredHboneClient {
  return new Client("client", stream, { ...options, trust: from.machine.budgets.trust }, from).restore(from);
}
