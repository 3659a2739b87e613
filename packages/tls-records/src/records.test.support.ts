import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { type Hmac, nextSecret, trafficKeys } from "./key-schedule.ts";
import { OutputBlock, outputBytes } from "./output-block.ts";
import { type Block, type Gathered, HEADER_BYTES, type RecordCipher, TAG_BYTES } from "./record-format.ts";
import { Opened } from "./record-opener.ts";
import { type CipherName, type Suite, suiteOf } from "./suites.ts";
import { type TakeOver, TlsRecords } from "./tls-records.ts";
import type { RecordPorts } from "./traffic.ts";

export const hmac: Hmac = (hash, key, data) => createHmac(hash, key).update(data).digest();

/** Ciphers of node:crypto, an object per record: slow, and written by others. */
class NodeCipher implements RecordCipher<Block> {
  readonly #name: CipherName;
  #key: Uint8Array;
  #iv: Uint8Array;
  freed = false;

  constructor(name: CipherName, key: Uint8Array, iv: Uint8Array) {
    this.#name = name;
    this.#key = key;
    this.#iv = iv;
  }

  rekey(key: Uint8Array, iv: Uint8Array): void {
    this.#key = key;
    this.#iv = iv;
  }

  free(): void {
    this.freed = true;
  }

  #nonce(sequence: number): Buffer {
    const nonce = Buffer.from(this.#iv);
    const count = Buffer.alloc(8);
    count.writeBigUInt64BE(BigInt(sequence));
    for (const [i, b] of count.entries()) nonce[4 + i]! ^= b;
    return nonce;
  }

