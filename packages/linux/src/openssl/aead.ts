import { Code, MeshError } from "@lateen/errors";
import { checkBytes } from "../checks.ts";
import { Memory, checkRange } from "../memory.ts";
import { type Pointer, openssl } from "./native-openssl.ts";
import { opensslBug } from "./openssl-error.ts";
import { AS_BEFORE, HEADER_BYTES, RecordCalls, TAG_BYTES } from "./record-calls.ts";

export type AeadName = "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";

const KEY_BYTES = { "aes-128-gcm": 16, "aes-256-gcm": 32, "chacha20-poly1305": 32 } as const satisfies Record<
  AeadName,
  number
>;
const IV_BYTES = 12;
const NONCE = 32;
const WRITTEN = 48;
const SCRATCH_BYTES = 64;

/** What C reads and writes beside the record, one for all keys of the thread: calls do not overlap. */
interface Scratch {
  readonly memory: Memory;
  readonly view: DataView;
  readonly key: Pointer;
  readonly seal: RecordCalls;
  readonly sealFrom: RecordCalls;
  readonly open: RecordCalls;
}

let scratchOfThread: Scratch | null = null;
function scratch(): Scratch {
  if (scratchOfThread !== null) return scratchOfThread;
  const memory = new Memory(SCRATCH_BYTES);
  memory.bytes.fill(0);
  const { address } = memory;
  const at = { nonce: address + NONCE, written: address + WRITTEN };
  return (scratchOfThread = {
    memory,
    view: new DataView(memory.buffer, memory.offset, SCRATCH_BYTES),
    key: address,
    seal: new RecordCalls(["update", "final", "get tag"], at),
    sealFrom: new RecordCalls(["update", "update", "update", "final", "get tag"], at),
    open: new RecordCalls(["set tag", "update", "final"], at),
  });
}

function cipherOf(name: AeadName): Pointer {
  const ssl = openssl();
  return { "aes-128-gcm": ssl.aes128Gcm, "aes-256-gcm": ssl.aes256Gcm, "chacha20-poly1305": ssl.chacha20Poly1305 }[
    name
  ]();
}

export interface AeadOptions {
  readonly cipher: AeadName;
  readonly direction: "seal" | "open";
  readonly key: Uint8Array;
  /** 12 bytes. */
  readonly iv: Uint8Array;
}

/** Where the content of a record lies that is not in place yet. */
export interface AeadContent {
  readonly inPlace: number;
  readonly source: Memory;
  readonly from: number;
  readonly length: number;
}

/**
 * One key for one direction of TLS 1.3 records, on a context of OpenSSL that is kept. Works in place on ranges of a `Memory`;
 * the five bytes before the content are authenticated with it. Free it: the collector does not know what C holds.
 * @see RFC 8446 sections 5.2, 5.3
 */
export class AeadKey {
  readonly #name: AeadName;
  readonly #seals: boolean;
  #context: Pointer;
  #iv0 = 0;
  #iv1 = 0;
  #iv2 = 0;
  readonly #ssl = openssl();
  readonly #scratch = scratch();

