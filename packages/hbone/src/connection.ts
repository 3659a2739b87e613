import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { Roster, type Seat } from "@lateen/lifecycle";
import type { HboneConnection, HboneOptions, HboneStream, HeaderField, Trust } from "./api.ts";
import { ErrorCode, errorCodeName } from "./constants.ts";
import { Machine } from "./machine.ts";
import { DEFAULT_LIMITS, type MachineEvents } from "./machine-core.ts";
import type { HboneSnapshot } from "./snapshot.ts";
import type { StreamState } from "./stream-state.ts";
import type { StreamTable } from "./stream-table.ts";
import { type TunnelHost, TunnelStream } from "./tunnel-stream.ts";

/** How long the carrier may take to send GOAWAY and close after the machine has ended. */
const LINGER_MS = 2000;

/** The loop between a carrier and the machine; knows no protocol. Client and server add what is theirs. */
export abstract class Connection implements HboneConnection, StreamHandler, MachineEvents, TunnelHost {
  readonly machine: Machine;
  protected readonly carrier: ByteStream;
  readonly #options: HboneOptions;
  readonly #defer: (run: () => void) => void;
  /** Streams whose readers have not been told of their end. */
  readonly #tunnels = new Roster<TunnelStream>();
  #waiting: TunnelStream[] = [];
  #tasks: (() => void)[] = [];
  #scheduled = false;
  #nowMs: number;
  #closingSinceMs = -1;
  #failure: CloseReason | null = null;
  #carrierClosed = false;

  /** @param from a connection of another process to go on with, or null to begin a new one; then `restore` must follow */
  constructor(role: "client" | "server", carrier: ByteStream, options: HboneOptions, from: HboneSnapshot | null) {
    this.carrier = carrier;
    this.#options = options;
    this.#defer = options.defer ?? queueMicrotask;
    this.#nowMs = options.nowMs;
    const output = (head: Uint8Array, body: Uint8Array | null): boolean =>
      body === null ? carrier.write(head) : carrier.write(head, body);
    const { trust, nowMs, limits = DEFAULT_LIMITS } = options;
    this.machine = new Machine({ role, trust, nowMs, limits }, output, this);
    if (from === null) this.machine.start();
    else if (from.machine.role !== role)
      throw new MeshError(Code.BadInput, `Cannot restore ${role}: the state is a ${from.machine.role}'s`);
    carrier.attach(this);
  }

  snapshot(): Result<HboneSnapshot, string> {
    if (this.#carrierClosed) return fail("it is closed");
    if (this.#tasks.length > 0) return fail("answers are under way");
    const why = this.machine.immovable;
    if (why !== null) return fail(why);
    return ok({
      machine: this.machine.snapshot(),
      tunnels: this.#tunnels.members().map((stream) => stream.snapshot()),
      ...this.waitingRequests(),
    });
  }

  /** Requests that wait for an answer, in either direction. */
  protected abstract waitingRequests(): Pick<HboneSnapshot, "requests" | "openings">;

  /** Makes the machine's state and all streams anew. @returns streams by id; their readers attach to them */
  protected restoreStreams(from: HboneSnapshot): {
    readonly states: StreamTable;
    readonly streams: ReadonlyMap<number, HboneStream>;
  } {
    const states = this.machine.restore(from.machine);
    const streams = new Map<number, HboneStream>();
    for (const t of from.tunnels) {
      const state = t.over === null ? (states.get(t.id) ?? null) : null;
      const stream = TunnelStream.restore(this, state, t);
      if (state !== null) state.owner = stream;
      streams.set(t.id, stream);
    }
    return { states, streams };
  }

  get local(): SocketAddress {
    return this.carrier.local;
  }

  get remote(): SocketAddress {
    return this.carrier.remote;
  }

  get active(): number {
    return this.machine.active;
  }

  get closed(): boolean {
    return this.#carrierClosed;
  }

  get overBudget(): number {
    return this.machine.budgets.over;
  }

  setTrust(trust: Trust): void {
    this.machine.budgets.trust = trust;
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#carrierClosed) return;
    if (!this.machine.closed) this.machine.tick(nowMs);
    else if (this.#closingSinceMs < 0) this.#closingSinceMs = nowMs;
    else if (nowMs - this.#closingSinceMs >= LINGER_MS) this.carrier.abort();
  }

  drain(): void {
    this.machine.drain();
  }

  abort(): void {
    this.machine.close(ErrorCode.NoError, "");
  }

  // ---- TunnelHost

  begun(stream: TunnelStream): Seat<TunnelStream> {
    return this.#tunnels.add(stream);
  }

  gone(seat: Seat<TunnelStream>): void {
    this.#tunnels.remove(seat);
  }

  later(stream: TunnelStream): void {
    this.#waiting.push(stream);
    this.#schedule();
  }

  /** Runs a function soon, outside the caller. */
  protected soon(run: () => void): void {
    this.#tasks.push(run);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#defer(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const [waiting, tasks] = [this.#waiting, this.#tasks];
    this.#waiting = [];
    this.#tasks = [];
    for (const task of tasks) task();
    for (const stream of waiting) stream.settle();
  }

  // ---- StreamHandler, from the carrier

  onData(bytes: Uint8Array): void {
    this.machine.receive(bytes);
  }

  onEnd(): void {
    this.machine.carrierLost("peer closed the connection", "flush");
    this.carrier.end();
  }

  onWritable(): void {
    this.machine.carrierReady();
  }

  onClose(reason: CloseReason): void {
    this.#carrierClosed = true;
    this.machine.carrierLost("why" in reason ? reason.why : "connection closed", "drop");
    this.#options.onClosed?.(this.#failure ?? reason);
  }

  // ---- MachineEvents

  abstract onRequest(s: StreamState, authority: string, headers: readonly HeaderField[]): void;
  abstract onResponse(s: StreamState, status: number, headers: readonly HeaderField[]): void;

  onClosed(code: number, why: string, how: "flush" | "drop"): void {
    if (this.#carrierClosed) return;
    if (code !== ErrorCode.NoError || why !== "")
      this.#failure = { t: "failed", why: why === "" ? errorCodeName(code) : why };
    this.#closingSinceMs = this.#nowMs;
    if (how === "flush") this.carrier.end();
    else this.carrier.abort();
  }
}