  seal(memory: Block, at: number, length: number, sequence: number): void {
    const name = this.#name as "aes-128-gcm"; // the three have one interface; their types do not say so
    const cipher = createCipheriv(name, this.#key, this.#nonce(sequence), { authTagLength: 16 });
    const { bytes } = memory;
    cipher.setAAD(bytes.subarray(at, at + HEADER_BYTES), { plaintextLength: length });
    const from = at + HEADER_BYTES;
    bytes.set(cipher.update(bytes.subarray(from, from + length)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), from + length);
  }

  sealFrom(memory: Block, at: number, content: Readonly<Gathered<Block>>, sequence: number): void {
    const { inPlace, source, from, length } = content;
    memory.bytes.set(source.bytes.subarray(from, from + length), at + HEADER_BYTES + inPlace);
    this.seal(memory, at, inPlace + length + 1, sequence);
  }

  open(memory: Block, at: number, length: number, sequence: number): boolean {
    const { bytes } = memory;
    const name = this.#name as "aes-128-gcm";
    const cipher = createDecipheriv(name, this.#key, this.#nonce(sequence), { authTagLength: 16 });
    cipher.setAAD(bytes.subarray(at, at + HEADER_BYTES), { plaintextLength: length - TAG_BYTES });
    const from = at + HEADER_BYTES;
    const content = cipher.update(bytes.subarray(from, from + length - TAG_BYTES));
    bytes.set(content, from);
    cipher.setAuthTag(bytes.subarray(from + length - TAG_BYTES, from + length));
    try {
      cipher.final();
      return true;
    } catch {
      return false; // what it throws says only that
    }
  }
}

export const ports: RecordPorts<Block> = { hmac, cipher: (o) => new NodeCipher(o.cipher, o.key, o.iv) };

export function secretOf(suite: Suite, fill: number): Uint8Array {
  return new Uint8Array(suite.hashBytes).fill(fill);
}

/** Both ends of a connection whose handshake has just ended. */
export function pair(
  suiteId = 0x1301,
  o: Partial<TakeOver> = {},
): { client: TlsRecords<Block>; server: TlsRecords<Block> } {
  const suite = suiteOf(suiteId);
  const c = { secret: secretOf(suite, 0xc0), sequence: 0 };
  const s = { secret: secretOf(suite, 0x50), sequence: 0 };
  return {
    client: TlsRecords.takeOver(ports, { role: "client", suite: suiteId, read: s, write: c, ...o }),
    server: TlsRecords.takeOver(ports, { role: "server", suite: suiteId, read: c, write: s, ...o }),
  };
}

export const block = (records = 4): OutputBlock<Block> =>
  new OutputBlock({ bytes: new Uint8Array(outputBytes(records)) });

/** Everything that `write` (or `writeFrom`) and `flush` make of some content, as one byte string. */
export function sealed(
  records: TlsRecords<Block>,
  pieces: readonly Uint8Array[],
  out = block(),
  how: "copied" | "from where it lies" = "copied",
): Uint8Array {
  const { sealer } = records;
  const write = (piece: Uint8Array, at: number): number =>
    how === "copied" ? sealer.write(out, piece, at) : sealer.writeFrom(out, { bytes: piece }, at, piece.length);
  const parts: Uint8Array[] = [];
  const send = (): void => {
    records.sealer.flush(out);
    parts.push(out.memory.bytes.slice(0, out.used));
    out.clear();
  };
  for (const piece of pieces) for (let at = write(piece, 0); at < piece.length; at = write(piece, at)) send();
  send();
  return Buffer.concat(parts);
}

export interface Outcome {
  readonly content: Buffer;
  readonly kind: Opened;
  readonly alert: number;
  readonly why: string;
}

/** Feeds bytes as a driver does, in the given portions, and gathers what comes out. */
export function opened(records: TlsRecords<Block>, portions: readonly Uint8Array[]): Outcome {
  const memory = { bytes: new Uint8Array(records.keptBytes + portions.reduce((n, p) => n + p.length, 0) + 1) };
  const content: Buffer[] = [];
  let kind: Opened = Opened.Need;
  for (const portion of portions) {
    const had = records.recall(memory);
    memory.bytes.set(portion, had);
    const end = had + portion.length;
    let at = 0;
    while ((kind = records.opener.open(memory, at, end)) === Opened.Data) {
      content.push(Buffer.from(memory.bytes.subarray(records.opener.from, records.opener.to)));
      at = records.opener.at;
    }
    if (kind !== Opened.Need) break;
    records.keep(memory, records.opener.at, end);
  }
  return { content: Buffer.concat(content), kind, alert: records.opener.alert, why: records.opener.why };
}

/** Seals whatever a test wants to see in a record, right or wrong, as the peer whose secret it has. */
export class Forger {
  readonly #suite: Suite;
  #secret: Uint8Array;
  #cipher: RecordCipher<Block>;
  sequence = 0;

  constructor(suite: Suite, secret: Uint8Array) {
    this.#suite = suite;
    this.#secret = secret;
    this.#cipher = this.#make();
  }

  #make(): RecordCipher<Block> {
    return ports.cipher({
      cipher: this.#suite.cipher,
      direction: "seal",
      ...trafficKeys(hmac, this.#suite, this.#secret),
    });
  }

  update(): void {
    this.#secret = nextSecret(hmac, this.#suite, this.#secret);
    this.#cipher = this.#make();
    this.sequence = 0;
  }

  /** @param type 0 leaves out the type, so that the inner plaintext is `content` and zeros */
  record(type: number, content: Uint8Array, padding = 0): Uint8Array {
    const inner = content.length + (type === 0 ? 0 : 1) + padding;
    const bytes = new Uint8Array(HEADER_BYTES + inner + TAG_BYTES);
    bytes.set([23, 3, 3, (inner + TAG_BYTES) >> 8, (inner + TAG_BYTES) & 0xff]);
    bytes.set(content, HEADER_BYTES);
    if (type !== 0) bytes[HEADER_BYTES + content.length] = type;
    this.#cipher.seal({ bytes }, 0, inner, this.sequence++);
    return bytes;
  }
}
