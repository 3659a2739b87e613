import { Alert } from "./alerts.ts";

const NEW_SESSION_TICKET = 4;
const KEY_UPDATE = 24;
/** The largest that a ticket's own length fields allow. @see RFC 8446 section 4.6.1 */
const MAX_TICKET = 4 + 4 + 1 + 255 + 2 + 65_535 + 2 + 65_534;

/** What a handshake message behind the handshake came to; numbers below 0 are not alerts. */
export const Message = { None: -1, KeyUpdate: -2, KeyUpdateRequested: -3 } as const;

/** Where a message was cut, as plain data. */
export type MessageCut = {
  /** Header bytes seen, 0 to 4; 0 between messages. */
  readonly seen: number;
  /** The header so far, as one number. */
  readonly header: number;
  /** Body bytes to come. */
  readonly left: number;
};

/**
 * Reads handshake messages that arrive after the handshake, however they are cut into records. Session tickets are passed
 * over without being kept; anything but tickets and key updates is refused.
 * @see RFC 8446 section 4.6
 */
export class PostHandshake {
  readonly #ticketsAllowed: boolean;
  #seen: number;
  #header: number;
  #left: number;

  constructor(role: "client" | "server", cut: MessageCut) {
    this.#ticketsAllowed = role === "client";
    this.#seen = cut.seen;
    this.#header = cut.header;
    this.#left = cut.left;
  }

  /** Whether a message has begun and not ended: no other kind of record may come in between. */
  get cut(): boolean {
    return this.#seen > 0;
  }

  state(): MessageCut {
    return { seen: this.#seen, header: this.#header, left: this.#left };
  }

  /**
   * Reads the content of one record.
   * @returns one of `Message`, or the alert to fail with. A key update ends its record, so there is at most one
   */
  read(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#seen < 4) {
        this.#header = this.#header * 256 + bytes[at++]!; // below `to`, which is inside
        this.#seen += 1;
        if (this.#seen < 4) continue;
        const refused = this.#begin();
        if (refused !== Message.None) return refused;
        continue;
      }
      if (this.#header >>> 24 === KEY_UPDATE) return this.#keyUpdate(bytes[at]!, at + 1 === to);
      const part = Math.min(this.#left, to - at);
      at += part;
      this.#left -= part;
      if (this.#left === 0) this.#reset();
    }
    return Message.None;
  }

  #begin(): number {
    const type = this.#header >>> 24;
    this.#left = this.#header & 0xff_ffff;
    if (type === KEY_UPDATE) return this.#left === 1 ? Message.None : Alert.DecodeError;
    if (type !== NEW_SESSION_TICKET || !this.#ticketsAllowed) return Alert.UnexpectedMessage;
    return this.#left === 0 || this.#left > MAX_TICKET ? Alert.DecodeError : Message.None;
  }

  #keyUpdate(request: number, last: boolean): number {
    if (!last) return Alert.UnexpectedMessage; // nothing may share a record with a change of keys
    if (request > 1) return Alert.IllegalParameter;
    this.#reset();
    return request === 1 ? Message.KeyUpdateRequested : Message.KeyUpdate;
  }

  #reset(): void {
    this.#seen = 0;
    this.#header = 0;
    this.#left = 0;
  }
}
