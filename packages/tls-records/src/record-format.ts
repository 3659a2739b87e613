/** Outer and inner content types. @see RFC 8446 section 5.1 */
export const ContentType = { Alert: 21, Handshake: 22, ApplicationData: 23 } as const;

export const HEADER_BYTES = 5;
export const TAG_BYTES = 16;
/** Largest content of a record. */
export const MAX_CONTENT = 16_384;
/** Content, its type and padding together. */
export const MAX_INNER = MAX_CONTENT + 1;
/** Largest declared length of a protected record. @see RFC 8446 section 5.2 */
export const MAX_PROTECTED = MAX_CONTENT + 256;
/** What sealing adds to content: header, type byte, tag. */
export const OVERHEAD = HEADER_BYTES + 1 + TAG_BYTES;
/** A record of full content, sealed. */
export const SEALED_RECORD_BYTES = MAX_CONTENT + OVERHEAD;

/** Memory that records are sealed into and opened in. `Memory` of `@lateen/linux` is one. */
export interface Block {
  readonly bytes: Uint8Array;
}

/** Content of a record that is partly in its place behind the header already; the rest follows from another memory. */
export interface Gathered<M extends Block> {
  inPlace: number;
  source: M;
  from: number;
  length: number;
}

/**
 * Seals or opens records in place under one key. The nonce is the IV with the sequence number (below 2^53) in its last eight
 * bytes, by exclusive or; the 5-byte header is what is authenticated beside the content.
 * @see RFC 8446 sections 5.2, 5.3
 */
export interface RecordCipher<M extends Block> {
  /** Encrypts `length` bytes behind the header at `at`, and writes the tag behind them. */
  seal(memory: M, at: number, length: number, sequence: number): void;
  /**
   * The same for content of which a part still lies elsewhere: encrypts that part on its way into place, which saves a copy. The
   * one byte behind the content, its type, is in place.
   */
  sealFrom(memory: M, at: number, content: Readonly<Gathered<M>>, sequence: number): void;
  /**
   * Verifies and decrypts the record whose header is at `at` and whose ciphertext, tag included, has `length` bytes.
   * @returns false when it does not verify; what then stands in memory is meaningless
   */
  open(memory: M, at: number, length: number, sequence: number): boolean;
  /** Goes on under another key of the same cipher. */
  rekey(key: Uint8Array, iv: Uint8Array): void;
  /** Lets go of what is outside the garbage collector's reach. Idempotent; the cipher is of no use afterwards. */
  free(): void;
}
