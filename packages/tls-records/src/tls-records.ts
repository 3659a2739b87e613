import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { copyOf } from "./copy.ts";
import type { MessageCut } from "./post-handshake.ts";
import type { Block } from "./record-format.ts";
import { RecordOpener } from "./record-opener.ts";
import { RecordSealer } from "./record-sealer.ts";
import { type Suite, SUITES, suiteOf } from "./suites.ts";
import { type RecordPorts, Traffic } from "./traffic.ts";

export type Role = "client" | "server";

/** Keys of one direction, from which sealing or opening goes on. */
export interface TrafficState {
  readonly secret: Uint8Array;
  /** Of the next record. */
  readonly sequence: number;
}

/** A connection's records as plain data: enough for another process to go on with them. Holds secrets. */
export interface TlsRecordsState {
  readonly version: 1;
  readonly role: Role;
  readonly suite: number;
  readonly read: TrafficState;
  readonly write: TrafficState;
  /** Received and not yet opened. */
  readonly kept: Uint8Array;
  readonly message: MessageCut;
  readonly useless: number;
  readonly updateOwed: boolean;
  readonly readEnded: boolean;
  readonly writeEnded: boolean;
}

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
/** A driver that pauses may keep what it received in one go. */
const MAX_KEPT = 1024 * 1024;

/** Both directions of one connection, from the moment when its handshake is done. */
export class TlsRecords<M extends Block> {
  readonly role: Role;
  readonly suite: Suite;
  readonly sealer: RecordSealer<M>;
  readonly opener: RecordOpener<M>;
  #kept: Uint8Array;

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

  /** Goes on where `state` was taken. @returns BAD_INPUT when it is not such a state */
  static restore<M extends Block>(ports: RecordPorts<M>, state: TlsRecordsState): Result<TlsRecords<M>> {
    const problem = stateProblem(state);
    if (problem !== null) return fail(new MeshError(Code.BadInput, `Cannot restore TLS records: ${problem}`));
    return ok(new TlsRecords(ports, state, suiteOf(state.suite).updateAfter));
  }

  /** Bytes received and kept for later. */
  get keptBytes(): number {
    return this.#kept.length;
  }

  /** Keeps a copy of bytes that cannot be opened yet. Nothing may be kept already. */
  keep(memory: M, from: number, to: number): void {
    if (this.#kept.length > 0) throw new MeshError(Code.Bug, "Cannot keep bytes: some are kept already");
    this.#kept = from === to ? NOTHING : copyOf(memory.bytes, from, to);
  }

  /**
   * Moves kept bytes to the beginning of `memory`, where the next bytes received belong behind them.
   * @returns how many
   */
  recall(memory: M): number {
    const count = this.#kept.length;
    if (count === 0) return 0;
    memory.bytes.set(this.#kept);
    this.#kept = NOTHING;
    return count;
  }

  /** The state as plain data, copied. Nothing may be open in an output block: `flush` first. */
  state(): TlsRecordsState {
    const { sealer, opener } = this;
    const of = (t: Traffic<M>): TrafficState => ({ secret: copyOf(t.secret), sequence: t.sequence });
    return {
      version: 1,
      role: this.role,
      suite: this.suite.id,
      read: of(opener.traffic),
      write: of(sealer.traffic),
      kept: copyOf(this.#kept),
      message: opener.messageCut(),
      useless: opener.useless,
      updateOwed: sealer.updateOwed,
      readEnded: opener.ended,
      writeEnded: sealer.ended,
    };
  }

  /** Wipes the secrets and frees both ciphers. Idempotent. */
  free(): void {
    this.sealer.traffic.free();
    this.opener.traffic.free();
    this.#kept = NOTHING;
  }
}

/** It comes from another process, of another version maybe: judged as a whole before any part is used. */
function stateProblem(s: TlsRecordsState): string | null {
  if (s.version !== 1) return `version ${String(s.version)} is not known`;
  if (s.role !== "client" && s.role !== "server") return "the role is unknown";
  const suite = SUITES.find((x) => x.id === s.suite);
  if (suite === undefined) return "the suite is unknown";
  for (const t of [s.read, s.write]) {
    if (!(t.secret instanceof Uint8Array) || t.secret.length !== suite.hashBytes)
      return "a secret has the wrong length";
    if (!isCount(t.sequence, Number.MAX_SAFE_INTEGER)) return "a sequence number is not one";
  }
  if (!(s.kept instanceof Uint8Array) || s.kept.length > MAX_KEPT) return "the kept bytes are none or too many";
  const { seen, header, left } = s.message;
  if (!isCount(seen, 4) || !isCount(header, 0xffff_ffff) || !isCount(left, 0xff_ffff))
    return "a message is cut wrongly";
  return isCount(s.useless, 0xffff) ? null : "a counter is not one";
}

function isCount(n: unknown, max: number): boolean {
  return Number.isInteger(n) && (n as number) >= 0 && (n as number) <= max;
}