  /** @throws MeshError BUG when key or IV have a wrong length */
  constructor(o: AeadOptions) {
    this.#name = o.cipher;
    this.#seals = o.direction === "seal";
    this.#checkKey(o.key, o.iv);
    this.#context = this.#ssl.cipherCtxNew();
    if (this.#context === 0) throw opensslBug("EVP_CIPHER_CTX_new");
    try {
      if (this.#ssl.cipherInit(this.#context, cipherOf(o.cipher), 0, 0, 0, this.#seals ? 1 : 0) !== 1)
        throw opensslBug("EVP_CipherInit_ex");
      this.rekey(o.key, o.iv);
    } catch (e) {
      this.free();
      throw e;
    }
  }

  /** Goes on under another key of the same cipher. @throws MeshError BUG when key or IV have a wrong length */
  rekey(key: Uint8Array, iv: Uint8Array): void {
    this.#checkKey(key, iv);
    const s = this.#scratch;
    s.memory.bytes.set(key);
    const done = this.#ssl.cipherInit(this.#live(), 0, 0, s.key, 0, AS_BEFORE);
    s.memory.bytes.fill(0, 0, key.length);
    if (done !== 1) throw opensslBug("EVP_CipherInit_ex");
    const view = new DataView(iv.buffer, iv.byteOffset, IV_BYTES);
    this.#iv0 = view.getInt32(0);
    this.#iv1 = view.getInt32(4);
    this.#iv2 = view.getInt32(8);
  }

  /**
   * Encrypts `length` bytes (1 or more) behind the 5-byte header at `at`, and writes the 16-byte tag behind them.
   * @param sequence of the record, below 2^53
   * @throws MeshError BUG when the range, tag included, is not inside the memory
   */
  seal(memory: Memory, at: number, length: number, sequence: number): void {
    checkRange(memory, at, length);
    checkRange(memory, at, HEADER_BYTES + length + TAG_BYTES);
    if (!this.#seals) throw new MeshError(Code.Bug, "Cannot seal: the key is for opening");
    const calls = this.#scratch.seal;
    this.#begin(calls, memory, at, sequence);
    const content = memory.address + at + HEADER_BYTES;
    const end = content + length;
    calls.update(0, content, content, length);
    calls.final(1, end);
    calls.tag(2, end);
    if (!calls.run()) throw opensslBug("sealing");
  }

  /**
   * As `seal`, for content of which only the first `inPlace` bytes and the last one (behind all) are in place: the `length` bytes
   * between are read from another memory and encrypted on their way.
   * @throws MeshError BUG when a range is not inside its memory, or both memories are one
   */
  sealFrom(memory: Memory, at: number, content: AeadContent, sequence: number): void {
    const { inPlace, source, from, length } = content;
    checkRange(memory, at, inPlace);
    checkRange(source, from, length);
    checkRange(memory, at, HEADER_BYTES + inPlace + length + 1 + TAG_BYTES);
    if (!this.#seals || source === memory) throw new MeshError(Code.Bug, "Cannot seal: wrong key or memory");
    const calls = this.#scratch.sealFrom;
    this.#begin(calls, memory, at, sequence);
    const first = memory.address + at + HEADER_BYTES;
    const second = first + inPlace;
    const type = second + length;
    calls.update(0, first, first, inPlace);
    calls.update(1, second, source.address + from, length);
    calls.update(2, type, type, 1);
    calls.final(3, type + 1);
    calls.tag(4, type + 1);
    if (!calls.run()) throw opensslBug("sealing");
  }

  /**
   * Verifies and decrypts the `length` bytes behind the header at `at`, of which the last 16 are the tag.
   * @returns false when it does not verify: what then stands there is meaningless
   * @throws MeshError BUG when the range is not inside the memory
   */
  open(memory: Memory, at: number, length: number, sequence: number): boolean {
    checkRange(memory, at, length);
    checkRange(memory, at, HEADER_BYTES + length);
    if (this.#seals) throw new MeshError(Code.Bug, "Cannot open: the key is for sealing");
    if (length < TAG_BYTES) return false;
    const calls = this.#scratch.open;
    this.#begin(calls, memory, at, sequence);
    const content = memory.address + at + HEADER_BYTES;
    const size = length - TAG_BYTES;
    calls.tag(0, content + size);
    calls.update(1, content, content, size);
    calls.final(2, content + size);
    const verified = calls.run();
    if (!verified) this.#ssl.errClear();
    return verified;
  }

  /** Idempotent. */
  free(): void {
    const context = this.#context;
    this.#context = 0;
    if (context !== 0) this.#ssl.cipherCtxFree(context);
  }

  /** Sets the nonce, IV xor sequence, and the header to be authenticated. */
  #begin(calls: RecordCalls, memory: Memory, at: number, sequence: number): void {
    if (!(Number.isSafeInteger(sequence) && sequence >= 0))
      throw new MeshError(Code.Bug, `Cannot seal or open: ${String(sequence)} is not a sequence number`);
    const { view } = this.#scratch;
    view.setInt32(NONCE, this.#iv0);
    view.setInt32(NONCE + 4, this.#iv1 ^ (sequence / 0x1_0000_0000));
    view.setInt32(NONCE + 8, this.#iv2 ^ sequence);
    calls.begin(this.#live(), memory.address + at);
  }

  #live(): Pointer {
    if (this.#context === 0) throw new MeshError(Code.Bug, "Cannot use an AEAD key that was freed");
    return this.#context;
  }

  #checkKey(key: Uint8Array, iv: Uint8Array): void {
    checkBytes("key", key, KEY_BYTES[this.#name]);
    checkBytes("iv", iv, IV_BYTES);
    if (key.byteLength !== KEY_BYTES[this.#name] || iv.byteLength !== IV_BYTES)
      throw new MeshError(Code.Bug, "Cannot use an AEAD key: key or IV are too short");
  }
}
