import { Code, MeshError, type Result, ok } from "@lateen/errors";
import { copyOf } from "./copy.ts";
import { type Block, MAX_PROTECTED } from "./record-format.ts";
import { RecordOpener } from "./record-opener.ts";
import { RecordSealer } from "./record-sealer.ts";
import { type Role, type TlsRecordsState, type TrafficState, readRecordsState } from "./records-state.ts";
import { type Suite, suiteOf } from "./suites.ts";
import { type RecordPorts, Traffic } from "./traffic.ts";

export interface TakeOver {
  readonly role: Role;
  readonly suite: number;
  readonly read: TrafficState;
  readonly write: TrafficState;
  /** Bytes that came behind the handshake. */
  readonly kept?: Uint8Array;
  /** Records after which we change our key; the suite's own limit when absent. */
  readonly updateAfter?: number;
}

const NOTHING = new Uint8Array(0);
/** A store for kept bytes is used again up to this size: a record that is not complete fits in. */
const MAX_STORE = 2 * MAX_PROTECTED;

/** Both directions of one connection, from the moment when its handshake is done. */
export class TlsRecords<M extends Block> {
  readonly role: Role;
  readonly suite: Suite;
  readonly sealer: RecordSealer<M>;
  readonly opener: RecordOpener<M>;
  /** Bytes kept, at the beginning of a store that is used again. */
  #kept: Uint8Array;
  #keptBytes: number;

  private constructor(ports: RecordPorts<M>, state: TlsRecordsState, updateAfter: number) {
    const suite = suiteOf(state.suite);
    this.role = state.role;
    this.suite = suite;
    this.sealer = new RecordSealer(new Traffic(ports, suite, "seal", state.write), {
      updateOwed: state.updateOwed,
      ended: state.writeEnded,
      updateAfter,
    });
    this.opener = new RecordOpener(new Traffic(ports, suite, "open", state.read), this.sealer, {
      role: state.role,
      message: state.message,
      useless: state.useless,
      ended: state.readEnded,
    });
    this.#kept = state.kept;
    this.#keptBytes = state.kept.length;
  }

  /** @throws MeshError BAD_INPUT for a suite that is not spoken here */
  static takeOver<M extends Block>(ports: RecordPorts<M>, o: TakeOver): TlsRecords<M> {
    const state: TlsRecordsState = {
      version: 1,
      role: o.role,
      suite: o.suite,
      read: o.read,
      write: o.write,
      kept: o.kept ?? NOTHING,
      message: { seen: 0, header: 0, left: 0 },
      useless: 0,
      updateOwed: false,
      readEnded: false,
      writeEnded: false,
    };
    return new TlsRecords(ports, state, o.updateAfter ?? suiteOf(o.suite).updateAfter);
  }

  /**
   * Goes on where a state was taken.
   * @param state from another process, of another version maybe: judged as a whole before any part is used
   * @returns BAD_INPUT with everything that is wrong with it
   */
  static restore<M extends Block>(ports: RecordPorts<M>, state: unknown): Result<TlsRecords<M>> {
    const read = readRecordsState(state);
    if (!read.ok) return read;
    return ok(new TlsRecords(ports, read.value, suiteOf(read.value.suite).updateAfter));
  }

  /** Bytes received and kept for later. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Keeps a copy of bytes that cannot be opened yet. Nothing may be kept already. */
  keep(memory: M, from: number, to: number): void {
    if (this.#keptBytes > 0) throw new MeshError(Code.Bug, "Cannot keep bytes: some are kept already");
    const count = to - from;
    if (count === 0) return;
    if (count > this.#kept.length) this.#kept = copyOf(memory.bytes, from, to);
    else this.#kept.set(memory.bytes.subarray(from, to));
    this.#keptBytes = count;
  }

  /**
   * Moves kept bytes into `memory`, where what is received next belongs behind them.
   * @param at where to; the beginning when absent
   * @returns how many
   */
  recall(memory: M, at = 0): number {
    const count = this.#keptBytes;
    if (count === 0) return 0;
    memory.bytes.set(count === this.#kept.length ? this.#kept : this.#kept.subarray(0, count), at);
    this.#keptBytes = 0;
    if (this.#kept.length > MAX_STORE) this.#kept = NOTHING;
    return count;
  }

  /** The state as plain data, copied. Nothing may be open in an output block: `flush` first. */
  state(): TlsRecordsState {
    const { sealer, opener } = this;
    opener.endTickets();
    const of = (t: Traffic<M>): TrafficState => ({ secret: copyOf(t.secret), sequence: t.sequence });
    return {
      version: 1,
      role: this.role,
      suite: this.suite.id,
      read: of(opener.traffic),
      write: of(sealer.traffic),
      kept: copyOf(this.#kept, 0, this.#keptBytes),
      message: opener.messageCut(),
      useless: opener.useless,
      updateOwed: sealer.updateOwed,
      readEnded: opener.ended,
      writeEnded: sealer.ended,
    };
  }

  /**
   * Frees what sealing and opening hold outside the collector's reach, some kilobytes, until they are used again. For connections
   * that stand still; making them anew costs some microseconds.
   */
  rest(): void {
    this.opener.endTickets();
    this.sealer.traffic.rest();
    this.opener.traffic.rest();
    if (this.#keptBytes === 0) this.#kept = NOTHING;
  }

  /** Wipes the secrets and frees both ciphers; of no use afterwards. Idempotent. */
  free(): void {
    this.opener.endTickets();
    this.sealer.traffic.free();
    this.opener.traffic.free();
    this.#kept = NOTHING;
    this.#keptBytes = 0;
  }
}
