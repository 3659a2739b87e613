import { Code, MeshError } from "@lateen/errors";
import { Alert } from "./alerts.ts";
import type { OutputBlock } from "./output-block.ts";
import {
  type Block,
  ContentType,
  type Gathered,
  HEADER_BYTES,
  MAX_CONTENT,
  OVERHEAD,
  TAG_BYTES,
} from "./record-format.ts";
import type { Traffic } from "./traffic.ts";

const KEY_UPDATE = Uint8Array.of(24, 0, 0, 1, 0);
const FATAL = 2;
const WARNING = 1;
/** A record shorter than this is not begun in a block that is nearly full, unless it holds all that is left. */
const SHORT_RECORD = 2048;

/** Seals one direction's records, many into one block. @see RFC 8446 section 5 */
export class RecordSealer<M extends Block> {
  readonly traffic: Traffic<M>;
  /** The peer asked for a key update, and our own has not gone out since. */
  updateOwed: boolean;
  /** close_notify or a fatal alert was sealed: nothing may follow. */
  ended: boolean;
  readonly #updateAfter: number;
  /** Of the record being sealed from elsewhere; null before the first. */
  #gathered: Gathered<M> | null = null;

  constructor(
    traffic: Traffic<M>,
    from: { readonly updateOwed: boolean; readonly ended: boolean; readonly updateAfter: number },
  ) {
    this.traffic = traffic;
    this.updateOwed = from.updateOwed;
    this.ended = from.ended;
    this.#updateAfter = from.updateAfter;
  }

  /**
   * Takes content, copying it. Whole records are sealed at once; the rest stays open in the block until `flush`, so that small
   * writes share a record.
   * @param from where in `bytes` to begin
   * @returns where in `bytes` it stopped: its length, or less when the block is full (flush, send, clear, go on)
   */
  write(block: OutputBlock<M>, bytes: Uint8Array, from: number): number {
    if (this.ended) throw new MeshError(Code.Bug, "Cannot seal content: this direction was closed");
    let at = from;
    while (at < bytes.length) {
      const left = bytes.length - at;
      const room = block.room;
      if (room <= 0 || (block.open === 0 && room < left && room < SHORT_RECORD)) {
        if (block.open > 0) this.#sealOpen(block);
        return at;
      }
      const part = left < room ? left : room;
      block.append(bytes, at, at + part);
      at += part;
      if (block.open === MAX_CONTENT) this.#sealOpen(block);
    }
    return at;
  }

  /**
   * As `write`, but the content lies in a memory that the cipher can read: what fills a record is sealed from there without
   * being copied, the rest stays open as with `write`.
   * @returns where in `source` it stopped: `to`, or less when the block is full
   */
  writeFrom(block: OutputBlock<M>, source: M, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const room = block.room;
      const direct = room >= SHORT_RECORD && to - at >= room && !this.updateOwed;
      if (!direct || this.ended || this.traffic.sequence >= this.#updateAfter) {
        const stop = block.open > 0 && room > 0 ? Math.min(to, at + room) : to;
        const stopped = this.write(block, source.bytes.subarray(at, stop), 0);
        if (stopped === 0) return at;
        at += stopped;
      } else {
        this.#sealFrom(block, source, at, room);
        at += room;
      }
    }
    return at;
  }

  /** Seals what is open, and a key update that is owed. Afterwards `block.used` bytes may be sent. */
  flush(block: OutputBlock<M>): void {
    if (block.open > 0) this.#sealOpen(block);
    else if (this.updateOwed && !this.ended) this.#sealKeyUpdate(block);
  }

  /** Seals what is open, then the end of our direction. Idempotent. @see RFC 8446 section 6.1 */
  end(block: OutputBlock<M>): void {
    this.alert(block, Alert.CloseNotify);
  }

  /** Seals what is open, then an alert; any but close_notify is fatal to both directions. Idempotent. */
  alert(block: OutputBlock<M>, description: number): void {
    if (this.ended) return;
    this.flush(block);
    this.ended = true;
    const at = block.used + HEADER_BYTES;
    const { bytes } = block.memory;
    bytes[at] = description === Alert.CloseNotify ? WARNING : FATAL;
    bytes[at + 1] = description;
    this.#seal(block, 2, ContentType.Alert);
  }

  #sealOpen(block: OutputBlock<M>): void {
    const content = block.open;
    block.open = 0;
    if (this.updateOwed || this.traffic.sequence >= this.#updateAfter) {
      this.#sealAfterUpdate(block, content);
      return;
    }
    this.#seal(block, content, ContentType.ApplicationData);
  }

  /** The update goes first; the open content moves behind it. Rare. */
  #sealAfterUpdate(block: OutputBlock<M>, content: number): void {
    const from = block.used + HEADER_BYTES;
    const update = OVERHEAD + KEY_UPDATE.length;
    block.memory.bytes.copyWithin(from + update, from, from + content);
    this.#sealKeyUpdate(block);
    this.#seal(block, content, ContentType.ApplicationData);
  }

  /** Never asks for one back: some peers mishandle a request after they closed their direction. */
  #sealKeyUpdate(block: OutputBlock<M>): void {
    block.memory.bytes.set(KEY_UPDATE, block.used + HEADER_BYTES);
    this.#seal(block, KEY_UPDATE.length, ContentType.Handshake);
    this.updateOwed = false;
    this.traffic.update();
  }

  #seal(block: OutputBlock<M>, content: number, type: number): void {
    const { memory, used } = block;
    this.#frame(block, content, type);
    this.traffic.cipher.seal(memory, used, content + 1, this.traffic.sequence);
    this.#sealed(block, content);
  }

  /** Seals what is open together with what follows it from elsewhere. */
  #sealFrom(block: OutputBlock<M>, source: M, from: number, length: number): void {
    const { memory, used, open } = block;
    block.open = 0;
    const g = (this.#gathered ??= { inPlace: 0, source, from: 0, length: 0 });
    g.inPlace = open;
    g.source = source;
    g.from = from;
    g.length = length;
    this.#frame(block, open + length, ContentType.ApplicationData);
    this.traffic.cipher.sealFrom(memory, used, g, this.traffic.sequence);
    this.#sealed(block, open + length);
  }

  /** Writes header and type around content that is in place, or will be. */
  #frame({ memory, used }: OutputBlock<M>, content: number, type: number): void {
    const { bytes } = memory;
    if (used + OVERHEAD + content > bytes.length)
      throw new MeshError(Code.Bug, "Cannot seal record: it does not fit into the output memory");
    const length = content + 1 + TAG_BYTES;
    bytes[used] = ContentType.ApplicationData;
    bytes[used + 1] = 3;
    bytes[used + 2] = 3;
    bytes[used + 3] = length >> 8;
    bytes[used + 4] = length & 0xff;
    bytes[used + HEADER_BYTES + content] = type;
  }

  #sealed(block: OutputBlock<M>, content: number): void {
    this.traffic.sequence += 1;
    block.used += OVERHEAD + content;
  }
}
