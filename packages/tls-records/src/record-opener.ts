import { Alert, alertName } from "./alerts.ts";
import { copyOf } from "./copy.ts";
import { Message, type MessageCut, PostHandshake } from "./post-handshake.ts";
import { type Block, ContentType, HEADER_BYTES, MAX_INNER, MAX_PROTECTED, TAG_BYTES } from "./record-format.ts";
import type { RecordSealer } from "./record-sealer.ts";
import type { Traffic } from "./traffic.ts";

/** What `open` came to. */
export const Opened = {
  /** The record is not complete: nothing was touched, more bytes are needed. */
  Need: 0,
  /** Content of the peer, from `from` to `to` of the memory. */
  Data: 1,
  /** The peer ended its direction (close_notify). Whatever follows is ignored. */
  End: 2,
  /** The connection is over: `alert` and `why` say how. */
  Failed: 3,
} as const;
export type Opened = (typeof Opened)[keyof typeof Opened];

/** Records in a row that carry no content (empty ones, tickets, key updates) before the peer is held to be hostile. */
const MAX_USELESS = 32;

/** Wants the tickets that a server sends behind the handshake, before anything else: as records, the way they came. */
export interface TicketReader {
  /**
   * The next record of handshake messages, as it was received; all of them are tickets.
   * @returns whether it wants more; false ends it, as `end` does
   */
  read(record: Uint8Array): boolean;
  /** There is nothing more for it: something else came, or the connection stands still, moves or is over. */
  end(): void;
}

/** Opens one direction's records where they lie. @see RFC 8446 section 5 */
export class RecordOpener<M extends Block> {
  readonly traffic: Traffic<M>;
  /** Behind the last record that was opened. */
  at = 0;
  /** The content of the last record, valid after `Opened.Data`. */
  from = 0;
  to = 0;
  /** The alert to send after `Opened.Failed`; -1 when there is none to send, because the peer has failed. */
  alert = -1;
  why = "";
  /** Records in a row without content. */
  useless: number;
  ended: boolean;
  #failed = false;
  #tickets: TicketReader | null = null;
  readonly #messages: PostHandshake;
  readonly #sealer: RecordSealer<M>;

  constructor(
    traffic: Traffic<M>,
    sealer: RecordSealer<M>,
    from: {
      readonly role: "client" | "server";
      readonly message: MessageCut;
      readonly useless: number;
      readonly ended: boolean;
    },
  ) {
    this.traffic = traffic;
    this.#sealer = sealer;
    this.#messages = new PostHandshake(from.role, from.message);
    this.useless = from.useless;
    this.ended = from.ended;
  }

  /** Before the first record is opened. */
  wantTickets(reader: TicketReader): void {
    this.#tickets = reader;
  }

  /** Idempotent. */
  endTickets(): void {
    const reader = this.#tickets;
    this.#tickets = null;
    reader?.end();
  }

  messageCut(): MessageCut {
    return this.#messages.state();
  }

  /**
   * Opens the records from `at` on, up to the first with content; records of the protocol itself are dealt with on the way.
   * After `Need` and `Data`, `this.at` says where to go on.
   * @param end behind the last received byte
   */
  open(memory: M, at: number, end: number): Opened {
    this.at = at;
    while (!this.ended) {
      if (this.#failed) return Opened.Failed;
      const { bytes } = memory;
      const left = end - this.at;
      if (left < HEADER_BYTES) return Opened.Need;
      const length = (bytes[this.at + 3]! << 8) | bytes[this.at + 4]!; // the header is there
      if (bytes[this.at] !== ContentType.ApplicationData)
        return this.#fail(Alert.UnexpectedMessage, outerType(bytes[this.at]!));
      if (length > MAX_PROTECTED) return this.#fail(Alert.RecordOverflow, `record of ${length} bytes`);
      if (left < HEADER_BYTES + length) return Opened.Need;
      if (this.#one(memory, length)) return this.#failed ? Opened.Failed : Opened.Data;
    }
    return Opened.End;
  }

  /** Opens the complete record at `this.at`. @returns whether the caller has something to look at */
  #one(memory: M, length: number): boolean {
    const { traffic } = this;
    const { bytes } = memory;
    const start = this.at + HEADER_BYTES;
    const asItCame = this.#tickets === null ? null : copyOf(bytes, this.at, start + length);
    if (length <= TAG_BYTES || !traffic.cipher.open(memory, this.at, length, traffic.sequence)) {
      bytes.fill(0, start, start + length); // what did not verify is not to be read by anyone
      this.#fail(Alert.BadRecordMac, "record does not verify");
      return true;
    }
    traffic.sequence += 1;
    this.at = start + length;
    let last = start + length - TAG_BYTES - 1;
    if (last - start >= MAX_INNER) {
      this.#fail(Alert.RecordOverflow, "record with too much content");
      return true;
    }
    while (last >= start && bytes[last] === 0) last -= 1;
    const type = last < start ? 0 : bytes[last]!;
    if (asItCame !== null && type !== ContentType.Handshake) this.endTickets();
    if (type === ContentType.ApplicationData && !this.#messages.cut) return this.#content(start, last);
    const { sequence } = traffic;
    const looked = this.#control(bytes, type, start, last);
    if (asItCame !== null) this.#passOn(asItCame, sequence);
    return looked;
  }

  /** A record after which the keys have changed, or that was refused, was more than tickets. */
  #passOn(record: Uint8Array, sequence: number): void {
    const reader = this.#tickets;
    if (reader === null) return;
    if (this.#failed || this.traffic.sequence !== sequence) this.endTickets();
    else if (!reader.read(record)) this.endTickets();
  }

  #content(from: number, to: number): boolean {
    if (from === to) return this.#uselessRecord();
    this.useless = 0;
    this.from = from;
    this.to = to;
    return true;
  }

  #control(bytes: Uint8Array, type: number, from: number, to: number): boolean {
    if (type === ContentType.Alert) return this.#peerAlert(bytes, from, to);
    if (type !== ContentType.Handshake || from === to) {
      this.#fail(Alert.UnexpectedMessage, `record of inner type ${type} at the wrong place`);
      return true;
    }
    const message = this.#messages.read(bytes, from, to);
    if (message >= 0) {
      this.#fail(message, "unexpected or malformed handshake message");
      return true;
    }
    if (message !== Message.None) this.traffic.update();
    if (message === Message.KeyUpdateRequested) this.#sealer.updateOwed = true;
    return this.#uselessRecord();
  }

  #peerAlert(bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from !== 2) {
      this.#fail(Alert.DecodeError, "malformed alert");
      return true;
    }
    const description = bytes[from + 1]!; // two bytes long, as the line above says
    if (description === Alert.CloseNotify) {
      this.ended = true;
      return false;
    }
    if (description === Alert.UserCanceled) return this.#uselessRecord();
    this.#fail(-1, `peer's alert: ${alertName(description)}`);
    return true;
  }

  #uselessRecord(): boolean {
    this.useless += 1;
    if (this.useless <= MAX_USELESS) return false;
    this.#fail(Alert.UnexpectedMessage, "too many records without content");
    return true;
  }

  #fail(alert: number, why: string): Opened {
    this.#failed = true;
    this.alert = alert;
    this.why = why;
    return Opened.Failed;
  }
}

function outerType(type: number): string {
  return type === ContentType.Alert ? "alert without protection" : `record of outer type ${type}`;
}
